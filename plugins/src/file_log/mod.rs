//! `file-log`: each request as a line of JSON in a file.

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use signet_plugin_api::{Concealed, ConfigError, Context, Handler, LogFile, Phase, Plugin, Record, Scope};

use self::config::Config;
use crate::shared::log_entry::log_entry;

/// The compiled plugin.
pub(crate) struct FileLog {
    file: Arc<dyn LogFile>,
    concealed: Arc<Concealed>,
}

impl Plugin for FileLog {
    const NAME: &'static str = "file-log";
    const PRIORITY: u32 = 9;
    const PHASES: &'static [Phase] = &[Phase::Log];
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[("custom_fields_by_lua", "{}")];
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        Ok(Self { file: scope.log_file(config.path()?, config.reopen), concealed: scope.concealed() })
    }
}

#[async_trait]
impl Handler for FileLog {
    async fn on_log(&self, cx: &Context, record: &Record<'_>) {
        match log_entry(cx, record, &self.concealed) {
            Ok(mut line) => {
                line.push(b'\n');
                self.file.append(&line);
            }
            Err(error) => tracing::error!(plugin = Self::NAME, %error, "a request cannot be written down"),
        }
    }
}
