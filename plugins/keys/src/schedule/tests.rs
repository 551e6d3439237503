//! When keys are due, and that verifiers know each before it signs, however late somebody looks.

use super::*;
use crate::testing::Random;

fn schedule(rotate_every: u64, publish_before: u64, retire_after: u64) -> Schedule {
    Schedule::new(rotate_every, publish_before, retire_after).unwrap()
}

/// Keys that sign from these times, one after the other.
fn windows(from: &[u64]) -> Vec<Window> {
    let until = from.iter().skip(1).copied().map(Some).chain([None]);
    from.iter().zip(until).map(|(from, until)| Window { from: Some(*from), until, not_after: None }).collect()
}

#[test]
fn the_files_are_looked_at_every_tenth_of_the_time_before_a_key_signs_within_bounds() {
    let scans = [0, 1, 2, 10, 100, 86_400, u64::MAX].map(scan_every);
    assert_eq!(scans.map(|scan| scan.as_millis()), [100, 100, 200, 1000, 10_000, 10_000, 10_000]);
}

#[test]
fn verifiers_get_what_noticing_and_clocks_leave_over() {
    let day = overlap(86_400, 86_400);
    assert_eq!(day, Overlap { longest_cache: 86_400 - 10 - 1, longest_token: 86_399 });
    let shortest = overlap(2, 1);
    assert_eq!(shortest, Overlap { longest_cache: 0, longest_token: 0 });
    assert_eq!(overlap(0, 0), shortest);
}

#[test]
fn periods_that_nobody_could_keep_are_mistakes_at_their_fields() {
    let mistakes = [(0, 10, 10), (10, 1, 10), (10, 10, 0), (10, LONGEST + 1, 10), (u64::MAX, 10, 10)];
    let fields = mistakes.map(|(every, before, after)| Schedule::new(every, before, after).unwrap_err().field);
    assert_eq!(fields, ["rotate_every", "publish_before", "retire_after", "publish_before", "rotate_every"]);
}

#[test]
fn a_hundred_keys_may_be_published_at_a_time_and_no_more() {
    assert!(Schedule::new(2, 100, 100).is_ok());
    let mistake = Schedule::new(2, 100, 101).unwrap_err();
    assert_eq!(mistake.field, "rotate_every");
    assert!(mistake.reason.contains("raise it to 3 or more"), "{mistake}");
    assert!(Schedule::new(3, 100, 101).is_ok());
}

#[test]
fn the_first_key_signs_at_once_also_for_those_whose_clock_is_behind() {
    assert_eq!(schedule(10, 20, 30).due(&[], 1000), Some(Due::AtOnce(1000 - SKEW)));
}

#[test]
fn a_key_that_signs_at_once_takes_nothing_from_the_one_before() {
    let ended = Window { from: Some(0), until: Some(990), not_after: Some(990) };
    assert_eq!(schedule(10, 20, 30).due(&[ended], 1000), Some(Due::AtOnce(990)));
}

#[test]
fn a_clock_that_went_back_before_the_first_key_gets_one_that_signs() {
    let schedule = schedule(10, 20, 30);
    assert_eq!(schedule.due(&windows(&[5000, 5010]), 1000), Some(Due::AtOnce(1000 - SKEW)));
    let mended = windows(&[1000 - SKEW, 5000, 5010]);
    assert!(matches!(schedule.due(&mended, 1000), Some(Due::From(_))), "and rotation goes on before the others");
}

#[test]
fn a_successor_is_due_when_it_has_to_be_published_and_not_long_before() {
    let schedule = schedule(1000, 100, 100);
    let margin = schedule.margin();
    assert!(margin > 2 * 10, "two looks of ten seconds and the time that a key takes");
    let keys = windows(&[0]);
    assert_eq!(schedule.due(&keys, 1000 - 100 - margin - 1), None);
    assert_eq!(schedule.due(&keys, 1000 - 100 - margin), Some(Due::From(1000)));
    assert_eq!(schedule.due(&windows(&[0, 1000]), 1000 - 100 - margin), None);
}

#[test]
fn a_successor_that_comes_late_is_still_published_long_enough() {
    let schedule = schedule(1000, 100, 100);
    assert_eq!(schedule.due(&windows(&[0]), 950), Some(Due::From(1050)));
    assert_eq!(schedule.due(&windows(&[0]), 1_000_000), Some(Due::From(1_000_100)));
    assert_eq!(schedule.due(&windows(&[0, 1_000_100]), 1_000_000), None, "it is there now");
}

#[test]
fn a_far_key_of_a_clock_that_was_wrong_stops_no_rotation() {
    let schedule = schedule(1000, 100, 100);
    let keys = windows(&[0, 31_557_600]);
    assert_eq!(schedule.due(&keys, 990), Some(Due::From(1090)));
    assert_eq!(schedule.due(&windows(&[0, 1090, 31_557_600]), 990), None);
}

#[test]
fn a_key_that_ends_by_itself_is_followed_in_time() {
    let keys = [Window { from: Some(0), until: Some(500), not_after: Some(500) }];
    let schedule = schedule(1000, 100, 100);
    assert_eq!(schedule.due(&keys, 500 - 100 - schedule.margin() - 1), None);
    assert_eq!(schedule.due(&keys, 500 - 100 - schedule.margin()), Some(Due::From(500)));
}

#[test]
fn a_key_that_signs_since_ever_is_relieved() {
    let keys = [Window { from: None, until: None, not_after: None }];
    assert_eq!(schedule(1000, 100, 100).due(&keys, 1_700_000_000), Some(Due::From(1_700_000_100)));
}

/// A key, with the second in which others could see it.
struct Made {
    published: u64,
    from: u64,
    at_once: bool,
}

/// What the files hold after a maintainer has looked, at random moments that are at most `pause` apart.
fn simulate(schedule: &Schedule, random: &mut Random, seconds: u64, pause: u64) -> Vec<Made> {
    let mut keys: Vec<Made> = Vec::new();
    let mut now = 1_000_000;
    while now < 1_000_000 + seconds {
        let mut from: Vec<u64> = keys.iter().map(|key| key.from).collect();
        from.sort_unstable();
        while let Some(due) = schedule.due(&windows(&from), now) {
            let (signs, at_once) = match due {
                Due::AtOnce(from) => (from, true),
                Due::From(from) => (from, false),
            };
            keys.push(Made { published: now, from: signs, at_once });
            from.push(signs);
            from.sort_unstable();
            assert!(from.len() < 10_000, "one key after the other, without end");
        }
        now += 1 + random.below(pause);
    }
    keys
}

#[test]
fn every_key_but_the_first_is_published_long_enough_and_none_signs_much_longer_than_it_should() {
    let mut random = Random::new(7);
    for _ in 0..300 {
        let (every, before) = (1 + random.below(50), 2 + random.below(300));
        let Ok(schedule) = Schedule::new(every, before, 1 + random.below(300)) else { continue };
        let keys = simulate(&schedule, &mut random, 2000, notice(before) + 2);
        assert_eq!(keys.iter().filter(|key| key.at_once).count(), 1, "{schedule:?}");
        for key in keys.iter().filter(|key| !key.at_once) {
            assert!(key.published + before <= key.from, "{schedule:?}: {} {}", key.published, key.from);
        }
        let regular: Vec<u64> = keys.iter().map(|key| key.from).skip_while(|from| *from < 1_000_000 + before).collect();
        assert!(
            regular.windows(2).all(|pair| pair[1] - pair[0] == every),
            "who looks in time makes them exactly so often: {schedule:?}"
        );
        assert!(regular.len() as u64 >= (2000 - before) / every, "{schedule:?}");
    }
}

#[test]
fn maintainers_that_were_away_for_long_break_no_verifier() {
    let mut random = Random::new(8);
    for _ in 0..300 {
        let (every, before) = (1 + random.below(50), 2 + random.below(300));
        let Ok(schedule) = Schedule::new(every, before, 1 + random.below(300)) else { continue };
        for key in simulate(&schedule, &mut random, 5000, 600).iter().filter(|key| !key.at_once) {
            assert!(key.published + before <= key.from, "{schedule:?}: {} {}", key.published, key.from);
        }
    }
}
