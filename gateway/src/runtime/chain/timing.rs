//! How long the plugins of one request took.

use std::time::Instant;

use signet_plugin_api::{Phase, PluginRun};

/// Which plugins ran, in their order.
#[derive(Debug)]
pub struct Times {
    started: Instant,
    runs: Vec<PluginRun>,
}

impl Times {
    /// For a request whose head came at `started`.
    pub fn since(started: Instant) -> Self {
        Self { started, runs: Vec::new() }
    }

    /// The plugins so far. One that panicked is not among them.
    pub fn runs(&self) -> &[PluginRun] {
        &self.runs
    }

    /// One that began then has just ended. The parts of a response's body are one run.
    pub(super) fn add(&mut self, plugin: &'static str, phase: Phase, begun: Instant) {
        let took = begun.elapsed();
        let earlier = self.runs.iter_mut().rev().find(|run| run.plugin == plugin && run.phase == phase);
        if let Some(run) = earlier.filter(|_| phase == Phase::ResponseBody) {
            run.took += took;
            return;
        }
        self.runs.push(PluginRun { plugin, phase, began: begun - self.started, took });
    }
}
