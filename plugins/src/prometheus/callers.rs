//! Requests and bytes by consumer: bounded, without a lock but for a consumer's first request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use signet_plugin_api::{ConfigError, Consumer, CounterMeter, Meters, Record, Scope};

/// The label of those for whom there is no room.
const OTHER: &str = "other";

/// Classes of status codes; 0 is that the client left.
const CODES: [&str; 6] = ["499", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The consumers of one configuration.
pub(super) struct Callers {
    by_id: HashMap<Arc<str>, Place>,
    other: Arc<Caller>,
    known: Arc<Known>,
    max: usize,
    meters: Arc<Meters>,
}

/// The label of a consumer, and where he is counted since his first request.
type Place = (Arc<str>, OnceLock<Arc<Caller>>);

/// Who has series, in all configurations that are still in use.
#[derive(Default)]
struct Known(Mutex<HashMap<Arc<str>, Weak<Caller>>>);

/// The series of one consumer.
struct Caller {
    requests: [CounterMeter; CODES.len()],
    ingress: CounterMeter,
    egress: CounterMeter,
}

impl Callers {
    /// All consumers of a configuration. Those that have series keep them, and nobody gets some before his first request.
    ///
    /// # Errors
    /// When there can be no such series: a mistake of the build.
    pub(super) fn new(max: usize, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let meters = Arc::clone(scope.meters());
        let other = Caller::new(OTHER, &meters).map_err(|error| ConfigError::new("per_consumer", error.to_string()))?;
        let known = scope.shared("consumers", Known::default);
        let consumers = scope.consumers();
        let by_id = consumers.iter().map(|consumer| {
            let label = label(consumer);
            let cell = known.find(&label).map_or_else(OnceLock::new, OnceLock::from);
            (Arc::clone(&consumer.id), (label, cell))
        });
        let by_id = by_id.collect();
        Ok(Self { by_id, other: Arc::new(other), known, max, meters })
    }

    /// Counts a request of this consumer.
    pub(super) fn count(&self, consumer: &Consumer, record: &Record<'_>) {
        let found = self.by_id.get(&consumer.id).map(|(label, cell)| cell.get_or_init(|| self.admit(label)));
        let caller = found.unwrap_or(&self.other);
        if let Some(requests) = caller.requests.get(usize::from(record.status / 100)) {
            requests.inc();
        }
        caller.ingress.inc_by(record.request_body);
        caller.egress.inc_by(record.response_body);
    }

    fn admit(&self, label: &Arc<str>) -> Arc<Caller> {
        self.known.admit(label, self.max, &self.meters).unwrap_or_else(|| Arc::clone(&self.other))
    }
}

impl Known {
    fn find(&self, label: &str) -> Option<Arc<Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(label)?.upgrade()
    }

    fn admit(&self, label: &Arc<str>, max: usize, meters: &Meters) -> Option<Arc<Caller>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = known.get(label).and_then(Weak::upgrade) {
            return Some(caller);
        }
        known.retain(|_, caller| caller.strong_count() > 0);
        if known.len() >= max {
            return None;
        }
        let caller = Arc::new(Caller::new(label, meters).ok()?);
        known.insert(Arc::clone(label), Arc::downgrade(&caller));
        Some(caller)
    }
}

impl Caller {
    fn new(consumer: &str, meters: &Meters) -> Result<Self, Box<dyn std::error::Error>> {
        let requests = |code| {
            let help = "Requests by consumer and class of status code.";
            meters.counter("consumer_http_requests_total", help, &[("consumer", consumer), ("code", code)])
        };
        let bytes = |direction| {
            let help = "Bytes of bodies that were received from consumers, and sent to them.";
            meters.counter("consumer_bandwidth_bytes_total", help, &[("consumer", consumer), ("direction", direction)])
        };
        let [left, informed, fine, moved, refused, failed] = CODES;
        Ok(Self {
            requests: [
                requests(left)?,
                requests(informed)?,
                requests(fine)?,
                requests(moved)?,
                requests(refused)?,
                requests(failed)?,
            ],
            ingress: bytes("ingress")?,
            egress: bytes("egress")?,
        })
    }
}

/// As Kong labels them: by user name; by id where there is none.
fn label(consumer: &Consumer) -> Arc<str> {
    Arc::clone(consumer.username.as_ref().unwrap_or(&consumer.id))
}
