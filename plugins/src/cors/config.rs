//! The configuration of `cors`.

use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::ConfigError;

const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Who may read answers: origins, `*`, or regular expressions of them. None: everybody.
    pub(super) origins: Vec<String>,
    /// `Access-Control-Allow-Headers`; without it a preflight gets what it asked for.
    headers: Vec<String>,
    /// `Access-Control-Expose-Headers`.
    exposed_headers: Vec<String>,
    /// `Access-Control-Allow-Methods`.
    #[schemars(extend("items" = serde_json::json!({"type": "string", "enum": METHODS})))]
    methods: Vec<String>,
    /// For how many seconds a browser may keep the answer to a preflight.
    max_age: Option<f64>,
    /// `Access-Control-Allow-Credentials`.
    pub(super) credentials: bool,
    /// `Access-Control-Allow-Private-Network`.
    pub(super) private_network: bool,
    /// Whether preflights go upstream.
    pub(super) preflight_continue: bool,
    /// Whether answers to requests without `Origin` have the headers, too.
    pub(super) allow_origin_absent: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            headers: Vec::new(),
            exposed_headers: Vec::new(),
            methods: METHODS.map(ToOwned::to_owned).to_vec(),
            max_age: None,
            credentials: false,
            private_network: false,
            preflight_continue: false,
            allow_origin_absent: true,
        }
    }
}

impl Config {
    /// `Access-Control-Allow-Headers`; without it a preflight gets what it asked for.
    pub(super) fn headers(&self) -> Result<Option<HeaderValue>, ConfigError> {
        list("headers", &self.headers)
    }

    /// `Access-Control-Expose-Headers`.
    pub(super) fn exposed_headers(&self) -> Result<Option<HeaderValue>, ConfigError> {
        list("exposed_headers", &self.exposed_headers)
    }

    /// `Access-Control-Allow-Methods`.
    pub(super) fn methods(&self) -> Result<Option<HeaderValue>, ConfigError> {
        if let Some((at, method)) = self.methods.iter().enumerate().find(|(_, method)| !METHODS.contains(&&***method)) {
            let reason = format!("`{method}` is not one of {}", METHODS.join(", "));
            return Err(ConfigError::new(format!("methods[{at}]"), reason));
        }
        list("methods", &self.methods)
    }

    /// `Access-Control-Max-Age`.
    pub(super) fn max_age(&self) -> Result<Option<HeaderValue>, ConfigError> {
        let value = |seconds: f64| HeaderValue::from_str(&seconds.to_string());
        match self.max_age {
            Some(seconds) if !seconds.is_finite() => Err(ConfigError::new("max_age", "must be a number of seconds")),
            seconds => seconds.map(value).transpose().map_err(|error| ConfigError::new("max_age", error.to_string())),
        }
    }
}

fn list(field: &str, items: &[String]) -> Result<Option<HeaderValue>, ConfigError> {
    if items.is_empty() {
        return Ok(None);
    }
    if items.iter().any(String::is_empty) {
        return Err(ConfigError::new(field, "an item must not be empty"));
    }
    let value = HeaderValue::from_bytes(items.join(",").as_bytes());
    value.map(Some).map_err(|_| ConfigError::new(field, "control characters cannot stand in a header"))
}
