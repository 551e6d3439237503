//! The configuration of `prometheus`: which series are wanted.

use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::HiddenSeries;

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Whether requests and bytes are counted for each consumer, too.
    pub(super) per_consumer: bool,
    /// So many consumers have series of their own; what others do is counted as `other`.
    #[schemars(range(max = 100_000))]
    pub(super) max_consumers: usize,
    /// `false` hides the requests of the routes on which the plugin stands.
    status_code_metrics: Option<bool>,
    /// `false` hides their times.
    latency_metrics: Option<bool>,
    /// `false` hides their bytes.
    bandwidth_metrics: Option<bool>,
    /// Accepted; there is nothing to show without `upstreams`.
    #[serde(rename = "upstream_health_metrics")]
    _upstream_health_metrics: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            per_consumer: false,
            max_consumers: 1000,
            status_code_metrics: None,
            latency_metrics: None,
            bandwidth_metrics: None,
            _upstream_health_metrics: None,
        }
    }
}

impl Config {
    /// What is not wanted. What nobody speaks of is shown.
    pub(super) fn hidden(&self) -> HiddenSeries {
        HiddenSeries {
            requests: self.status_code_metrics == Some(false),
            latencies: self.latency_metrics == Some(false),
            bandwidth: self.bandwidth_metrics == Some(false),
        }
    }
}
