//! Series of plugins on `/metrics`. A series lives as long as somebody holds its handle: what goes with a configuration takes
//! its series along.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, Opts, core::Collector, proto::MetricFamily};

/// A number that only grows. Its name ends in `_total`.
pub type CounterMeter = Meter<IntCounter>;
/// A number that comes and goes, in base units: seconds, bytes.
pub type GaugeMeter = Meter<Gauge>;
/// How often what took how long, in seconds.
pub type HistogramMeter = Meter<Histogram>;

/// One series, shared by all who ask for the same name and labels. Counting takes no lock.
pub struct Meter<C>(Arc<C>);

/// All series of plugins, for [`crate::Scope::meters`].
#[derive(Default)]
pub struct Meters(Mutex<HashMap<Key, Weak<dyn Series>>>);

/// Series that the engine has for each route, of which an operator does not want some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HiddenSeries {
    /// `http_requests_total`
    pub requests: bool,
    /// `request_duration_seconds`, `gateway_duration_seconds`, `upstream_duration_seconds`
    pub latencies: bool,
    /// `bandwidth_bytes_total`
    pub bandwidth: bool,
}

type Key = (String, Vec<(String, String)>);

trait Series: Any + Send + Sync {
    fn collect(&self) -> Vec<MetricFamily>;
}

impl<C: Collector + 'static> Series for C {
    fn collect(&self) -> Vec<MetricFamily> {
        Collector::collect(self)
    }
}

impl<C> Clone for Meter<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Meter<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

/// The labels of a series, `(name, value)`. All series of one name have the same names.
pub type Labels<'l> = [(&'static str, &'l str)];

impl Meters {
    /// A counter, `signet_<name>`.
    ///
    /// # Errors
    /// When the name or a label is not one (a mistake of the plugin).
    pub fn counter(&self, name: &str, help: &str, labels: &Labels<'_>) -> prometheus::Result<CounterMeter> {
        self.meter(name, labels, || IntCounter::with_opts(opts(name, help, labels)))
    }

    /// A gauge, `signet_<name>`.
    ///
    /// # Errors
    /// When the name or a label is not one (a mistake of the plugin).
    pub fn gauge(&self, name: &str, help: &str, labels: &Labels<'_>) -> prometheus::Result<GaugeMeter> {
        self.meter(name, labels, || Gauge::with_opts(opts(name, help, labels)))
    }

    /// A histogram, `signet_<name>`, with these upper bounds.
    ///
    /// # Errors
    /// When the name, a label or a bound is not one (a mistake of the plugin).
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &Labels<'_>,
        bounds: &[f64],
    ) -> prometheus::Result<HistogramMeter> {
        let options = || HistogramOpts { common_opts: opts(name, help, labels), buckets: bounds.to_vec() };
        self.meter(name, labels, || Histogram::with_opts(options()))
    }

    /// What is alive, one family for each name, in the order of the names.
    pub fn gather(&self) -> Vec<MetricFamily> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, series| series.strong_count() > 0);
        let mut alive: Vec<(Key, Arc<dyn Series>)> =
            known.iter().filter_map(|(key, series)| Some((key.clone(), series.upgrade()?))).collect();
        drop(known);
        alive.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut families: Vec<MetricFamily> = Vec::new();
        for mut family in alive.iter().flat_map(|(_, series)| series.collect()) {
            match families.last_mut().filter(|last| last.name() == family.name()) {
                Some(last) => last.mut_metric().extend(family.take_metric()),
                None => families.push(family),
            }
        }
        families
    }

    fn meter<C: Collector + 'static>(
        &self,
        name: &str,
        labels: &Labels<'_>,
        make: impl FnOnce() -> prometheus::Result<C>,
    ) -> prometheus::Result<Meter<C>> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let key = (name.to_owned(), labels);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&key).and_then(Weak::upgrade).map(|series| series as Arc<dyn Any + Send + Sync>);
        if let Some(found) = found.and_then(|series| series.downcast::<C>().ok()) {
            return Ok(Meter(found));
        }
        let made = Arc::new(make()?);
        let weak: Weak<C> = Arc::downgrade(&made);
        known.insert(key, weak);
        Ok(Meter(made))
    }
}

fn opts(name: &str, help: &str, labels: &Labels<'_>) -> Opts {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Opts::new(name, help).namespace("signet").const_labels(labels)
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(meters: &Meters) -> Vec<(String, usize)> {
        meters.gather().iter().map(|family| (family.name().to_owned(), family.get_metric().len())).collect()
    }

    #[test]
    fn a_series_lives_as_long_as_its_handles() {
        let meters = Meters::default();
        let first = meters.counter("tries_total", "Tries.", &[("by", "a")]).expect("a counter");
        let again = meters.counter("tries_total", "Tries.", &[("by", "a")]).expect("a counter");
        let other = meters.counter("tries_total", "Tries.", &[("by", "b")]).expect("a counter");
        let gauge = meters.gauge("age_seconds", "Age.", &[]).expect("a gauge");
        first.inc();
        assert_eq!(again.get(), 1);
        assert_eq!(counts(&meters), [("signet_age_seconds".to_owned(), 1), ("signet_tries_total".to_owned(), 2)]);
        drop((first, other, gauge));
        assert_eq!(counts(&meters), [("signet_tries_total".to_owned(), 1)]);
        drop(again);
        assert_eq!(counts(&meters), []);
        assert_eq!(meters.counter("tries_total", "Tries.", &[("by", "a")]).expect("a counter").get(), 0);
    }

    #[test]
    fn a_name_that_is_none_is_an_error() {
        assert!(Meters::default().counter("tries total", "Tries.", &[]).is_err());
    }
}
