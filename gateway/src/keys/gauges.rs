//! The series of a key set on `/metrics`. They go with their keys.

use signet_plugin_api::{GaugeMeter, KeyState, KeyStatus, Meters};

/// The series of the keys of a moment; those of the moment before go when they are dropped.
pub(super) struct Gauges(#[expect(dead_code, reason = "held, so that the series live")] Vec<GaugeMeter>);

impl Gauges {
    /// Of these keys.
    pub(super) fn of(meters: &Meters, set: &str, keys: &[KeyStatus]) -> Self {
        let mut series = Vec::new();
        let mut add = |name, help, labels: &[(&'static str, &str)], time: Option<u64>| {
            // A series that cannot be made is not worth a key; labels may be anything.
            if let (Some(time), Ok(gauge)) = (time, meters.gauge(name, help, labels)) {
                gauge.set(time as f64);
                series.push(gauge);
            }
        };
        for key in keys.iter().filter(|key| key.state != KeyState::Retired) {
            let labels = [("key_set", set), ("kid", &*key.kid), ("state", key.state.as_str())];
            let (from, until) = ("When a key begins to sign.", "When a key stops to sign, where that is known.");
            add("signing_key_not_before_timestamp_seconds", from, &labels, key.signs_from);
            add("signing_key_not_after_timestamp_seconds", until, &labels, key.signs_until);
        }
        let active = keys.iter().find(|key| key.state == KeyState::Active);
        let help = "When another key signs, or none, where that is known.";
        let rotation = active.and_then(|key| key.signs_until);
        add("signing_key_rotation_timestamp_seconds", help, &[("key_set", set)], rotation);
        Self(series)
    }
}
