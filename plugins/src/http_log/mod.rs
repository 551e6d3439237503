//! `http-log`: each request as JSON to a server, some at a time, while no request waits for it.

mod config;
mod delivery;
#[cfg(test)]
mod tests;

use std::{fmt::Write, sync::Arc};

use async_trait::async_trait;
use signet_plugin_api::{Concealed, ConfigError, Context, Handler, Phase, Plugin, Record, Scope};

use self::{config::Config, delivery::Delivery};
use crate::shared::{
    log_entry::log_entry,
    queue::{Counters, Entry, Feeder, Queue},
};

/// The compiled plugin.
pub(crate) struct HttpLog {
    feeder: Feeder<Delivery>,
    concealed: Arc<Concealed>,
}

impl Plugin for HttpLog {
    const NAME: &'static str = "http-log";
    const PRIORITY: u32 = 12;
    const PHASES: &'static [Phase] = &[Phase::Log];
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[("custom_fields_by_lua", "{}")];
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let (endpoint, limits) = (config.endpoint()?, config.limits()?);
        // The same configuration is the same queue, also over a reload.
        let key = scope.config_digest().iter().fold(String::new(), |mut key, byte| {
            let _ = write!(key, "{byte:02x}");
            key
        });
        let dropped = scope.meters().counter(
            "log_dropped_total",
            "Lines that could not be written, or found no room to wait.",
            &[("log", Self::NAME)],
        );
        let dropped = dropped.map_err(|error| ConfigError::new("", error.to_string()))?;
        let counters = Counters { taken: None, no_room: dropped.clone(), refused: dropped.clone(), given_up: dropped };
        let delivery = || Delivery::new(endpoint, config.ssl_verify, limits.batch, scope.names());
        let queue = scope.background(&key, || Queue::new(delivery(), limits, counters));
        Ok(Self { feeder: Feeder::new(queue), concealed: scope.concealed() })
    }
}

#[async_trait]
impl Handler for HttpLog {
    async fn on_log(&self, cx: &Context, record: &Record<'_>) {
        match log_entry(cx, record, &self.concealed) {
            Ok(entry) => self.feeder.push(Entry { units: 1, bytes: entry.into() }),
            Err(error) => tracing::error!(plugin = Self::NAME, %error, "a request cannot be written down"),
        }
    }
}
