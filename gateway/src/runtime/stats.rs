//! The counters of one route: lock-free, bounded, and gone with the route.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use signet_plugin_api::Source;

/// Upper bounds of the latency buckets, in seconds.
pub const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Different (code, source) pairs that are counted apart; further ones are counted together, as code `other`.
const SERIES: usize = 12;
const EMPTY: u32 = 0;
const OTHER: u32 = u32::MAX;

/// Requests by status code and source, and a latency histogram.
#[derive(Default)]
pub struct RouteStats {
    service: String,
    route: String,
    series: [(AtomicU32, AtomicU64); SERIES],
    overflow: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

/// One counter as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The status code; `None` for those past the bound.
    pub code: Option<u16>,
    /// Who made the response.
    pub source: Source,
    /// How many.
    pub count: u64,
}

impl RouteStats {
    /// Counters with these labels.
    pub fn new(service: impl Into<String>, route: impl Into<String>) -> Self {
        Self { service: service.into(), route: route.into(), ..Self::default() }
    }

    /// Whether it counts for the same labels.
    pub(crate) fn has_labels_of(&self, other: &Self) -> bool {
        (&self.service, &self.route) == (&other.service, &other.route)
    }

    /// The `service` label.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The `route` label.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Counts one response.
    pub fn record(&self, code: u16, source: Source, took: Duration) {
        self.counter(key(code, source)).fetch_add(1, Relaxed);
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// The counters that are not zero.
    pub fn samples(&self) -> Vec<Sample> {
        let known = self.series.iter().map(|(key, count)| (key.load(Relaxed), count.load(Relaxed)));
        known
            .chain([(OTHER, self.overflow.load(Relaxed))])
            .filter(|(_, count)| *count > 0)
            .map(|(key, count)| Sample { code: code_of(key), source: source_of(key), count })
            .collect()
    }

    /// Counts per bucket (not cumulative; the last is beyond all bounds) and the sum in seconds.
    pub fn latency(&self) -> ([u64; BUCKETS.len() + 1], f64) {
        let buckets = std::array::from_fn(|at| self.buckets.get(at).map_or(0, |bucket| bucket.load(Relaxed)));
        (buckets, Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64())
    }

    fn counter(&self, wanted: u32) -> &AtomicU64 {
        for (key, count) in &self.series {
            let found = match key.load(Relaxed) {
                EMPTY => key.compare_exchange(EMPTY, wanted, Relaxed, Relaxed).map_or_else(|taken| taken, |_| wanted),
                found => found,
            };
            if found == wanted {
                return count;
            }
        }
        &self.overflow
    }
}

impl std::fmt::Debug for RouteStats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteStats").field("service", &self.service).field("route", &self.route).finish_non_exhaustive()
    }
}

/// The lowest bit is the source, so that no key is zero: codes begin at 100.
fn key(code: u16, source: Source) -> u32 {
    u32::from(code) << 1 | u32::from(source == Source::Upstream)
}

fn code_of(key: u32) -> Option<u16> {
    if key == OTHER { None } else { u16::try_from(key >> 1).ok() }
}

fn source_of(key: u32) -> Source {
    if key != OTHER && key & 1 == 1 { Source::Upstream } else { Source::Gateway }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_sources_are_counted_apart() {
        let stats = RouteStats::new("s", "r");
        stats.record(200, Source::Upstream, Duration::from_millis(1));
        stats.record(200, Source::Upstream, Duration::from_millis(1));
        stats.record(200, Source::Gateway, Duration::from_secs(9));
        let samples = stats.samples();
        assert_eq!(samples.len(), 2);
        assert!(samples.contains(&Sample { code: Some(200), source: Source::Upstream, count: 2 }));
        let (buckets, sum) = stats.latency();
        assert_eq!(buckets.iter().sum::<u64>(), 3);
        assert_eq!((buckets[1], buckets[12]), (2, 1));
        assert!((sum - 9.002).abs() < 1e-9);
    }

    #[test]
    fn the_number_of_series_is_bounded_and_nothing_is_lost() {
        let stats = RouteStats::new("s", "r");
        for code in 100..600 {
            stats.record(code, Source::Upstream, Duration::ZERO);
        }
        let samples = stats.samples();
        assert_eq!(samples.len(), SERIES + 1);
        assert_eq!(samples.iter().map(|sample| sample.count).sum::<u64>(), 500);
        assert_eq!(samples.last().map(|sample| sample.code), Some(None));
    }
}
