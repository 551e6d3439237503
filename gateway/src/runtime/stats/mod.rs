//! The counters of one route: lock-free, bounded, and gone with the route.

mod histogram;
mod plugin;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use signet_plugin_api::{Record, Source};

pub use histogram::{BUCKETS, Counted, Durations};
pub use plugin::PluginStats;

/// Different (code, source) pairs that are counted apart; further ones are counted together, as code `other`.
const SERIES: usize = 12;
const EMPTY: u32 = 0;
const OTHER: u32 = u32::MAX;

/// What nginx and Kong count for a client that did not wait for its answer.
const CLIENT_LEFT: u16 = 499;

/// Requests by status code and source, their latencies and their bytes.
#[derive(Default)]
pub struct RouteStats {
    service: String,
    route: String,
    series: [(AtomicU32, AtomicU64); SERIES],
    overflow: AtomicU64,
    /// From the head of the request to the end of the response.
    pub total: Durations,
    /// The part of it until the request was sent upstream, or all of it.
    pub gateway: Durations,
    /// From then to the head of the upstream's response.
    pub upstream: Durations,
    ingress: AtomicU64,
    egress: AtomicU64,
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

    /// Counts one request.
    pub fn record(&self, record: &Record<'_>) {
        let code = if record.status == 0 { CLIENT_LEFT } else { record.status };
        self.counter(key(code, record.source)).fetch_add(1, Relaxed);
        self.total.record(record.latencies.total);
        self.gateway.record(record.latencies.gateway);
        if let Some(took) = record.latencies.upstream {
            self.upstream.record(took);
        }
        for (count, bytes) in [(&self.ingress, record.request_body), (&self.egress, record.response_body)] {
            if bytes > 0 {
                count.fetch_add(bytes, Relaxed);
            }
        }
    }

    /// Bytes of the bodies of requests, and of responses.
    pub fn bandwidth(&self) -> (u64, u64) {
        (self.ingress.load(Relaxed), self.egress.load(Relaxed))
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
    use std::time::Duration;

    use signet_plugin_api::{Latencies, RequestHeader};

    use super::*;

    fn record(stats: &RouteStats, status: u16, source: Source, latencies: Latencies) {
        let head = RequestHeader::build("GET", b"/", None).expect("a head");
        stats.record(&Record { source, latencies, request_body: 3, response_body: 5, ..Record::of(&head, status) });
    }

    #[test]
    fn codes_and_sources_are_counted_apart() {
        let stats = RouteStats::new("s", "r");
        record(&stats, 200, Source::Upstream, Latencies::default());
        record(&stats, 200, Source::Upstream, Latencies::default());
        record(&stats, 200, Source::Gateway, Latencies::default());
        record(&stats, 0, Source::Gateway, Latencies::default());
        let samples = stats.samples();
        assert_eq!(samples.len(), 3);
        assert!(samples.contains(&Sample { code: Some(200), source: Source::Upstream, count: 2 }));
        assert!(samples.contains(&Sample { code: Some(499), source: Source::Gateway, count: 1 }));
        assert_eq!(stats.bandwidth(), (12, 20));
    }

    #[test]
    fn each_part_of_the_time_has_its_histogram() {
        let stats = RouteStats::new("s", "r");
        let (total, gateway) = (Duration::from_secs(9), Duration::from_micros(700));
        let upstream = Some(Duration::from_millis(3));
        record(&stats, 200, Source::Upstream, Latencies { total, gateway, upstream });
        record(&stats, 401, Source::Gateway, Latencies { total: gateway, gateway, upstream: None });
        let (total, gateway, upstream) = (stats.total.counted(), stats.gateway.counted(), stats.upstream.counted());
        assert_eq!((total.buckets[1], total.buckets[12], total.buckets.iter().sum::<u64>()), (1, 1, 2));
        assert!((total.sum - 9.0007).abs() < 1e-9);
        assert_eq!((gateway.buckets[1], upstream.buckets[3], upstream.buckets.iter().sum::<u64>()), (2, 1, 1));
    }

    #[test]
    fn the_number_of_series_is_bounded_and_nothing_is_lost() {
        let stats = RouteStats::new("s", "r");
        for code in 100..600 {
            record(&stats, code, Source::Upstream, Latencies::default());
        }
        let samples = stats.samples();
        assert_eq!(samples.len(), SERIES + 1);
        assert_eq!(samples.iter().map(|sample| sample.count).sum::<u64>(), 500);
        assert_eq!(samples.last().map(|sample| sample.code), Some(None));
    }
}
