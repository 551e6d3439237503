//! What the plugins of one name did on all routes: how long they took, and what became of callers.

use std::time::Duration;

use prometheus::Result;
use signet_plugin_api::{CounterMeter, Flow, HistogramMeter, Identity, Meters, Phase, PluginError, Registration};

/// Upper bounds for the time of a plugin, in seconds.
const BOUNDS: [f64; 11] = [0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.025, 0.1, 1.0];

/// The phases that are timed, with their names in labels; the log comes when nobody waits any more.
const TIMED: [(Phase, &str); 4] = [
    (Phase::Request, "request"),
    (Phase::UpstreamRequest, "upstream_request"),
    (Phase::Response, "response"),
    (Phase::ResponseBody, "response_body"),
];

/// Series of one plugin. They live as long as a configuration uses it, and go on when the next one does, too.
#[derive(Clone)]
pub struct PluginStats {
    durations: Vec<(Phase, HistogramMeter)>,
    callers: Option<Callers>,
}

/// What became of those who came to an authentication plugin.
#[derive(Clone)]
struct Callers {
    success: CounterMeter,
    anonymous: CounterMeter,
    failure: CounterMeter,
    error: CounterMeter,
}

impl PluginStats {
    /// Finds or makes the series of a plugin.
    ///
    /// # Errors
    /// When they cannot be: a mistake of the build.
    pub(crate) fn of(plugin: &Registration, meters: &Meters) -> Result<Self> {
        let timed = TIMED.into_iter().filter(|(phase, _)| plugin.runs_in(*phase));
        let durations = timed.map(|(phase, label)| {
            let labels = [("plugin", plugin.name), ("phase", label)];
            let help = "Time of a plugin in a phase, on one request of 16 and wherever requests are traced.";
            Ok((phase, meters.histogram("plugin_duration_seconds", help, &labels, &BOUNDS)?))
        });
        let durations = durations.collect::<Result<_>>()?;
        let callers = plugin.authenticates.then(|| Callers::of(plugin.name, meters)).transpose()?;
        Ok(Self { durations, callers })
    }

    /// One run took so long.
    pub fn took(&self, phase: Phase, took: Duration) {
        if let Some((_, histogram)) = self.durations.iter().find(|(known, _)| *known == phase) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// What the request phase came to. A plugin that goes on and leaves no identity of its own was not needed.
    pub fn answered(&self, plugin: &str, flow: &std::result::Result<Flow, PluginError>, identity: Option<&Identity>) {
        let Some(callers) = &self.callers else { return };
        match (flow, identity) {
            (Err(_), _) => callers.error.inc(),
            (Ok(Flow::Respond(response)), _) if response.status.is_server_error() => callers.error.inc(),
            (Ok(Flow::Respond(_)), _) => callers.failure.inc(),
            (Ok(Flow::Continue), Some(identity)) if identity.method == plugin => match identity.is_authenticated() {
                true => callers.success.inc(),
                false => callers.anonymous.inc(),
            },
            (Ok(Flow::Continue), _) => (),
        }
    }
}

impl Callers {
    fn of(method: &'static str, meters: &Meters) -> Result<Self> {
        let help =
            "What became of callers, by the plugin that looked: who it proved them to be, or that it refused them.";
        let counter = |result| meters.counter("auth_total", help, &[("method", method), ("result", result)]);
        Ok(Self {
            success: counter("success")?,
            anonymous: counter("anonymous")?,
            failure: counter("failure")?,
            error: counter("error")?,
        })
    }
}

impl std::fmt::Debug for PluginStats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PluginStats")
    }
}
