//! What the log says of a key set: each change of state once, and each failure once.

use std::collections::BTreeSet;

use signet_plugin_api::{CounterMeter, KeySet, KeyState, KeyStatus, Meters};
use tracing::{error, info, warn};

/// What is wrong with a key set right now.
#[derive(Default)]
pub(super) struct Failures(BTreeSet<String>);

/// What is to be told of them.
pub(super) struct News {
    /// What was not wrong before.
    pub fresh: Vec<String>,
    /// Nothing is wrong any more.
    pub mended: bool,
}

impl Failures {
    /// The counter of the looks at a set that failed.
    pub(super) fn counter(meters: &Meters, set: &str) -> Option<CounterMeter> {
        let help = "Looks at the files of a key set that found one that cannot be used, or could not make a key.";
        meters.counter("signing_key_failures_total", help, &[("key_set", set)]).ok()
    }

    /// Takes what is wrong now.
    pub(super) fn replace(&mut self, now: BTreeSet<String>) -> News {
        let news =
            News { fresh: now.difference(&self.0).cloned().collect(), mended: now.is_empty() && !self.0.is_empty() };
        self.0 = now;
        news
    }
}

/// Compares the states of now with those that the set has, and tells what is other.
pub(super) fn tell_changes(set: &KeySet, after: &[KeyStatus], now: u64) {
    let before = &set.keys().states;
    let key_set = &*set.name;
    for key in after {
        let from = before.iter().find(|known| known.kid == key.kid).map(|known| known.state);
        if from != Some(key.state) {
            let (from, to) = (from.map_or("none", KeyState::as_str), key.state.as_str());
            info!(key_set, kid = &*key.kid, from, to, "a key changed its state");
        }
        if from.is_none() {
            warn_if_late(set, key, now);
        }
    }
    for key in before.iter().filter(|key| key.state != KeyState::Retired) {
        if !after.iter().any(|known| known.kid == key.kid) {
            info!(key_set, kid = &*key.kid, from = key.state.as_str(), to = "none", "a key was withdrawn");
        }
    }
    let signs = |keys: &[KeyStatus]| keys.iter().any(|key| key.state == KeyState::Active);
    if signs(before) && !signs(after) {
        error!(key_set, "no key of the set may sign: what needs a signature fails");
    }
}

/// A key that verifiers who keep the set may not know when it signs.
fn warn_if_late(set: &KeySet, key: &KeyStatus, now: u64) {
    let Some(overlap) = set.overlap else { return };
    let soon = key.signs_from.unwrap_or(0) < now.saturating_add(overlap.longest_cache);
    if soon && matches!(key.state, KeyState::Next | KeyState::Active) {
        let (key_set, kid, signs_from) = (&*set.name, &*key.kid, key.signs_from);
        warn!(
            key_set,
            kid, signs_from, "a key came later than publish_before wants it: who verifies may not know it yet"
        );
    }
}
