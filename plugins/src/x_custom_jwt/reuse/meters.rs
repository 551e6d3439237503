//! What is counted about tokens that are sent again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use signet_plugin_api::{CounterMeter, GaugeMeter, Meters, PluginError};

/// The series, for the whole process.
pub(super) struct ReuseMeters {
    /// Requests that got a token which was there, or was being signed for another one.
    pub(super) hits: CounterMeter,
    /// Requests that had to wait for a signature of their own.
    pub(super) misses: CounterMeter,
    kept: Arc<Kept>,
}

struct Kept {
    entries: GaugeMeter,
    bytes: GaugeMeter,
}

/// One entry's part in the gauges; given back when the cache lets go of it, or when nobody holds it any more.
pub(super) struct Share {
    bytes: u32,
    kept: Arc<Kept>,
    returned: AtomicBool,
}

impl ReuseMeters {
    pub(super) fn new(meters: &Meters) -> Result<Self, PluginError> {
        let uncounted = |error| PluginError::with_source("reused tokens cannot be counted", error);
        let counter = |result| {
            let help = "Requests by whether they got a token that was signed for an earlier one.";
            meters.counter("jwt_reuse_total", help, &[("result", result)]).map_err(uncounted)
        };
        let gauge = |name, help| meters.gauge(name, help, &[]).map_err(uncounted);
        let kept = Kept {
            entries: gauge("jwt_reuse_entries", "Tokens that are kept to be sent again.")?,
            bytes: gauge("jwt_reuse_bytes", "Memory that these tokens take, in bytes.")?,
        };
        Ok(Self { hits: counter("hit")?, misses: counter("miss")?, kept: Arc::new(kept) })
    }

    /// Counts an entry of this size until it is given back.
    pub(super) fn share(&self, bytes: u32) -> Share {
        self.kept.entries.inc();
        self.kept.bytes.add(bytes.into());
        Share { bytes, kept: Arc::clone(&self.kept), returned: AtomicBool::new(false) }
    }
}

impl Share {
    /// Gives it back, once.
    pub(super) fn give_back(&self) {
        if !self.returned.swap(true, Relaxed) {
            self.kept.entries.dec();
            self.kept.bytes.sub(self.bytes.into());
        }
    }

    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}
