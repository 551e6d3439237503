//! The configuration of `opentelemetry`, with Kong's names and defaults.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::{ConfigError, Scope};

use super::{
    propagation::{HeaderType, Headers, Propagation},
    sampling::{Sampler, Strategy},
};
use crate::shared::{
    names::{message_headers, settable_header},
    queue::{Limits, QueueConfig},
    secret::Secret,
};

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
    queue: Option<QueueConfig>,
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
            headers: message_headers(self.headers.as_ref())?,
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

    /// How much waits, and how long; with what the older fields say of it: as Kong does, at another value than their
    /// default.
    pub(super) fn limits(&self) -> Result<Limits, ConfigError> {
        let mut queue = self.queue.clone().unwrap_or_else(|| QueueConfig::of_batches(200));
        if let Some(count) = self.batch_span_count.filter(|count| *count != 200) {
            queue.max_batch_size = count;
        }
        if let Some(seconds) = self.batch_flush_delay.filter(|seconds| *seconds != 3) {
            queue.max_coalescing_delay = Duration::from_secs(seconds).as_secs_f64();
        }
        queue.limits()
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
