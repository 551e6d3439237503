//! What became of the configuration file.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Series, counted, counters, describe, float, gauged, gauges};
use crate::runtime::{Counters, Current};

const QUARANTINED: Series = (
    "config_quarantined_entities",
    "Routes that answer 503 because something that concerns them is wrong in the file.",
);
const RELOADS: Series = ("config_reloads_total", "Loads of the configuration by result; the first one counts.");
const GENERATION: Series = ("config_generation", "The number of the configuration that serves, from 1.");
const LAST_SUCCESS: Series =
    ("config_last_success_timestamp_seconds", "When the configuration that serves was loaded.");
const LAST_RESULT: Series = ("config_last_load_successful", "Whether the last load of the configuration succeeded.");

/// The series of the configuration, read when they are scraped.
pub(super) struct Configuration {
    current: Arc<Current>,
    loads: Arc<Counters>,
    descriptions: Vec<Desc>,
}

impl Configuration {
    /// Of this configuration, and the loads that led to it.
    ///
    /// # Errors
    /// When a name is none.
    pub(super) fn new(current: Arc<Current>, loads: Arc<Counters>) -> prometheus::Result<Self> {
        let plain = [QUARANTINED, GENERATION, LAST_SUCCESS, LAST_RESULT].into_iter().map(|one| describe(one, &[]));
        let descriptions = plain.chain([describe(RELOADS, &["result"])]).collect::<prometheus::Result<_>>()?;
        Ok(Self { current, loads, descriptions })
    }
}

impl Collector for Configuration {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let gauge = |series, value| gauges(series, vec![gauged(float(value), &[])]);
        let result = |name: &str, count| counted(float(count), &[("result", name)]);
        let reloads = vec![result("failure", self.loads.failures()), result("success", self.loads.generation())];
        vec![
            gauge(QUARANTINED, self.current.pin().quarantined() as u64),
            gauge(GENERATION, self.loads.generation()),
            gauge(LAST_SUCCESS, self.loads.last_success()),
            gauge(LAST_RESULT, u64::from(self.loads.last_succeeded())),
            counters(RELOADS, reloads),
        ]
    }
}
