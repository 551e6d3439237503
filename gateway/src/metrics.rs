//! Every series of the program, in a registry of its own.

use std::{collections::HashMap, sync::Arc};

use prometheus::{
    Encoder, IntGaugeVec, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use crate::runtime::{
    Current, RouteStats, Source, WorkThreads,
    stats::{BUCKETS, Sample},
};

/// The registry, and the parts of the process that it reads when it is scraped.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Registers every series.
    ///
    /// # Errors
    /// When two series have one name: a mistake of the build.
    pub(crate) fn new(current: Arc<Current>, signing: Arc<WorkThreads>) -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("signet".into()), None)?;
        let build = IntGaugeVec::new(Opts::new("build_info", "The version of the program; always 1."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        let requests = vec![
            describe(REQUESTS, &["service", "route", "code", "source"])?,
            describe(DURATION, &["service", "route"])?,
        ];
        registry.register(Box::new(Requests { current: Arc::clone(&current), descriptions: requests }))?;
        let quarantined = vec![describe(QUARANTINED, &[])?];
        registry.register(Box::new(Configuration { current, descriptions: quarantined }))?;
        let queue = vec![describe(QUEUE, &[])?, describe(REFUSED, &[])?];
        registry.register(Box::new(Signing { pool: signing, descriptions: queue }))?;
        Ok(Self { registry })
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// When a series cannot be written as text.
    pub(crate) fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

const REQUESTS: (&str, &str) = ("http_requests_total", "Requests by service, route, status code and who answered.");
const DURATION: (&str, &str) = ("request_duration_seconds", "Time from the request's head to the end of the response.");
const QUARANTINED: (&str, &str) = (
    "config_quarantined_entities",
    "Routes that answer 503 because something that concerns them is wrong in the file.",
);
const QUEUE: (&str, &str) = ("signing_queue_depth", "Signatures that wait for a thread.");
const REFUSED: (&str, &str) = ("signing_refused_total", "Signatures refused because the queue was full.");

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
        let source = match sample.source {
            Source::Gateway => "gateway",
            Source::Upstream => "upstream",
        };
        let mut counter = Counter::default();
        #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
        counter.set_value(sample.count as f64);
        let mut metric = Metric::from_label(labels(&[
            ("code", &code),
            ("route", stats.route()),
            ("service", stats.service()),
            ("source", source),
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

/// What the current configuration could not use.
struct Configuration {
    current: Arc<Current>,
    descriptions: Vec<Desc>,
}

impl Collector for Configuration {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
    fn collect(&self) -> Vec<MetricFamily> {
        let mut gauge = Gauge::default();
        gauge.set_value(self.current.pin().quarantined() as f64);
        let mut metric = Metric::default();
        metric.set_gauge(gauge);
        vec![family(QUARANTINED, MetricType::GAUGE, vec![metric])]
    }
}

/// The signing queue, read when it is scraped.
struct Signing {
    pool: Arc<WorkThreads>,
    descriptions: Vec<Desc>,
}

impl Collector for Signing {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
    fn collect(&self) -> Vec<MetricFamily> {
        let (mut depth, mut refused) = (Gauge::default(), Counter::default());
        depth.set_value(self.pool.depth() as f64);
        refused.set_value(self.pool.refused() as f64);
        let (mut waiting, mut turned_away) = (Metric::default(), Metric::default());
        waiting.set_gauge(depth);
        turned_away.set_counter(refused);
        vec![family(QUEUE, MetricType::GAUGE, vec![waiting]), family(REFUSED, MetricType::COUNTER, vec![turned_away])]
    }
}
