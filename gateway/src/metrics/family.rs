//! Families of series in the form of the library.

use std::collections::HashMap;

use prometheus::{
    core::Desc,
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

/// A name and what it means.
pub(super) type Series = (&'static str, &'static str);

/// What the registry wants to know beforehand.
///
/// # Errors
/// When a name is none.
pub(super) fn describe((name, help): Series, labels: &[&str]) -> prometheus::Result<Desc> {
    let labels = labels.iter().map(ToString::to_string).collect();
    Desc::new(name.into(), help.into(), labels, HashMap::new())
}

/// Counters of one name.
pub(super) fn counters(series: Series, metrics: Vec<Metric>) -> MetricFamily {
    family(series, MetricType::COUNTER, metrics)
}

/// Gauges of one name.
pub(super) fn gauges(series: Series, metrics: Vec<Metric>) -> MetricFamily {
    family(series, MetricType::GAUGE, metrics)
}

/// One counter.
pub(super) fn counted(count: f64, of: &[(&str, &str)]) -> Metric {
    let (mut counter, mut metric) = (Counter::default(), labelled(of));
    counter.set_value(count);
    metric.set_counter(counter);
    metric
}

/// One gauge.
pub(super) fn gauged(value: f64, of: &[(&str, &str)]) -> Metric {
    let (mut gauge, mut metric) = (Gauge::default(), labelled(of));
    gauge.set_value(value);
    metric.set_gauge(gauge);
    metric
}

/// Prometheus counts in floats, which are exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

fn family((name, help): Series, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn labelled(pairs: &[(&str, &str)]) -> Metric {
    let label = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(pairs.iter().map(label).collect())
}
