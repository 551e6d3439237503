//! The configuration of `request-termination`.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::ConfigError;

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The status of the answer.
    #[schemars(range(min = 200, max = 599))]
    status_code: u16,
    /// The message of the answer, as JSON. Not with `content_type` or `body`.
    message: Option<String>,
    /// The type of `body`; by default JSON.
    pub(super) content_type: Option<String>,
    /// The body of the answer.
    pub(super) body: Option<String>,
    /// Whether the answer shows the request.
    pub(super) echo: bool,
    /// The name of a header or parameter of the query: only requests that have it are answered.
    pub(super) trigger: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { status_code: 503, message: None, content_type: None, body: None, echo: false, trigger: None }
    }
}

impl Config {
    /// Kong's rules about which fields go together.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let texts = [("message", &self.message), ("content_type", &self.content_type), ("body", &self.body)];
        if let Some((field, _)) = texts.iter().find(|(_, text)| text.as_deref() == Some("")) {
            return Err(ConfigError::new(*field, "must not be empty"));
        }
        let raw = self.content_type.is_some() || self.body.is_some();
        if self.message.is_some() && raw {
            return Err(ConfigError::new("message", "cannot be used with content_type or body"));
        }
        if self.echo && raw {
            return Err(ConfigError::new("echo", "cannot be used with content_type or body"));
        }
        if self.content_type.is_some() && self.body.is_none() {
            return Err(ConfigError::new("content_type", "requires a body"));
        }
        Ok(())
    }

    /// The status, which must be one that can end an exchange.
    pub(super) fn status(&self) -> Result<StatusCode, ConfigError> {
        let wrong = |reason| ConfigError::new("status_code", reason);
        match self.status_code {
            100..200 => Err(wrong("a status of 1xx announces another answer and cannot stand alone")),
            code @ 200..600 => StatusCode::from_u16(code).map_err(|_| wrong("must be between 200 and 599")),
            _ => Err(wrong("must be between 200 and 599")),
        }
    }

    /// The message, or what Kong says for the status; for most it says nothing.
    pub(super) fn message(&self) -> Option<&str> {
        let default = match self.status_code {
            401 => "Unauthorized",
            404 => "Not found",
            405 => "Method not allowed",
            500 => "An unexpected error occurred",
            502 => "Bad Gateway",
            503 => "Service unavailable",
            _ => return self.message.as_deref(),
        };
        Some(self.message.as_deref().unwrap_or(default))
    }
}
