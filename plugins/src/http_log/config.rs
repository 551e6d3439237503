//! The configuration of `http-log`.

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST},
};
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::ConfigError;
use url::Url;
use zeroize::Zeroizing;

use super::queue::Limits;
use crate::shared::secret::Secret;

/// `config` of the plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where requests are sent: `http` or `https`; a user name and a password in it are sent as `Authorization`.
    http_endpoint: Secret,
    /// How they are sent.
    #[serde(default)]
    method: SentBy,
    /// What is sent.
    #[serde(default)]
    content_type: ContentType,
    /// Milliseconds that an answer may take.
    #[serde(default = "timeout")]
    timeout: f64,
    /// Milliseconds that a connection is kept; 0 keeps none. The longest is 20 seconds.
    #[serde(default = "keepalive")]
    keepalive: f64,
    /// Kong's former bound on tries; `queue.max_retry_time` counts.
    #[serde(default = "retry_count")]
    #[expect(dead_code, reason = "Kong accepts and ignores it, too")]
    retry_count: i64,
    /// Kong's former name of `queue.max_batch_size`; another value than 1 counts.
    #[serde(default = "one")]
    queue_size: u32,
    /// Kong's former name of `queue.max_coalescing_delay`; another value than 2 counts.
    #[serde(default = "flush_timeout")]
    flush_timeout: f64,
    /// More headers.
    headers: Option<BTreeMap<String, Secret>>,
    /// What waits to be sent.
    #[serde(default)]
    queue: Queue,
    /// Whether the certificate of the server is verified. Ours: Kong never does.
    #[serde(default = "yes")]
    pub(super) ssl_verify: bool,
}

/// What waits to be sent, in Kong's names.
#[derive(Debug, Clone, Deserialize, serde::Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Queue {
    /// Requests in one message: 1 sends objects, more send arrays.
    #[schemars(range(min = 1, max = 1_000_000))]
    max_batch_size: u32,
    /// Seconds that a message waits for more requests.
    #[schemars(range(min = 0, max = 3600))]
    max_coalescing_delay: f64,
    /// Requests that may wait; past it the oldest are dropped.
    #[schemars(range(min = 1, max = 1_000_000))]
    max_entries: u32,
    /// Bytes that may wait.
    max_bytes: Option<u64>,
    /// Seconds after which a message that nobody takes is dropped.
    max_retry_time: f64,
    /// Seconds before the first try after a failure; each further pause is twice as long.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    initial_retry_delay: f64,
    /// The longest pause, in seconds.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    max_retry_delay: f64,
    /// Messages on their way at a time: only 1.
    concurrency_limit: i64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, serde::Serialize, JsonSchema)]
enum SentBy {
    #[default]
    #[serde(rename = "POST")]
    Post,
    #[serde(rename = "PUT")]
    Put,
    #[serde(rename = "PATCH")]
    Patch,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, serde::Serialize, JsonSchema)]
enum ContentType {
    #[default]
    #[serde(rename = "application/json")]
    Json,
    #[serde(rename = "application/json; charset=utf-8")]
    JsonUtf8,
}

/// Where entries go.
pub(super) struct Endpoint {
    pub(super) uri: Uri,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) content_type: HeaderValue,
    pub(super) timeout: Duration,
    pub(super) keepalive: bool,
    /// Host and port, for the log.
    pub(super) shown: String,
}

fn timeout() -> f64 {
    10_000.0
}

fn keepalive() -> f64 {
    60_000.0
}

fn retry_count() -> i64 {
    10
}

fn one() -> u32 {
    1
}

fn flush_timeout() -> f64 {
    2.0
}

fn yes() -> bool {
    true
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

impl Config {
    /// Where entries go.
    pub(super) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let wrong = |reason: &str| ConfigError::new("http_endpoint", reason);
        let mut url = Url::parse(self.http_endpoint.expose()).map_err(|_| wrong("expected a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("expected a URL of http or https"));
        }
        let mut headers = self.headers()?;
        if !url.username().is_empty() || url.password().is_some() {
            if headers.contains_key(AUTHORIZATION) {
                let reason = "a user name in `http_endpoint` and the header Authorization exclude each other";
                return Err(ConfigError::new("headers", reason));
            }
            headers.insert(AUTHORIZATION, basic(&url).ok_or_else(|| wrong("its user name cannot be sent"))?);
            let cleared = url.set_username("").and_then(|()| url.set_password(None));
            cleared.map_err(|()| wrong("expected a URL of http or https"))?;
        }
        url.set_fragment(None);
        let port = url.port_or_known_default().unwrap_or_default();
        Ok(Endpoint {
            uri: url.as_str().parse().map_err(|_| wrong("expected a URL"))?,
            method: match self.method {
                SentBy::Post => Method::POST,
                SentBy::Put => Method::PUT,
                SentBy::Patch => Method::PATCH,
            },
            headers,
            content_type: HeaderValue::from_static(match self.content_type {
                ContentType::Json => "application/json",
                ContentType::JsonUtf8 => "application/json; charset=utf-8",
            }),
            timeout: between("timeout", self.timeout / 1000.0, 0.001, 86_400.0)?,
            keepalive: self.keepalive > 0.0,
            shown: format!("{}:{port}", url.host_str().unwrap_or_default()),
        })
    }

    /// How much waits, and how long.
    pub(super) fn limits(&self) -> Result<Limits, ConfigError> {
        let Queue { max_bytes, max_entries, concurrency_limit, .. } = self.queue;
        let batch = if self.queue_size == 1 { self.queue.max_batch_size } else { self.queue_size };
        #[expect(clippy::float_cmp, reason = "the value as it is written")]
        let is_usual = self.flush_timeout == flush_timeout();
        let delay = if is_usual { self.queue.max_coalescing_delay } else { self.flush_timeout };
        if concurrency_limit != 1 {
            return Err(ConfigError::new("queue.concurrency_limit", "only 1 is implemented"));
        }
        let count = |field: &str, value: u32| match value {
            1..=1_000_000 => Ok(value as usize),
            _ => Err(ConfigError::new(format!("queue.{field}"), "expected a number from 1 to 1000000")),
        };
        Ok(Limits {
            batch: count("max_batch_size", batch)?,
            delay: between("queue.max_coalescing_delay", delay, 0.0, 3600.0)?,
            entries: count("max_entries", max_entries)?,
            bytes: max_bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            // Kong: -1 is no second try.
            patience: between("queue.max_retry_time", self.queue.max_retry_time.max(0.0), 0.0, 1e6)?,
            first_pause: between("queue.initial_retry_delay", self.queue.initial_retry_delay, 0.001, 1e6)?,
            longest_pause: between("queue.max_retry_delay", self.queue.max_retry_delay, 0.001, 1e6)?,
        })
    }

    fn headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().flatten() {
            let wrong = |reason: &str| ConfigError::new(format!("headers.{name}"), reason);
            let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("not the name of a header"))?;
            if [HOST, CONTENT_LENGTH, CONTENT_TYPE].contains(&known) {
                return Err(wrong("cannot be set: the plugin sets it"));
            }
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong("cannot be sent in a header"))?;
            value.set_sensitive(true);
            headers.insert(known, value);
        }
        Ok(headers)
    }
}

fn basic(url: &Url) -> Option<HeaderValue> {
    let decoded = |text: &str| {
        let pair = format!("={}", text.replace('+', "%2B"));
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| Zeroizing::new(value.into_owned()))
    };
    let (user, password) = (decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
    let pair = Zeroizing::new(format!("{}:{}", *user, *password));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn between(field: &str, seconds: f64, least: f64, most: f64) -> Result<Duration, ConfigError> {
    match (least..=most).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(ConfigError::new(field, "is out of range")),
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("queue", &self.queue).finish_non_exhaustive()
    }
}
