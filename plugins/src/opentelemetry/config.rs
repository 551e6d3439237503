//! The configuration of `opentelemetry`, with Kong's names and defaults.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signet_plugin_api::{ConfigError, Scope};

use super::{
    propagation::{HeaderType, Headers, Propagation},
    sampling::{Sampler, Strategy},
};
use crate::shared::{names::settable_header, secret::Secret};

/// Fields of Kong's that say what is not exported.
pub(super) const AT_DEFAULT: &[(&str, &str)] = &[("logs_endpoint", "null")];

/// What Kong exports when neither the plugin nor `tracing_sampling_rate` says otherwise.
const USUAL_RATE: f64 = 0.01;

/// The greatest timeout that Kong takes, in milliseconds.
const LONGEST: u64 = 2_147_483_646;

/// `config` of the plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where spans are sent: the whole URL, as a rule with `/v1/traces` at its end.
    traces_endpoint: Option<String>,
    /// The name of `traces_endpoint` before Kong 3.8.
    endpoint: Option<String>,
    /// Headers of the requests to the endpoint: credentials stand here.
    headers: Option<BTreeMap<String, Secret>>,
    /// What the spans are of: `service.name` and more.
    resource_attributes: BTreeMap<String, String>,
    /// What waits to be sent, and what becomes of it when that cannot be.
    queue: Option<Queue>,
    /// The name of `queue.max_batch_size` before Kong 3.3.
    batch_span_count: Option<usize>,
    /// The name of `queue.max_coalescing_delay` before Kong 3.3.
    batch_flush_delay: Option<u64>,
    /// Milliseconds. The three timeouts are added: an export has their sum.
    #[schemars(range(max = LONGEST))]
    connect_timeout: u64,
    /// Milliseconds.
    #[schemars(range(max = LONGEST))]
    send_timeout: u64,
    /// Milliseconds.
    #[schemars(range(max = LONGEST))]
    read_timeout: u64,
    /// The header of responses that says the id of the trace; none by default.
    http_response_header_for_traceid: Option<String>,
    /// In which headers the context of traces stands, where `propagation` does not say it.
    header_type: HeaderType,
    /// The part of the traces that is recorded, from 0 to 1; 0.01 by default.
    #[schemars(range(min = 0, max = 1))]
    sampling_rate: Option<f64>,
    /// What the caller's decision counts for.
    sampling_strategy: Strategy,
    /// In which headers the context of traces stands.
    propagation: Propagation,
}

/// `config.queue`: what waits to be sent, and what becomes of a batch that cannot be.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Queue {
    /// Spans that are sent at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_batch_size: usize,
    /// Seconds for which a batch waits to be full.
    #[schemars(range(min = 0, max = 3600))]
    pub(super) max_coalescing_delay: f64,
    /// Spans that may wait.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_entries: usize,
    /// Bytes that may wait.
    pub(super) max_bytes: Option<usize>,
    /// Seconds after which a batch is given up.
    pub(super) max_retry_time: f64,
    /// Seconds before a batch is sent again; doubled each time.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    pub(super) initial_retry_delay: f64,
    /// The most that they become.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    pub(super) max_retry_delay: f64,
    /// Batches that are sent at the same time: only 1 is implemented.
    concurrency_limit: i64,
}

/// Where spans are sent, and how.
pub(super) struct Endpoint {
    /// The whole URL.
    pub(super) uri: Uri,
    /// The headers of every request.
    pub(super) headers: HeaderMap,
    /// For a whole exchange.
    pub(super) timeout: Duration,
}

impl Config {
    pub(super) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let (field, url) = match (&self.traces_endpoint, &self.endpoint) {
            (Some(one), Some(other)) if one != other => {
                return Err(ConfigError::new("endpoint", "is the old name of `traces_endpoint`, which says another"));
            }
            (Some(url), _) => ("traces_endpoint", url),
            (None, Some(url)) => ("endpoint", url),
            (None, None) => return Err(ConfigError::new("traces_endpoint", "must say where traces are sent")),
        };
        Ok(Endpoint {
            uri: http_url(url).map_err(|reason| ConfigError::new(field, reason))?,
            headers: self.request_headers()?,
            timeout: self.timeout()?,
        })
    }

    /// All that names the service whose spans these are, as far as the file says it.
    pub(super) fn resource_attributes(&self) -> Result<&BTreeMap<String, String>, ConfigError> {
        for (name, value) in &self.resource_attributes {
            let wrong = |reason: &str| Err(ConfigError::new(format!("resource_attributes.{name}"), reason));
            if name.is_empty() || value.is_empty() {
                return wrong("must not be empty");
            }
            if value.contains("$(") {
                return wrong("templates are not implemented: a resource is the same for all requests");
            }
        }
        Ok(&self.resource_attributes)
    }

    /// The queue, with what the older fields say of it: as Kong does, at another value than their default.
    pub(super) fn queue(&self) -> Result<Queue, ConfigError> {
        let mut queue = self.queue.clone().unwrap_or(Queue { max_batch_size: 200, ..Queue::default() });
        if let Some(count) = self.batch_span_count.filter(|count| *count != 200) {
            queue.max_batch_size = count;
        }
        if let Some(seconds) = self.batch_flush_delay.filter(|seconds| *seconds != 3) {
            queue.max_coalescing_delay = Duration::from_secs(seconds).as_secs_f64();
        }
        queue.review().map(|()| queue)
    }

    pub(super) fn response_header(&self) -> Result<Option<HeaderName>, ConfigError> {
        let name = self.http_response_header_for_traceid.as_deref().map(settable_header).transpose();
        name.map_err(|reason| ConfigError::new("http_response_header_for_traceid", reason))
    }

    pub(super) fn sampler(&self, scope: &Scope<'_>) -> Result<Sampler, ConfigError> {
        let rate = self.sampling_rate.unwrap_or(USUAL_RATE);
        if !(0.0..=1.0).contains(&rate) {
            return Err(ConfigError::new("sampling_rate", "must be from 0 to 1"));
        }
        if self.sampling_rate.is_none() {
            scope.warn("sampling_rate", "is not set: one request of a hundred is recorded, which is Kong's default");
        }
        Ok(Sampler::new(rate, self.sampling_strategy))
    }

    pub(super) fn propagation(&self) -> Result<Headers, ConfigError> {
        self.propagation.clone().headers(self.header_type)
    }

    fn request_headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in self.headers.iter().flatten() {
            let wrong = |reason: String| ConfigError::new(format!("headers.{name}"), reason);
            let parsed = settable_header(name).map_err(wrong)?;
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| wrong("holds what cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        Ok(headers)
    }

    /// Kong has a timeout for each step; here the whole exchange has their sum.
    fn timeout(&self) -> Result<Duration, ConfigError> {
        let steps = [
            ("connect_timeout", self.connect_timeout),
            ("send_timeout", self.send_timeout),
            ("read_timeout", self.read_timeout),
        ];
        match steps.iter().find(|(_, timeout)| *timeout > LONGEST) {
            Some((field, _)) => Err(ConfigError::new(*field, format!("must be from 0 to {LONGEST} milliseconds"))),
            None => Ok(Duration::from_millis(steps.iter().map(|(_, timeout)| timeout).sum::<u64>().max(1))),
        }
    }
}

impl Queue {
    fn review(&self) -> Result<(), ConfigError> {
        let wrong = |field: &str, reason: &str| Err(ConfigError::new(format!("queue.{field}"), reason));
        for (field, value) in [("max_batch_size", self.max_batch_size), ("max_entries", self.max_entries)] {
            if !(1..=1_000_000).contains(&value) {
                return wrong(field, "must be from 1 to 1000000");
            }
        }
        if !(0.0..=3600.0).contains(&self.max_coalescing_delay) {
            return wrong("max_coalescing_delay", "must be from 0 to 3600 seconds");
        }
        let delays = [("initial_retry_delay", self.initial_retry_delay), ("max_retry_delay", self.max_retry_delay)];
        for (field, value) in delays {
            if !(0.001..=1_000_000.0).contains(&value) {
                return wrong(field, "must be from 0.001 to 1000000 seconds");
            }
        }
        if !(-1.0..=1e9).contains(&self.max_retry_time) {
            return wrong("max_retry_time", "must be a number of seconds, or -1 for none");
        }
        if self.concurrency_limit != 1 {
            return wrong(
                "concurrency_limit",
                "this field of Kong's is not implemented; only its default (1) is accepted",
            );
        }
        Ok(())
    }
}

/// Credentials do not belong there: addresses are logged.
fn http_url(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| "must be a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("must begin with http:// or https://".to_owned());
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("must hold no credentials: put them into `headers`".to_owned())
        }
        Some(authority) if !authority.host().is_empty() => Ok(uri),
        _ => Err("must name a host".to_owned()),
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            traces_endpoint: None,
            endpoint: None,
            headers: None,
            resource_attributes: BTreeMap::new(),
            queue: None,
            batch_span_count: None,
            batch_flush_delay: None,
            connect_timeout: 1000,
            send_timeout: 5000,
            read_timeout: 5000,
            http_response_header_for_traceid: None,
            header_type: HeaderType::default(),
            sampling_rate: None,
            sampling_strategy: Strategy::default(),
            propagation: Propagation::default(),
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max_batch_size: 1,
            max_coalescing_delay: 1.0,
            max_entries: 10_000,
            max_bytes: None,
            max_retry_time: 60.0,
            initial_retry_delay: 0.01,
            max_retry_delay: 60.0,
            concurrency_limit: 1,
        }
    }
}
