//! What a plugin reports: a wrong declaration, or being broken at run time.

/// A declaration that cannot be used. The engine adds the file, the line and the path of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConfigError {
    /// The field below `config`, as `a.b[0]`; empty for the configuration as a whole.
    pub field: String,
    /// One sentence without a full stop: what is wrong, and what would be right.
    pub reason: String,
}

impl ConfigError {
    /// An error in one field of the configuration.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// A plugin that cannot do its work on this request. The client gets a 500 without detail; the log gets this text.
///
/// Refusing a client is not an error: answer with [`crate::Flow::Respond`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PluginError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PluginError {
    /// A failure with a text for the log. It must not contain a secret.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// A failure with its cause.
    pub fn with_source(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }
}

impl From<Box<pingora_error::Error>> for PluginError {
    fn from(error: Box<pingora_error::Error>) -> Self {
        Self::with_source("a header cannot be edited", error)
    }
}
