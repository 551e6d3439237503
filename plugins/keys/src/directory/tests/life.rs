//! Keys that come and go as time goes by.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
    sync::Barrier,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use signet_plugin_api::KeyState;

use super::*;
use crate::{At, Schedule, keys_at, schedule::SKEW, testing::Random};

const NOW: u64 = 1_700_000_000;

fn schedule() -> Schedule {
    Schedule::new(10, 20, 30).unwrap()
}

fn made(changes: &[Change]) -> Vec<u64> {
    let made = |change: &Change| match change {
        Change::Made { signs_from, .. } => Some(*signs_from),
        Change::Removed { .. } => None,
    };
    changes.iter().filter_map(made).collect()
}

fn at(directory: &Directory, now: u64) -> At {
    keys_at(&directory.read().unwrap().keys, 30, now)
}

fn active(at: &At) -> Option<String> {
    let active = at.keys.states.iter().find(|status| status.state == KeyState::Active);
    assert_eq!(active.is_some(), at.keys.active.is_some());
    active.map(|status| status.kid.to_string())
}

/// Maintains until nothing is left to do: on a busy machine it takes several times.
fn settle(directory: &Directory, now: u64) {
    while !directory.maintain(&schedule(), ALGORITHM, now).unwrap().is_empty() {}
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn remove(folder: &Folder, kid: &str) {
    fs::remove_file(folder.path().join(format!("{kid}.jwk"))).unwrap();
}

#[test]
fn the_first_key_is_made_with_its_directory_and_only_the_owner_may_read_them() {
    let folder = Folder::new();
    let path = folder.path().join("var/keys");
    let directory = Directory::new(&path, None, SigningBackend::Ring);
    let changes = directory.ensure_active(&schedule(), ALGORITHM, NOW).unwrap();
    let [Change::Made { kid, signs_from }] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(*signs_from, NOW - SKEW);
    let file = path.join(format!("{kid}.jwk"));
    assert_eq!([mode(&path), mode(&file), mode(&path.join(".lock"))], [0o700, 0o600, 0o600]);
    let jwk: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let times = ["iat", "nbf"].map(|name| jwk[name].as_u64().unwrap());
    assert!((NOW..NOW + 30).contains(&times[0]), "{jwk}");
    assert_eq!((times[1], jwk["kid"].as_str(), jwk["alg"].as_str()), (NOW - SKEW, Some(&**kid.text()), Some("EdDSA")));
    assert_eq!(active(&at(&directory, NOW)), Some(kid.to_string()));
    assert_eq!(directory.ensure_active(&schedule(), ALGORITHM, NOW).unwrap(), [], "once");
}

#[test]
fn what_root_makes_belongs_to_the_owner_of_the_directory() {
    let folder = Folder::new();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        println!("skipped: only root can make files of others");
        return;
    }
    chown(folder.path(), Some(4711), Some(4712)).unwrap();
    directory(&folder).maintain(&schedule(), ALGORITHM, NOW).unwrap();
    for name in folder.names().iter().map(String::as_str).chain([".lock"]) {
        let metadata = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (4711, 4712, 0o600), "{name}");
    }
}

#[test]
fn every_algorithm_is_made_and_signs() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps512, Algorithm::Es256, Algorithm::Es384, Algorithm::Hs256] {
        let folder = Folder::new();
        let directory = directory(&folder);
        directory.ensure_active(&schedule(), algorithm, NOW).unwrap();
        let at = at(&directory, NOW);
        assert_eq!(at.keys.active.unwrap().signer.alg(), algorithm.as_str());
        assert_eq!(at.keys.public.as_ref() == br#"{"keys":[]}"#, algorithm.is_symmetric());
    }
}

#[test]
fn keys_follow_each_other_for_ever_and_every_node_sees_each_in_time() {
    let folder = Folder::new();
    let (maintainer, node, schedule) = (directory(&folder), directory(&folder), schedule());
    let mut random = Random::new(11);
    let mut published: BTreeMap<String, u64> = BTreeMap::new();
    let mut signed: BTreeMap<String, u64> = BTreeMap::new();
    let mut next_look = NOW;
    for now in NOW..NOW + 400 {
        if now >= next_look {
            maintainer.maintain(&schedule, ALGORITHM, now).unwrap();
            next_look = now + 1 + random.below(4);
        }
        let at = at(&node, now);
        let signer = active(&at).expect("a key that signs");
        signed.insert(signer.clone(), now);
        for status in &at.keys.states {
            published.entry(status.kid.to_string()).or_insert(now);
            let gone = signed.get(&*status.kid).is_some_and(|last| *last + 31 <= now);
            assert_eq!(status.state == KeyState::Retired, gone, "{status:?} at {now}");
        }
        let first = published[&signer] == NOW;
        assert!(
            first
                || published[&signer] + 20
                    <= at.keys.states.iter().find(|key| *key.kid == *signer).unwrap().signs_from.unwrap()
        );
        for (kid, last) in signed.iter().filter(|(_, last)| now <= **last + 30) {
            assert!(
                at.keys.states.iter().any(|status| *status.kid == **kid && status.state != KeyState::Retired),
                "{kid} {last} at {now}"
            );
        }
        let files = folder.names().len();
        assert!(files <= 3 + (20 + 30 + 60) / 10 + 3, "{files} files at {now}");
    }
    assert!(signed.len() > 30, "{}", signed.len());
    assert!(folder.names().len() < signed.len());
}

#[test]
fn files_of_retired_keys_stay_for_a_minute() {
    let folder = Folder::new();
    let directory = directory(&folder);
    folder.write("old.jwk", &jwk("old", Some(NOW - 500)));
    folder.write("new.jwk", &jwk("new", Some(NOW)));
    let there = |now| {
        directory.maintain(&schedule(), ALGORITHM, now).unwrap();
        folder.names().contains(&"old.jwk".to_owned())
    };
    assert_eq!([20, 30, 30 + 50, 30 + 90].map(|after| there(NOW + after)), [true, true, true, false]);
}

#[test]
fn a_clock_that_is_set_right_within_a_minute_has_removed_nothing() {
    let folder = Folder::new();
    let (wrong, right) = (directory(&folder), directory(&folder));
    settle(&right, NOW);
    let before = folder.names();
    for ahead in 0..50 {
        wrong.maintain(&schedule(), ALGORITHM, NOW + 100_000 + ahead).unwrap();
    }
    for now in NOW..NOW + 50 {
        let at = at(&right, now);
        assert!(active(&at).is_some());
        wrong.maintain(&schedule(), ALGORITHM, now).unwrap();
    }
    assert!(before.iter().all(|name| folder.names().contains(name)), "{before:?}");
}

#[test]
fn who_has_nothing_to_do_writes_nothing() {
    let folder = Folder::new();
    let directory = directory(&folder);
    settle(&directory, NOW);
    fs::remove_file(folder.path().join(".lock")).unwrap();
    assert_eq!(directory.maintain(&schedule(), ALGORITHM, NOW).unwrap(), []);
    assert!(!folder.path().join(".lock").exists());
}

#[test]
fn of_many_who_maintain_at_the_same_time_one_makes_the_key() {
    for round in 0..10 {
        let folder = Folder::new();
        let barrier = Barrier::new(8);
        let maintain = |behind: u64| {
            barrier.wait();
            directory(&folder).maintain(&schedule(), ALGORITHM, NOW - behind).unwrap()
        };
        let changes: Vec<Vec<u64>> = thread::scope(|scope| {
            // Their clocks differ by some seconds.
            let threads: Vec<_> = (0..8).map(|at| scope.spawn(move || made(&maintain(at % 3)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let made: usize = changes.iter().map(Vec::len).sum();
        assert_eq!(made, folder.names().len(), "round {round}: {changes:?}");
        let first = changes.iter().flatten().filter(|from| **from < NOW).count();
        assert_eq!(first, 1, "round {round}: {changes:?}");
        let mut from: Vec<u64> = changes.concat();
        from.sort_unstable();
        assert!(from.windows(2).all(|pair| pair[1] - pair[0] >= 10), "round {round}: {from:?}");
    }
}

#[test]
fn what_somebody_left_unfinished_is_removed_and_never_read() {
    let folder = Folder::new();
    let directory = directory(&folder);
    settle(&directory, NOW);
    let names = folder.names();
    folder.write(".unfinished", &jwk("half", Some(NOW))[..40]);
    assert!(directory.read().unwrap().mistakes.is_empty());
    assert_eq!(directory.maintain(&schedule(), ALGORITHM, NOW).unwrap(), []);
    assert_eq!(folder.names(), names);
}

#[test]
fn where_nothing_can_be_written_the_keys_of_others_are_followed() {
    let folder = Folder::new();
    let (other, this) = (directory(&folder), directory(&folder));
    other.ensure_active(&schedule(), ALGORITHM, NOW).unwrap();
    let first = active(&at(&this, NOW));
    // No lock can be had, whoever asks.
    fs::remove_file(folder.path().join(".lock")).unwrap();
    fs::create_dir(folder.path().join(".lock")).unwrap();
    let error = this.maintain(&schedule(), ALGORITHM, NOW + 50).unwrap_err();
    assert!(error.reason.starts_with("cannot lock the directory: "), "{error}");
    assert_eq!(active(&at(&this, NOW + 50)), first, "it goes on to sign");
    folder.write("b.jwk", &jwk("b", Some(NOW + 60)));
    assert_eq!(active(&at(&this, NOW + 60)).as_deref(), Some("b"));
}

#[test]
fn no_key_is_made_in_the_place_of_one_that_cannot_be_read() {
    let folder = Folder::new();
    folder.write("a.jwk", "{");
    let error = directory(&folder).maintain(&schedule(), ALGORITHM, NOW).unwrap_err();
    assert!(
        error.path.ends_with("a.jwk") && error.reason.starts_with("no key signs, and none is made while"),
        "{error}"
    );
    assert_eq!(folder.names(), ["a.jwk"]);
    folder.write("b.jwk", &jwk("b", Some(NOW - 5)));
    let changes = directory(&folder).maintain(&schedule(), ALGORITHM, NOW).unwrap();
    assert!(!made(&changes).is_empty(), "while one signs, rotation goes on");
}

#[test]
fn a_clock_that_goes_back_takes_nothing_away_and_something_signs() {
    let folder = Folder::new();
    let (directory, schedule) = (directory(&folder), schedule());
    for now in NOW..NOW + 30 {
        directory.maintain(&schedule, ALGORITHM, now).unwrap();
    }
    let before = folder.names();
    for back in [1, 15, 59, 3600] {
        directory.maintain(&schedule, ALGORITHM, NOW - back).unwrap();
        assert!(active(&at(&directory, NOW - back)).is_some(), "{back} seconds back");
    }
    assert!(before.iter().all(|name| folder.names().contains(name)));
    let signer = active(&at(&directory, NOW + 30));
    directory.maintain(&schedule, ALGORITHM, NOW + 30).unwrap();
    assert_eq!(active(&at(&directory, NOW + 30)), signer, "and when it is right again, nothing is other than it was");
}

#[test]
fn the_schedule_is_kept_after_a_long_time_in_which_nobody_looked() {
    let folder = Folder::new();
    let (directory, schedule) = (directory(&folder), schedule());
    directory.maintain(&schedule, ALGORITHM, NOW).unwrap();
    let last = at(&directory, NOW + 100_000);
    let changes = directory.maintain(&schedule, ALGORITHM, NOW + 100_000).unwrap();
    assert!(made(&changes).iter().all(|from| *from >= NOW + 100_000 + 20), "{changes:?}");
    assert_eq!(active(&at(&directory, NOW + 100_000)), active(&last));
    let changes = directory.maintain(&schedule, ALGORITHM, NOW + 100_090).unwrap();
    assert!(changes.iter().any(|change| matches!(change, Change::Removed { .. })));
}

#[test]
fn a_key_that_somebody_removed_is_gone_and_another_follows() {
    let folder = Folder::new();
    let (directory, schedule) = (directory(&folder), schedule());
    directory.maintain(&schedule, ALGORITHM, NOW).unwrap();
    let first = active(&at(&directory, NOW)).unwrap();
    remove(&folder, &first);
    directory.maintain(&schedule, ALGORITHM, NOW).unwrap();
    let second = active(&at(&directory, NOW)).unwrap();
    assert_ne!(first, second);
}

#[test]
fn rotating_makes_the_next_key_when_there_is_none() {
    let folder = Folder::new();
    let directory = directory(&folder);
    directory.ensure_active(&schedule(), ALGORITHM, NOW).unwrap();
    let first = active(&at(&directory, NOW));
    let rotation = directory.rotate_now(20, ALGORITHM, NOW).unwrap();
    assert!((NOW + 20..NOW + 60).contains(&rotation.signs_from), "{rotation:?}");
    assert_eq!((rotation.replaces.map(|kid| kid.to_string()), rotation.planned), (first, false));
    let again = directory.rotate_now(20, ALGORITHM, NOW).unwrap();
    assert_eq!((again.planned, again.kid, again.signs_from), (true, rotation.kid.clone(), rotation.signs_from));
    assert_eq!(active(&at(&directory, rotation.signs_from)), Some(rotation.kid.to_string()));
}

#[test]
fn rotating_lets_the_next_key_sign_as_soon_as_verifiers_know_it() {
    let folder = Folder::new();
    let directory = directory(&folder);
    // What counts is when the files appeared, whatever they say.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    folder.write("a.jwk", &jwk("a", None));
    let key = PrivateKey::generate(ALGORITHM, 2048).unwrap();
    let far = Labels { issued_at: Some(now - 5000), ..labels("b", Some(now + 100_000)) };
    let far = key.to_jwk(&far).unwrap();
    folder.write("b.jwk", &far);
    let rotation = directory.rotate_now(100, ALGORITHM, now + 50).unwrap();
    assert_eq!((&**rotation.kid.text(), rotation.planned), ("b", false));
    assert!((now + 100..now + 130).contains(&rotation.signs_from), "100 seconds after it was there: {rotation:?}");
    assert!(directory.rotate_now(100, ALGORITHM, now + 50).unwrap().planned, "and no sooner");
    folder.write("b.jwk", &far);
    let rotation = directory.rotate_now(100, ALGORITHM, now + 2000).unwrap();
    assert!(
        (now + 2000 + 10..now + 2000 + 40).contains(&rotation.signs_from),
        "at once is when every process has seen it: {rotation:?}"
    );
    let text = fs::read_to_string(folder.path().join("b.jwk")).unwrap();
    let expected = Labels { issued_at: Some(now - 5000), ..labels("b", Some(rotation.signs_from)) };
    assert_eq!(text, *key.to_jwk(&expected).unwrap(), "nothing else is changed");
    assert_eq!(
        (folder.names(), mode(&folder.path().join("b.jwk"))),
        (vec!["a.jwk".to_owned(), "b.jwk".to_owned()], 0o600)
    );
    assert_eq!(active(&at(&directory, rotation.signs_from)).as_deref(), Some("b"));
}

#[test]
fn rotating_where_nothing_signs_makes_a_key_that_does() {
    let folder = Folder::new();
    let directory = directory(&folder);
    let rotation = directory.rotate_now(20, ALGORITHM, NOW).unwrap();
    assert_eq!((rotation.replaces, rotation.signs_from), (None, NOW - SKEW));
    assert_eq!(active(&at(&directory, NOW)), Some(rotation.kid.to_string()));
}

#[test]
fn rotating_after_the_last_key_ended_takes_nothing_from_it() {
    let folder = Folder::new();
    let key = PrivateKey::generate(ALGORITHM, 2048).unwrap();
    let labels = Labels { not_after: Some(NOW - 7), ..labels("ended", Some(NOW - 500)) };
    folder.write("ended.jwk", &key.to_jwk(&labels).unwrap());
    let rotation = directory(&folder).rotate_now(20, ALGORITHM, NOW).unwrap();
    assert_eq!(rotation.signs_from, NOW - 7);
    let ended = &at(&directory(&folder), NOW).keys.states[0];
    assert_eq!((ended.signs_until, ended.state), (Some(NOW - 7), KeyState::Retiring));
}

#[test]
fn after_a_leak_only_the_new_key_is_left_also_of_files_that_could_not_be_used() {
    let folder = Folder::new();
    let directory = directory(&folder);
    directory.maintain(&schedule(), ALGORITHM, NOW).unwrap();
    folder.write("broken.pem", "-----BEGIN");
    folder.write("notes.txt", "not a key");
    let before = folder.names();
    let replacement = directory.replace_all(ALGORITHM, NOW + 5).unwrap();
    let mut left = vec![format!("{}.jwk", replacement.kid), "notes.txt".to_owned()];
    left.sort();
    assert_eq!(folder.names(), left);
    assert_eq!(replacement.removed.len(), before.len() - 1);
    let after = at(&directory, NOW + 5);
    assert_eq!(active(&after), Some(replacement.kid.to_string()));
    assert_eq!(after.keys.states.len(), 1);
    directory.maintain(&schedule(), ALGORITHM, NOW + 5).unwrap();
    assert_eq!(active(&at(&directory, NOW + 5)), Some(replacement.kid.to_string()), "rotation goes on from it");
    assert!(directory.read().unwrap().keys.len() > 1);
}

#[test]
fn a_lock_that_lies_elsewhere_or_is_no_file_is_not_taken() {
    let prepare: [fn(&Folder, &Path); 3] = [
        |folder, lock| symlink(folder.write("victim", "secret"), lock).unwrap(),
        |folder, lock| fs::hard_link(folder.write("victim", "secret"), lock).unwrap(),
        |_, lock| assert!(Command::new("mkfifo").arg(lock).status().unwrap().success()),
    ];
    for prepare in prepare {
        let folder = Folder::new();
        prepare(&folder, &folder.path().join(".lock"));
        let before = folder.names();
        let error = directory(&folder).rotate_now(10, ALGORITHM, 1000).unwrap_err();
        assert!(error.to_string().contains("cannot lock the directory: "), "{error}");
        assert_eq!(folder.names(), before);
    }
}

#[test]
fn a_key_behind_a_link_is_not_copied_into_the_directory() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    folder.write("a.jwk", &jwk("a", Some(5)));
    symlink(elsewhere.write("b.jwk", &jwk("b", Some(1_000_000))), folder.path().join("b.jwk")).unwrap();
    let error = directory(&folder).rotate_now(10, ALGORITHM, 1000).unwrap_err();
    assert!(error.to_string().contains("b.jwk: cannot be read: "), "{error}");
    assert!(folder.path().join("b.jwk").is_symlink());
}
