//! What happens to a set while it is served.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use signet_plugin_api::{KeySet, KeyState};

use super::*;
use crate::runtime::background;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

const OPERATORS: &str = "key_sets: [{name: s, directory: ., publish_before: 2, retire_after: 2}]\n";

/// A set that goes on, with what it needs for that.
struct Served {
    prepared: Prepared,
    meters: Arc<signet_plugin_api::Meters>,
}

impl Served {
    fn start(folder: &Folder, text: &str, engine: &Engine<'_>) -> Self {
        let prepared = load(folder.path(), text, engine).unwrap_or_else(|errors| panic!("{:#?}", errors.mistakes));
        background::start(&engine.backgrounds);
        Self { prepared, meters: Arc::clone(&engine.meters) }
    }

    fn set(&self) -> &KeySet {
        self.prepared.snapshot.key_sets[0].set()
    }

    fn published(&self) -> Vec<String> {
        published(&self.prepared)
    }

    fn active(&self) -> Option<String> {
        active(&self.prepared)
    }

    /// The series of this name: labels without that of the set, and the value.
    fn series(&self, name: &str) -> Vec<(String, f64)> {
        let families = self.meters.gather();
        let family = families.iter().find(|family| family.name() == format!("signet_{name}"));
        let metrics = family.map(|family| family.get_metric().to_vec()).unwrap_or_default();
        let label = |pair: &prometheus::proto::LabelPair| {
            (pair.name() != "key_set").then(|| format!("{}={}", pair.name(), pair.value()))
        };
        let told = metrics.iter().map(|metric| {
            let labels: Vec<_> = metric.get_label().iter().filter_map(label).collect();
            (labels.join(","), metric.get_gauge().get_value() + metric.get_counter().get_value())
        });
        told.collect()
    }

    fn failures(&self) -> f64 {
        self.series("signing_key_failures_total").iter().map(|(_, count)| count).sum()
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn state(served: &Served, kid: &str) -> Option<KeyState> {
    served.set().keys().states.iter().find(|key| &*key.kid == kid).map(|key| key.state)
}

#[test]
fn a_key_signs_from_its_very_second_and_is_gone_at_the_end_of_its_time() {
    let (folder, registry, start) = (Folder::new(), Registry::new(), now());
    let text = format!(
        "key_sets: [{{name: s, retire_after: 50, keys: [{{jwk: '{}'}}, {{jwk: '{}'}}]}}]\n",
        key("a", None),
        key("b", Some(start + 1000))
    );
    let prepared = load(folder.path(), &text, &engine(&registry, Purpose::Check)).expect("no mistake");
    let live = &prepared.snapshot.key_sets[0];
    let signer = |prepared: &Prepared| prepared.snapshot.key_sets[0].set().active().unwrap();
    live.turn_if_due(start + 1000);
    let b = signer(&prepared);
    live.turn_if_due(start + 1050);
    assert!(Arc::ptr_eq(&b, &signer(&prepared)), "a key that signs on is the same");
    live.turn_if_due(start);
    for (second, signs, seen) in [
        (999, "a", vec!["a", "b"]),
        (1000, "b", vec!["a", "b"]),
        (1049, "b", vec!["a", "b"]),
        (1050, "b", vec!["b"]),
        // The clock was wrong.
        (10, "a", vec!["a", "b"]),
    ] {
        live.turn_if_due(start + second);
        assert_eq!(
            (active(&prepared).as_deref(), published(&prepared)),
            (Some(signs), seen.iter().map(ToString::to_string).collect()),
            "{second}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_added_is_published_then_signs() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("a.jwk", &key("a", None));
    let served = Served::start(&folder, OPERATORS, &engine(&registry, Purpose::Serve));
    assert_eq!(served.published(), ["a"]);
    let from = now() + 6;
    folder.write("b.jwk", &key("b", Some(from)));
    until("b is published", || served.published() == ["a", "b"]).await;
    assert_eq!((served.active().as_deref(), state(&served, "b")), (Some("a"), Some(KeyState::Next)));
    until("b signs", || served.active().as_deref() == Some("b")).await;
    assert!(now() >= from);
    until("a is gone", || served.published() == ["b"]).await;
    assert_eq!(served.failures(), 0.0);
}

#[tokio::test]
async fn a_file_that_is_removed_takes_its_key_along() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("a.jwk", &key("a", None));
    folder.write("b.jwk", &key("b", Some(5)));
    let served = Served::start(&folder, OPERATORS, &engine(&registry, Purpose::Serve));
    assert_eq!(served.active().as_deref(), Some("b"));
    folder.remove("b.jwk");
    until("a signs again", || served.active().as_deref() == Some("a")).await;
    assert_eq!(served.published(), ["a"]);
}

#[tokio::test]
async fn a_bad_file_is_counted_and_changes_no_other_key() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("a.jwk", &key("a", None));
    let served = Served::start(&folder, OPERATORS, &engine(&registry, Purpose::Serve));
    until("the counter is there", || !served.series("signing_key_failures_total").is_empty()).await;
    // The key of a file that was good once signs on.
    folder.write("a.jwk", "{}");
    folder.write("b.pem", "no key");
    until("it is counted", || served.failures() > 0.0).await;
    folder.write("c.jwk", &key("c", Some(now() + 1000)));
    until("c is published", || served.published() == ["a", "c"]).await;
    assert_eq!(served.active().as_deref(), Some("a"));
}

#[tokio::test]
async fn keys_that_make_no_set_do_not_join_it() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("a.jwk", &key("a", None));
    folder.write("b.jwk", &key("b", Some(now() + 1000)));
    let served = Served::start(&folder, OPERATORS, &engine(&registry, Purpose::Serve));
    let secret = PrivateKey::generate(Algorithm::Hs256, 0).unwrap();
    let labels = Labels { kid: Some(Kid::new("secret")), not_before: Some(5), ..Labels::default() };
    folder.write("secret.jwk", &secret.to_jwk(&labels).unwrap());
    until("it is counted", || served.failures() > 0.0).await;
    assert_eq!((served.active().as_deref(), served.published().len()), (Some("a"), 2));
    // What is withdrawn is withdrawn all the same.
    folder.remove("b.jwk");
    until("b is gone", || served.published() == ["a"]).await;
    assert_eq!(state(&served, "secret"), None);
}

#[tokio::test]
async fn while_files_make_no_set_no_key_is_made_or_removed_and_afterwards_the_rotation_goes_on() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let text = "key_sets: [{name: s, directory: keys, algorithm: ES256, rotate_every: 2, publish_before: 2, retire_after: 2}]\n";
    let served = Served::start(&folder, text, &engine(&registry, Purpose::Serve));
    let secret = PrivateKey::generate(Algorithm::Hs256, 0).unwrap();
    let labels = Labels { kid: Some(Kid::new("secret")), not_before: Some(now() + 1), ..Labels::default() };
    folder.write("keys/secret.jwk", &secret.to_jwk(&labels).unwrap());
    until("it is counted", || served.failures() > 0.0).await;
    let keys = folder.keys("keys");
    until("the last known key is alone", || served.published().len() == 1).await;
    assert_eq!(folder.keys("keys"), keys);
    let (signs, known) = (served.active(), served.published());
    assert_eq!(signs.as_ref(), known.first());
    folder.remove("keys/secret.jwk");
    until("another key is announced", || served.published().iter().any(|kid| !known.contains(kid))).await;
    assert_eq!(served.active(), signs, "nothing signs unannounced");
    until("it signs", || served.active() != signs).await;
}

#[tokio::test]
async fn a_directory_that_is_empty_all_at_once_takes_no_key_away() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let text = "key_sets: [{name: s, directory: keys, algorithm: ES256, rotate_every: 50, publish_before: 2, retire_after: 2}]\n";
    let served = Served::start(&folder, text, &engine(&registry, Purpose::Serve));
    let signs = served.active();
    until("the set is followed", || !served.series("signing_key_failures_total").is_empty()).await;
    std::fs::rename(folder.path().join("keys"), folder.path().join("elsewhere")).unwrap();
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    until("it is counted", || served.failures() > 0.0).await;
    assert_eq!(served.active(), signs);
    assert_eq!(folder.keys("keys"), 0, "nothing is generated over it");
}

#[tokio::test]
async fn a_key_that_cannot_be_made_is_counted_and_the_active_one_signs_on() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let engine = engine(&registry, Purpose::Serve);
    let times = "rotate_every: 4, publish_before: 9, retire_after: 20";
    let text = format!("key_sets: [{{name: s, directory: keys, algorithm: ES256, {times}}}]\n");
    let prepared = load(folder.path(), &text, &engine).expect("no mistake");
    // What nobody can open for writing, not even root.
    let lock = folder.path().join("keys/.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let signs = active(&prepared);
    let served = Served { prepared, meters: Arc::clone(&engine.meters) };
    let began = Instant::now();
    background::start(&engine.backgrounds);
    until("it is counted twice", || served.failures() >= 2.0).await;
    assert!(began.elapsed() > Duration::from_secs(2), "another process may be making it");
    assert_eq!((served.active(), folder.keys("keys")), (signs, 1));
    std::fs::remove_dir(&lock).unwrap();
    until("keys are made", || served.published().len() > 1).await;
}

#[tokio::test]
async fn a_generated_set_rotates_by_itself_and_nothing_signs_unannounced() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let text = "key_sets: [{name: s, directory: keys, algorithm: ES256, rotate_every: 1, publish_before: 5, retire_after: 2}]\n";
    let served = Served::start(&folder, text, &engine(&registry, Purpose::Serve));
    let (mut signed, mut known) = (vec![served.active()], served.published());
    let end = Instant::now() + DEADLINE;
    while signed.len() < 4 {
        assert!(Instant::now() < end, "not in time: {signed:?}");
        let (active, public) = (served.active(), served.published());
        if Some(&active) != signed.last() {
            assert!(known.contains(active.as_ref().expect("always a key")), "{active:?} in {known:?}");
            signed.push(active);
        }
        known = public;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(served.failures(), 0.0);
}

#[tokio::test]
async fn loading_again_shows_at_once_what_is_in_the_directory() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let engine = engine(&registry, Purpose::Serve);
    let text = "key_sets: [{name: s, directory: .}]\n";
    folder.write("a.jwk", &key("a", None));
    let first = load(folder.path(), text, &engine).expect("no mistake");
    folder.write("b.jwk", &key("b", Some(5)));
    let again = load(folder.path(), text, &engine).expect("no mistake");
    assert!(Arc::ptr_eq(&first.snapshot.key_sets[0], &again.snapshot.key_sets[0]));
    assert_eq!(active(&first).as_deref(), Some("b"));
    // A mistake is told, and nothing is taken away.
    folder.write("c.jwk", "{}");
    folder.remove("a.jwk");
    assert!(mistakes(folder.path(), text, &engine)[0].contains("c.jwk"));
    assert_eq!(active(&first).as_deref(), Some("b"));
}

#[tokio::test]
async fn series_come_and_go_with_the_keys() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("a.jwk", &key("a", None));
    folder.write("b.jwk", &key("b", Some(4_000_000_000)));
    let engine = engine(&registry, Purpose::Serve);
    let checked = load(folder.path(), OPERATORS, &engine).expect("no mistake");
    assert_eq!(engine.meters.gather().len(), 0, "what is not served shows nothing");
    let served = Served { prepared: checked, meters: Arc::clone(&engine.meters) };
    background::start(&engine.backgrounds);
    let until_4e9 = |labels: &str| vec![(labels.to_owned(), 4e9)];
    until("a is shown", || !served.series("signing_key_not_after_timestamp_seconds").is_empty()).await;
    assert_eq!(served.series("signing_key_not_after_timestamp_seconds"), until_4e9("kid=a,state=active"));
    assert_eq!(served.series("signing_key_not_before_timestamp_seconds"), until_4e9("kid=b,state=next"));
    assert_eq!(served.series("signing_key_rotation_timestamp_seconds"), until_4e9(""));
    folder.remove("b.jwk");
    until("b is gone", || served.series("signing_key_rotation_timestamp_seconds").is_empty()).await;
    assert_eq!(served.series("signing_key_not_before_timestamp_seconds"), []);
    drop(served.prepared);
    let gone = || engine.meters.gather().is_empty();
    until("the set is gone", gone).await;
}

#[tokio::test]
async fn what_is_left_of_an_old_configuration_follows_its_set_and_makes_nothing() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let engine = engine(&registry, Purpose::Serve);
    let file = |retire_after: u64| {
        let times = format!("rotate_every: 4, publish_before: 9, retire_after: {retire_after}");
        format!("key_sets: [{{name: s, directory: keys, algorithm: ES256, {times}}}]\n")
    };
    let old = load(folder.path(), &file(20), &engine).expect("no mistake");
    let mut new = load(folder.path(), &file(30), &engine).expect("no mistake");
    new.snapshot.inherit(&old.snapshot);
    let first = new.snapshot.key_sets[0].set().active().is_some();
    assert!(first && folder.keys("keys") == 1);
    // Only the old one goes on. It has looked once from end to end when it knows the second of two keys.
    drop(new);
    background::start(&engine.backgrounds);
    for kid in ["one", "two"] {
        folder.write(&format!("keys/{kid}.jwk"), &key(kid, Some(4_000_000_000)));
        until("a key is seen", || published(&old).iter().any(|known| known == kid)).await;
    }
    assert_eq!(folder.keys("keys"), 3);
    assert_eq!(engine.meters.gather().len(), 0);
    let mut again = load(folder.path(), &file(20), &engine).expect("no mistake");
    assert!(Arc::ptr_eq(&again.snapshot.key_sets[0], &old.snapshot.key_sets[0]));
    again.snapshot.inherit(&old.snapshot);
    until("keys are made", || folder.keys("keys") > 3).await;
    until("series are there", || !engine.meters.gather().is_empty()).await;
}
