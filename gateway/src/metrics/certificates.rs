//! When certificates end.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Series, describe, gauged, gauges};
use crate::runtime::Current;

const NOT_AFTER: Series = (
    "certificate_not_after_timestamp_seconds",
    "When a certificate of the configuration ends: one that is served for a name, shown to upstreams, or an authority.",
);

/// The certificates of the current configuration, read when they are scraped.
pub(super) struct Certificates {
    current: Arc<Current>,
    description: Desc,
}

impl Certificates {
    /// Of this configuration.
    ///
    /// # Errors
    /// When a name is none.
    pub(super) fn new(current: Arc<Current>) -> prometheus::Result<Self> {
        Ok(Self { current, description: describe(NOT_AFTER, &["id", "kind", "sni"])? })
    }
}

impl Collector for Certificates {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.current.pin();
        let ends = snapshot.certificate_ends.iter().map(|end| {
            #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
            gauged(end.not_after as f64, &[("id", &*end.id), ("kind", end.kind), ("sni", &*end.sni)])
        });
        let ends: Vec<_> = ends.collect();
        // A family without series is none.
        if ends.is_empty() { Vec::new() } else { vec![gauges(NOT_AFTER, ends)] }
    }
}
