//! Every series of the program, in a registry of its own.

use std::{collections::HashMap, sync::Arc};

use prometheus::{
    Encoder, IntGaugeVec, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use signet_plugin_api::Meters;

use crate::runtime::{
    Counters, Current, RouteStats, WorkThreads,
    stats::{BUCKETS, Sample},
};

/// The registry, and the parts of the process that it reads when it is scraped.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    plugins: Arc<Meters>,
}

impl Metrics {
    /// Registers every series.
    ///
    /// # Errors
    /// When two series have one name: a mistake of the build.
    pub(crate) fn new(
        current: Arc<Current>,
        loads: Arc<Counters>,
        [signing, hashing]: [Arc<WorkThreads>; 2],
        plugins: Arc<Meters>,
    ) -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("signet".into()), None)?;
        let build = IntGaugeVec::new(Opts::new("build_info", "The version of the program; always 1."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        let requests = vec![
            describe(REQUESTS, &["service", "route", "code", "source"])?,
            describe(DURATION, &["service", "route"])?,
        ];
        registry.register(Box::new(Requests { current: Arc::clone(&current), descriptions: requests }))?;
        registry.register(Box::new(Configuration::new(current, loads)?))?;
        for (pool, series) in [(signing, &SIGNING), (hashing, &HASHING)] {
            registry.register(Box::new(Queue::new(pool, series)?))?;
        }
        Ok(Self { registry, plugins })
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// When a series cannot be written as text.
    pub(crate) fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut families = self.registry.gather();
        families.extend(self.plugins.gather());
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

const REQUESTS: (&str, &str) = ("http_requests_total", "Requests by service, route, status code and who answered.");
const DURATION: (&str, &str) = ("request_duration_seconds", "Time from the request's head to the end of the response.");
const QUARANTINED: (&str, &str) = (
    "config_quarantined_entities",
    "Routes that answer 503 because something that concerns them is wrong in the file.",
);
const RELOADS: (&str, &str) =
    ("config_reloads_total", "Counters of the configuration by result; the first one counts.");
const GENERATION: (&str, &str) = ("config_generation", "The number of the configuration that serves, from 1.");
const LAST_SUCCESS: (&str, &str) =
    ("config_last_success_timestamp_seconds", "When the configuration that serves was loaded.");
const SIGNING: QueueSeries = QueueSeries {
    depth: ("signing_queue_depth", "Signatures that wait for a thread."),
    refused: ("signing_refused_total", "Signatures refused because the queue was full."),
    taken: None,
};
const HASHING: QueueSeries = QueueSeries {
    depth: ("hashing_queue_depth", "Passwords that wait for a thread."),
    refused: ("hashing_refused_total", "Passwords not verified because the queue was full."),
    taken: Some(("hashing_jobs_total", "Passwords that a thread was given to verify against a hash.")),
};

/// Requests by route, read from the routes of the current configuration: the series of a removed route go with it.
struct Requests {
    current: Arc<Current>,
    descriptions: Vec<Desc>,
}

impl Collector for Requests {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.current.pin();
        let stats = || snapshot.routes.iter().map(|entry| &*entry.stats).chain([&*snapshot.unrouted]);
        let requests = stats().flat_map(requests_of).collect();
        let durations = stats().filter_map(duration_of).collect();
        let mut families = vec![family(REQUESTS, MetricType::COUNTER, requests)];
        families.push(family(DURATION, MetricType::HISTOGRAM, durations));
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

fn describe((name, help): (&str, &str), labels: &[&str]) -> prometheus::Result<Desc> {
    let labels = labels.iter().map(ToString::to_string).collect();
    Desc::new(name.into(), help.into(), labels, HashMap::new())
}

fn requests_of(stats: &RouteStats) -> Vec<Metric> {
    let metric = |sample: Sample| {
        let code = sample.code.map_or_else(|| "other".to_owned(), |code| code.to_string());
        let mut counter = Counter::default();
        #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
        counter.set_value(sample.count as f64);
        let mut metric = Metric::from_label(labels(&[
            ("code", &code),
            ("route", stats.route()),
            ("service", stats.service()),
            ("source", sample.source.as_str()),
        ]));
        metric.set_counter(counter);
        metric
    };
    stats.samples().into_iter().map(metric).collect()
}

fn duration_of(stats: &RouteStats) -> Option<Metric> {
    let (counts, sum) = stats.latency();
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let mut cumulative = 0;
    let buckets = BUCKETS.iter().zip(counts).map(|(bound, count)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(total);
    histogram.set_sample_sum(sum);
    let mut metric = Metric::from_label(labels(&[("route", stats.route()), ("service", stats.service())]));
    metric.set_histogram(histogram);
    Some(metric)
}

/// Sorted by name, as the text format's readers expect.
fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
    let label = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    pairs.iter().map(label).collect()
}

fn family((name, help): (&str, &str), kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// What became of the configuration file.
struct Configuration {
    current: Arc<Current>,
    loads: Arc<Counters>,
    descriptions: Vec<Desc>,
}

impl Configuration {
    fn new(current: Arc<Current>, loads: Arc<Counters>) -> prometheus::Result<Self> {
        let plain = [QUARANTINED, GENERATION, LAST_SUCCESS].into_iter().map(|one| describe(one, &[]));
        let descriptions = plain.chain([describe(RELOADS, &["result"])]).collect::<prometheus::Result<_>>()?;
        Ok(Self { current, loads, descriptions })
    }
}

impl Collector for Configuration {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let quarantined = self.current.pin().quarantined() as u64;
        let result = |name: &str, count: u64| {
            let mut metric = counted(count);
            metric.set_label(labels(&[("result", name)]));
            metric
        };
        let reloads = vec![result("failure", self.loads.failures()), result("success", self.loads.generation())];
        vec![
            family(QUARANTINED, MetricType::GAUGE, vec![gauged(quarantined)]),
            family(GENERATION, MetricType::GAUGE, vec![gauged(self.loads.generation())]),
            family(LAST_SUCCESS, MetricType::GAUGE, vec![gauged(self.loads.last_success())]),
            family(RELOADS, MetricType::COUNTER, reloads),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
fn counted(count: u64) -> Metric {
    let (mut counter, mut metric) = (Counter::default(), Metric::default());
    counter.set_value(count as f64);
    metric.set_counter(counter);
    metric
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
fn gauged(value: u64) -> Metric {
    let (mut gauge, mut metric) = (Gauge::default(), Metric::default());
    gauge.set_value(value as f64);
    metric.set_gauge(gauge);
    metric
}

/// Names and meanings of what is said about a queue.
struct QueueSeries {
    depth: (&'static str, &'static str),
    refused: (&'static str, &'static str),
    taken: Option<(&'static str, &'static str)>,
}

/// A queue of work, read when it is scraped.
struct Queue {
    pool: Arc<WorkThreads>,
    series: &'static QueueSeries,
    descriptions: Vec<Desc>,
}

impl Queue {
    fn new(pool: Arc<WorkThreads>, series: &'static QueueSeries) -> prometheus::Result<Self> {
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
        let counter = |series, count| family(series, MetricType::COUNTER, vec![counted(count)]);
        let mut families = vec![
            family(self.series.depth, MetricType::GAUGE, vec![gauged(self.pool.depth() as u64)]),
            counter(self.series.refused, self.pool.refused()),
        ];
        families.extend(self.series.taken.map(|taken| counter(taken, self.pool.taken())));
        families
    }
}
