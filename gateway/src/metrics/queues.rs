//! Queues of work that threads of their own do.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Series, counted, counters, describe, float, gauged, gauges};
use crate::runtime::WorkThreads;

/// Signatures.
pub(super) const SIGNING: QueueSeries = QueueSeries {
    depth: ("signing_queue_depth", "Signatures that wait for a thread."),
    refused: ("signing_refused_total", "Signatures refused because the queue was full."),
    taken: None,
};

/// Passwords.
pub(super) const HASHING: QueueSeries = QueueSeries {
    depth: ("hashing_queue_depth", "Passwords that wait for a thread."),
    refused: ("hashing_refused_total", "Passwords not verified because the queue was full."),
    taken: Some(("hashing_jobs_total", "Passwords that a thread was given to verify against a hash.")),
};

/// Names and meanings of what is said about a queue.
pub(super) struct QueueSeries {
    depth: Series,
    refused: Series,
    taken: Option<Series>,
}

/// A queue of work, read when it is scraped.
pub(super) struct Queue {
    pool: Arc<WorkThreads>,
    series: &'static QueueSeries,
    descriptions: Vec<Desc>,
}

impl Queue {
    /// The queue of these threads.
    ///
    /// # Errors
    /// When a name is none.
    pub(super) fn new(pool: Arc<WorkThreads>, series: &'static QueueSeries) -> prometheus::Result<Self> {
        let named = [series.depth, series.refused].into_iter().chain(series.taken);
        let descriptions = named.map(|one| describe(one, &[])).collect::<prometheus::Result<_>>()?;
        Ok(Self { pool, series, descriptions })
    }
}

impl Collector for Queue {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counter = |series, count| counters(series, vec![counted(float(count), &[])]);
        let mut families = vec![
            gauges(self.series.depth, vec![gauged(float(self.pool.depth() as u64), &[])]),
            counter(self.series.refused, self.pool.refused()),
        ];
        families.extend(self.series.taken.map(|taken| counter(taken, self.pool.taken())));
        families
    }
}
