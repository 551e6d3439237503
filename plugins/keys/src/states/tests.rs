//! Lives of keys, by hand and by chance.

use std::{collections::HashSet, sync::OnceLock};

use signet_plugin_api::SigningFailed;

use super::*;
use crate::{PrivateKey, testing::Random};

/// Signs with nothing but its own name, so that a test sees who signed.
struct Name(String);

impl Signer for Name {
    fn alg(&self) -> &'static str {
        "ES256"
    }

    fn is_slow(&self) -> bool {
        false
    }

    fn signature_len(&self) -> usize {
        self.0.len()
    }

    fn sign(&self, _: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed> {
        signature.extend_from_slice(self.0.as_bytes());
        Ok(())
    }
}

fn key(kid: &str, not_before: Option<u64>, not_after: Option<u64>) -> Arc<SetKey> {
    Arc::new(SetKey {
        kid: Kid::new(kid),
        algorithm: Algorithm::Es256,
        signer: Arc::new(Name(kid.to_owned())),
        public: Some(public()),
        not_before,
        not_after,
    })
}

fn secret(kid: &str, not_before: Option<u64>) -> Arc<SetKey> {
    let key = key(kid, not_before, None);
    Arc::new(SetKey { algorithm: Algorithm::Hs256, public: None, ..(*key).clone() })
}

/// The set tells keys apart by their names: one pair does for all.
fn public() -> PublicKey {
    static ONE: OnceLock<PublicKey> = OnceLock::new();
    let generate = || PrivateKey::generate(Algorithm::Es256, 0).unwrap().public().unwrap();
    ONE.get_or_init(generate).clone()
}

/// Who signs, by the signature.
fn signs(at: &At) -> Option<String> {
    let active = at.keys.active.as_ref()?;
    let mut signature = Vec::new();
    active.signer.sign(b"", &mut signature).unwrap();
    let name = String::from_utf8(signature).unwrap();
    assert_eq!(active.kid.as_deref(), Some(format!("{name:?}").as_str()), "the kid is that of the key that signs");
    Some(name)
}

fn states(at: &At) -> Vec<(&str, KeyState)> {
    at.keys.states.iter().map(|status| (&*status.kid, status.state)).collect()
}

fn published(at: &At) -> Vec<String> {
    let set: serde_json::Value = serde_json::from_slice(&at.keys.public).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_key_is_next_then_signs_then_retires_then_is_gone() {
    let keys = [key("b", Some(200), None), key("a", Some(100), None)];
    let at = |now| keys_at(&keys, 50, now);
    let life = |now| at(now).keys.states[0].state;
    let moments = [0, 99, 100, 199, 200, 249, 250, u64::MAX];
    use KeyState::{Active, Next, Retired, Retiring};
    assert_eq!(moments.map(life), [Next, Next, Active, Active, Retiring, Retiring, Retired, Retired]);
    assert_eq!(
        moments.map(|now| signs(&at(now))).map(Option::unwrap_or_default),
        ["", "", "a", "a", "b", "b", "b", "b"]
    );
    let sets = moments.map(|now| published(&at(now)).concat());
    assert_eq!(sets, ["ab", "ab", "ab", "ab", "ab", "ab", "b", "b"]);
}

#[test]
fn the_times_of_a_key_are_told_as_far_as_they_are_known() {
    let keys = [key("a", None, None), key("b", Some(200), None), key("c", Some(300), Some(400))];
    let at = keys_at(&keys, 50, 210);
    let times: Vec<_> =
        at.keys.states.iter().map(|key| (key.signs_from, key.signs_until, key.published_until)).collect();
    assert_eq!(
        times,
        [(None, Some(200), Some(250)), (Some(200), Some(300), Some(350)), (Some(300), Some(400), Some(450))]
    );
    let alone = keys_at(&keys[..1], 50, 210);
    let status = &alone.keys.states[0];
    assert_eq!((status.state, status.signs_until, status.published_until), (KeyState::Active, None, None));
    assert_eq!(alone.next_change, None);
}

#[test]
fn the_next_change_is_the_very_second() {
    let keys = [key("a", Some(100), None), key("b", Some(200), Some(290))];
    let next =
        [0, 99, 100, 199, 200, 249, 250, 289, 290, 339, 340, u64::MAX].map(|now| keys_at(&keys, 50, now).next_change);
    let expected = [100, 100, 200, 200, 250, 250, 290, 290, 340, 340];
    assert_eq!(next[..10], expected.map(Some));
    assert_eq!(next[10..], [None, None]);
}

#[test]
fn an_end_before_the_successor_leaves_a_gap_in_which_nothing_signs() {
    let keys = [key("a", Some(100), Some(150)), key("b", Some(200), None)];
    assert_eq!([149, 150, 199, 200].map(|now| signs(&keys_at(&keys, 10, now)).unwrap_or_default()), ["a", "", "", "b"]);
    assert_eq!(published(&keys_at(&keys, 10, 160)), ["b"]);
}

#[test]
fn an_end_after_the_successor_changes_nothing() {
    let keys = [key("a", Some(100), Some(900)), key("b", Some(200), None)];
    let at = keys_at(&keys, 10, 205);
    assert_eq!(signs(&at).as_deref(), Some("b"));
    assert_eq!(at.keys.states[0].signs_until, Some(200));
}

#[test]
fn of_keys_that_begin_together_the_last_by_name_signs_and_the_others_never_do() {
    let keys = [key("b", Some(100), None), key("c", Some(100), None), key("a", Some(100), None)];
    let at = keys_at(&keys, 10, 100);
    assert_eq!(signs(&at).as_deref(), Some("c"));
    use KeyState::{Active, Retired, Retiring};
    assert_eq!(states(&at), [("a", Retiring), ("b", Retiring), ("c", Active)]);
    assert_eq!(states(&keys_at(&keys, 10, 110)), [("a", Retired), ("b", Retired), ("c", Active)]);
    assert_eq!(states(&keys_at(&keys, 0, 100)), [("a", Retired), ("b", Retired), ("c", Active)]);
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    let keys = [key("a", None, None), key("b", Some(10), None), key("c", Some(10), Some(20)), key("d", Some(30), None)];
    let mut turned = keys.to_vec();
    for now in [0, 10, 20, 29, 30, 45] {
        turned.rotate_left(1);
        let (one, other) = (keys_at(&keys, 5, now), keys_at(&turned, 5, now));
        assert_eq!(
            (one.keys.states, one.keys.public, one.next_change),
            (other.keys.states, other.keys.public, other.next_change)
        );
    }
}

#[test]
fn a_set_without_keys_is_empty_and_stays_so() {
    let at = keys_at(&[], 10, 1000);
    assert!(at.keys.active.is_none());
    assert_eq!((at.keys.public.as_ref(), at.next_change), (br#"{"keys":[]}"#.as_slice(), None));
}

#[test]
fn shared_secrets_sign_and_are_never_published() {
    let at = keys_at(&[secret("a", None), secret("b", Some(50))], 10, 55);
    assert_eq!(signs(&at).as_deref(), Some("b"));
    assert_eq!(at.keys.public.as_ref(), br#"{"keys":[]}"#);
    assert_eq!(at.keys.states.len(), 2);
}

#[test]
fn the_tag_is_strong_and_changes_with_the_set_and_with_nothing_else() {
    let keys = [key("a", Some(100), None), key("b", Some(200), None)];
    let tag = |now| keys_at(&keys, 50, now).keys.etag;
    assert_eq!(tag(0), tag(249), "the same keys are published");
    assert_ne!(tag(249), tag(250));
    let text = tag(0).to_str().unwrap().to_owned();
    assert!(text.starts_with('"') && text.ends_with('"') && text.len() == 24, "{text}");
}

#[test]
fn times_at_the_end_of_the_numbers_wrap_nowhere() {
    let keys = [key("a", Some(1), Some(u64::MAX - 1)), key("b", Some(u64::MAX), None)];
    let at = keys_at(&keys, u64::MAX, 5);
    assert_eq!((signs(&at).as_deref(), at.keys.states[0].published_until), (Some("a"), None));
    assert_eq!(states(&keys_at(&keys, u64::MAX, u64::MAX))[0].1, KeyState::Retiring);
}

#[test]
fn a_set_that_could_not_be_told_apart_is_a_mistake_for_each_reason() {
    let reasons = |keys: &[Arc<SetKey>]| -> Vec<String> {
        check_set(keys).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    assert!(reasons(&[]).is_empty());
    assert!(reasons(&[key("a", None, Some(5)), key("b", Some(0), None), key("c", Some(0), None)]).is_empty());
    assert!(reasons(&[key("a", None, None), key("b", None, Some(5))])[0].contains("`a` and `b` both sign since ever"));
    assert!(reasons(&[key("a", None, None), key("a", Some(1), None)])[0].contains("two keys have the kid `a`"));
    assert!(
        reasons(&[key("a", None, None), secret("b", Some(1))])[0].contains("`b` is a shared secret and `a` is not")
    );
    assert!(reasons(&[key("a", Some(5), Some(5))])[0].contains("`a` would never sign"));
    let all = [key("a", None, None), key("a", Some(9), Some(5)), secret("c", None)];
    assert_eq!(reasons(&all).len(), 4, "{:?}", reasons(&all));
}

/// Up to eight keys with times of up to a minute.
fn some_keys(random: &mut Random) -> Vec<Arc<SetKey>> {
    let count = random.below(8);
    let time = |random: &mut Random| (random.below(4) > 0).then(|| random.below(60));
    (0..count).map(|at| key(&format!("k{at}"), time(random), time(random).map(|end| end * 2))).collect()
}

#[test]
fn whatever_the_keys_at_most_one_signs_and_only_while_it_may_and_is_published() {
    let mut random = Random::new(1);
    for _ in 0..400 {
        let (keys, retire_after) = (some_keys(&mut random), random.below(20));
        for now in 0..200 {
            let at = keys_at(&keys, retire_after, now);
            let active: Vec<&str> =
                states(&at).iter().filter(|(_, state)| *state == KeyState::Active).map(|(kid, _)| *kid).collect();
            assert!(active.len() <= 1, "{keys:?} at {now}");
            assert_eq!(signs(&at).as_deref(), active.first().copied(), "{keys:?} at {now}");
            let set: HashSet<String> = published(&at).into_iter().collect();
            for (kid, state) in states(&at) {
                assert_eq!(set.contains(kid), state != KeyState::Retired, "{kid} of {keys:?} at {now}");
            }
            if let Some(kid) = active.first() {
                let key = keys.iter().find(|key| &**key.kid.text() == *kid).unwrap();
                assert!(key.not_before.is_none_or(|from| from <= now) && key.not_after.is_none_or(|end| now < end));
                let others = keys.iter().filter_map(|other| other.not_before).filter(|from| *from <= now);
                assert!(others.max() <= key.not_before, "no later one signs already: {keys:?} at {now}");
            }
        }
    }
}

#[test]
fn whatever_the_keys_they_stay_the_same_until_the_next_change_and_not_beyond() {
    let mut random = Random::new(2);
    for _ in 0..400 {
        let (keys, retire_after) = (some_keys(&mut random), random.below(20));
        for now in 0..200 {
            let (at, later) = (keys_at(&keys, retire_after, now), keys_at(&keys, retire_after, now + 1));
            let same = states(&at) == states(&later) && at.keys.etag == later.keys.etag && signs(&at) == signs(&later);
            assert_eq!(!same, at.next_change == Some(now + 1), "{keys:?} at {now}");
        }
    }
}

#[test]
fn whatever_the_keys_one_that_signed_stays_published_for_as_long_as_it_retires() {
    let mut random = Random::new(3);
    for _ in 0..400 {
        let (keys, retire_after) = (some_keys(&mut random), random.below(20));
        let signers: Vec<Option<String>> = (0..200).map(|now| signs(&keys_at(&keys, retire_after, now))).collect();
        for (signed, kid) in signers.iter().enumerate().filter_map(|(at, kid)| Some((at as u64, kid.as_ref()?))) {
            for now in [signed, signed + retire_after / 2, signed + retire_after] {
                assert!(
                    published(&keys_at(&keys, retire_after, now)).contains(kid),
                    "{kid} of {keys:?}, {signed}: {now}"
                );
            }
        }
    }
}
