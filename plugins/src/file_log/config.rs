//! The configuration of `file-log`.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::ConfigError;

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file; it is made when the first line is written. `/dev/stdout` and `/dev/stderr` are the streams of the process.
    path: String,
    /// Whether the file is opened again each time that something is written, so that it may be moved away at any time.
    #[serde(default)]
    pub(super) reopen: bool,
}

impl Config {
    /// Kong's rule about the letters of a name.
    pub(super) fn path(&self) -> Result<&Path, ConfigError> {
        match self.path.is_empty() || self.path.contains(['*', '&', '%', '`', '\0']) {
            true => Err(ConfigError::new("path", "not a valid filename")),
            false => Ok(Path::new(&self.path)),
        }
    }
}
