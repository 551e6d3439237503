//! Series about loading: how long it takes, and what serves.

use std::sync::{Arc, Mutex, PoisonError};

use signet_plugin_api::{GaugeMeter, HistogramMeter, Meters};
use tracing::error;

use super::LastLoad;

/// A reload of some routes takes milliseconds, one of some ten thousand seconds.
const BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The series. What could not be made is not counted: nothing depends on it.
pub(super) struct LoadMeters {
    meters: Arc<Meters>,
    durations: [Option<HistogramMeter>; 2],
    /// Of what serves.
    info: Mutex<Option<GaugeMeter>>,
}

impl LoadMeters {
    pub(super) fn new(meters: &Arc<Meters>) -> Self {
        let help = "How long it took to load the configuration, by result.";
        let durations = ["failure", "success"].map(|result| {
            let made = meters.histogram("config_reload_duration_seconds", help, &[("result", result)], &BOUNDS);
            made.inspect_err(|error| error!(%error, "a series cannot be made")).ok()
        });
        Self { meters: Arc::clone(meters), durations, info: Mutex::default() }
    }

    /// Counts a load.
    pub(super) fn loaded(&self, load: &LastLoad) {
        let [failure, success] = &self.durations;
        if let Some(durations) = if load.success { success } else { failure } {
            durations.observe(load.took.as_secs_f64());
        }
        if !load.success {
            return;
        }
        let help = "The SHA-256 of the configuration that serves; always 1.";
        let info = self.meters.gauge("config_info", help, &[("hash", load.hash.as_deref().unwrap_or_default())]);
        if let Ok(info) = &info {
            info.set(1.0);
        }
        // The series of the one before goes with its handle.
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = info.ok();
    }
}
