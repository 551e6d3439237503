//! `prometheus`: which of the series that are always there are shown, and series of consumers.

mod callers;
mod config;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use signet_plugin_api::{ConfigError, Context, Handler, HiddenSeries, Phase, Plugin, Record, Scope};

use self::{callers::Callers, config::Config};

const NAME: &str = "prometheus";

/// The compiled plugin.
pub(crate) struct Prometheus {
    hidden: HiddenSeries,
    callers: Option<Callers>,
}

impl Plugin for Prometheus {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 13;
    const PHASES: &'static [Phase] = &[Phase::Log];
    // Series of what the gateway does not do.
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[("ai_metrics", "false"), ("wasm_metrics", "false")];
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let callers = config.per_consumer.then(|| Callers::new(config.max_consumers, scope)).transpose()?;
        Ok(Self { hidden: config.hidden(), callers })
    }
}

#[async_trait]
impl Handler for Prometheus {
    fn hidden_series(&self) -> HiddenSeries {
        self.hidden
    }

    async fn on_log(&self, cx: &Context, record: &Record<'_>) {
        if let (Some(callers), Some(consumer)) = (&self.callers, cx.consumer()) {
            callers.count(consumer, record);
        }
    }
}
