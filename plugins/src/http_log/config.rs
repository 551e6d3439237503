//! The configuration of `http-log`.

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Uri, header::AUTHORIZATION};
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::ConfigError;
use url::Url;
use zeroize::Zeroizing;

use crate::shared::{
    names::message_headers,
    queue::{Limits, QueueConfig},
    secret::Secret,
};

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
    queue_size: usize,
    /// Kong's former name of `queue.max_coalescing_delay`; another value than 2 counts.
    #[serde(default = "flush_timeout")]
    flush_timeout: f64,
    /// More headers.
    headers: Option<BTreeMap<String, Secret>>,
    /// What waits to be sent.
    #[serde(default)]
    queue: QueueConfig,
    /// Whether the certificate of the server is verified. Ours: Kong never does.
    #[serde(default = "yes")]
    pub(super) ssl_verify: bool,
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

fn one() -> usize {
    1
}

fn flush_timeout() -> f64 {
    2.0
}

fn yes() -> bool {
    true
}

impl Config {
    /// Where entries go.
    pub(super) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let wrong = |reason: &str| ConfigError::new("http_endpoint", reason);
        let mut url = Url::parse(self.http_endpoint.expose()).map_err(|_| wrong("expected a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("expected a URL of http or https"));
        }
        let mut headers = message_headers(self.headers.as_ref())?;
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
            timeout: self.timeout()?,
            keepalive: self.keepalive > 0.0,
            shown: format!("{}:{port}", url.host_str().unwrap_or_default()),
        })
    }

    /// How much waits, and how long; with what the former names say of it.
    pub(super) fn limits(&self) -> Result<Limits, ConfigError> {
        let mut queue = self.queue.clone();
        if self.queue_size != 1 {
            queue.max_batch_size = self.queue_size;
        }
        #[expect(clippy::float_cmp, reason = "the value as it is written")]
        if self.flush_timeout != flush_timeout() {
            queue.max_coalescing_delay = self.flush_timeout;
        }
        queue.limits()
    }

    fn timeout(&self) -> Result<Duration, ConfigError> {
        match (1.0..=86_400_000.0).contains(&self.timeout) {
            true => Ok(Duration::from_secs_f64(self.timeout / 1000.0)),
            false => Err(ConfigError::new("timeout", "must be from 1 to 86400000 milliseconds")),
        }
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

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("queue", &self.queue).finish_non_exhaustive()
    }
}
