//! The plugins of one route, in their order, ready to run.

mod rehearsal;
mod timing;

use std::{any::Any, collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use signet_plugin_api::{
    CertificateRequest, Consumer, Context, Flow, Handler, HiddenSeries, Phase, PluginError, PluginRun, Record, Request,
    RequestHeader, Response, ResponseHeader,
};

pub use {
    rehearsal::{Assumed, Came, Run},
    timing::Times,
};

use super::stats::PluginStats;

/// The plugins that can run on a route: one slot per plugin name, highest priority first.
#[derive(Default)]
pub struct Chain {
    slots: Box<[Slot]>,
    phases: u8,
    timed: bool,
}

/// One plugin name on one route.
pub struct Slot {
    /// The plugin's name.
    pub name: &'static str,
    /// The phases in which it runs, as bits of [`Phase`].
    pub phases: u8,
    /// Whether it wants to know how long the plugins of its requests took.
    pub timed: bool,
    /// What its plugin did, on all routes; none where nobody counts.
    pub stats: Option<Arc<PluginStats>>,
    /// The most specific handler that does not depend on the consumer.
    pub base: Option<Arc<dyn Handler>>,
    /// Handlers of consumers and consumer groups, most specific scope first. The maps are shared between routes.
    pub by_consumer: Box<[ConsumerScope]>,
}

/// The handlers of one plugin name in one kind of scope that asks who calls.
#[derive(Clone)]
pub enum ConsumerScope {
    /// By the consumer's id.
    Consumer(Arc<Handlers>),
    /// By the id of a group of the consumer's.
    Group(Arc<Handlers>),
}

/// Handlers by the id of what they stand on.
pub type Handlers = HashMap<Arc<str>, Arc<dyn Handler>>;

/// How the request phase of a chain ended.
pub enum Outcome {
    /// No plugin answered.
    Continue,
    /// A plugin answered in the upstream's place.
    Respond(Response),
    /// A plugin is broken: 500 without detail.
    Broken(Failure),
}

/// A plugin that failed or panicked, for the log.
#[derive(Debug)]
pub struct Failure {
    /// The plugin's name.
    pub plugin: &'static str,
    /// What it said; `None` when it panicked (the panic hook has logged where).
    pub error: Option<PluginError>,
}

/// What a request remembers of its way through the chain: which slots ran before the consumer was known, so that each
/// plugin is the same handler in every phase, and how long they took where somebody wants to know.
#[derive(Debug, Default)]
pub struct Progress {
    consumer_known_from: usize,
    /// How long each plugin took; none where nobody asks.
    pub times: Option<Box<Times>>,
}

impl Chain {
    /// A chain of these slots, which must be in the order in which they run.
    pub fn new(slots: Vec<Slot>) -> Self {
        Self {
            phases: slots.iter().fold(0, |all, slot| all | slot.phases),
            timed: slots.iter().any(|slot| slot.timed),
            slots: slots.into(),
        }
    }

    /// Whether one of its plugins wants to know how long all of them took.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// The names in the order in which they run.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.slots.iter().map(|slot| slot.name)
    }

    /// The series that its handlers, whoever the consumer is, want hidden.
    pub fn hidden_series(&self) -> HiddenSeries {
        let wanted = self.slots.iter().filter_map(|slot| slot.base.as_ref()).map(|handler| handler.hidden_series());
        wanted.fold(HiddenSeries::default(), |all, one| HiddenSeries {
            requests: all.requests || one.requests,
            latencies: all.latencies || one.latencies,
            bandwidth: all.bandwidth || one.bandwidth,
        })
    }

    /// Counts how long its plugins took on one request.
    pub fn took(&self, runs: &[PluginRun]) {
        for run in runs {
            let slot = self.slots.iter().find(|slot| slot.name == run.plugin);
            if let Some(stats) = slot.and_then(|slot| slot.stats.as_ref()) {
                stats.took(run.phase, run.took);
            }
        }
    }

    /// Whether there are no plugins.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// What its handlers want of the handshakes that lead to it, whoever the consumer is.
    pub fn certificate_requests(&self) -> impl Iterator<Item = &CertificateRequest> {
        let handlers = self.slots.iter().flat_map(|slot| {
            slot.base.iter().chain(slot.by_consumer.iter().flat_map(|scope| scope.handlers().values()))
        });
        handlers.filter_map(|handler| handler.certificate_request())
    }

    /// Whether any plugin runs in `phase`.
    pub fn runs_in(&self, phase: Phase) -> bool {
        self.phases & phase as u8 != 0
    }

    /// Runs `on_request` until a plugin answers.
    pub async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context, progress: &mut Progress) -> Outcome {
        if !self.runs_in(Phase::Request) {
            return Outcome::Continue;
        }
        progress.consumer_known_from = usize::MAX;
        let mut running = "";
        let run = async {
            let mut known = false;
            for (position, slot) in self.slots.iter().enumerate() {
                if !known && cx.consumer().is_some() {
                    known = true;
                    progress.consumer_known_from = position;
                }
                let Some(handler) = slot.handler(Phase::Request, cx, known) else { continue };
                running = slot.name;
                let begun = progress.begin();
                let flow = handler.on_request(request, cx).await;
                progress.end(begun, slot.name, Phase::Request);
                if let Some(stats) = &slot.stats {
                    stats.answered(slot.name, &flow, cx.identity());
                }
                if let Flow::Respond(response) = flow? {
                    return Ok(Some(response));
                }
            }
            Ok(None)
        };
        let result = AssertUnwindSafe(run).catch_unwind().await;
        match settled(result, running) {
            Ok(None) => Outcome::Continue,
            Ok(Some(response)) => Outcome::Respond(response),
            Err(failure) => Outcome::Broken(failure),
        }
    }

    /// Runs `on_upstream_request`.
    ///
    /// # Errors
    /// When a plugin is broken.
    pub async fn on_upstream_request(
        &self,
        head: &mut RequestHeader,
        cx: &mut Context,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        if !self.runs_in(Phase::UpstreamRequest) {
            return Ok(());
        }
        let mut running = "";
        let run = async {
            for (position, slot) in self.slots.iter().enumerate() {
                let Some(handler) = slot.handler(Phase::UpstreamRequest, cx, progress.known_at(position)) else {
                    continue;
                };
                running = slot.name;
                let begun = progress.begin();
                handler.on_upstream_request(head, cx).await?;
                progress.end(begun, slot.name, Phase::UpstreamRequest);
            }
            Ok(())
        };
        let result = AssertUnwindSafe(run).catch_unwind().await;
        settled(result, running)
    }

    /// Runs `on_response`.
    ///
    /// # Errors
    /// When a plugin is broken.
    pub async fn on_response(
        &self,
        head: &mut ResponseHeader,
        cx: &mut Context,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        if !self.runs_in(Phase::Response) {
            return Ok(());
        }
        let mut running = "";
        let run = async {
            for (position, slot) in self.slots.iter().enumerate() {
                let Some(handler) = slot.handler(Phase::Response, cx, progress.known_at(position)) else { continue };
                running = slot.name;
                let begun = progress.begin();
                handler.on_response(head, cx).await?;
                progress.end(begun, slot.name, Phase::Response);
            }
            Ok(())
        };
        let result = AssertUnwindSafe(run).catch_unwind().await;
        settled(result, running)
    }

    /// Runs `on_response_body` on one part of the body.
    ///
    /// # Errors
    /// When a plugin is broken.
    pub fn on_response_body(
        &self,
        body: &mut Option<Bytes>,
        end: bool,
        cx: &mut Context,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        if !self.runs_in(Phase::ResponseBody) {
            return Ok(());
        }
        let mut running = "";
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
            for (position, slot) in self.slots.iter().enumerate() {
                let Some(handler) = slot.handler(Phase::ResponseBody, cx, progress.known_at(position)) else {
                    continue;
                };
                running = slot.name;
                let begun = progress.begin();
                handler.on_response_body(body, end, cx)?;
                progress.end(begun, slot.name, Phase::ResponseBody);
            }
            Ok(())
        }));
        settled(result, running)
    }

    /// Runs `on_log`.
    ///
    /// # Errors
    /// When a plugin panicked.
    pub async fn on_log(&self, cx: &Context, progress: &Progress, record: &Record<'_>) -> Result<(), Failure> {
        if !self.runs_in(Phase::Log) {
            return Ok(());
        }
        let mut running = "";
        let run = async {
            for (position, slot) in self.slots.iter().enumerate() {
                let Some(handler) = slot.handler(Phase::Log, cx, progress.known_at(position)) else { continue };
                running = slot.name;
                handler.on_log(cx, record).await;
            }
            Ok(())
        };
        let result = AssertUnwindSafe(run).catch_unwind().await;
        settled(result, running)
    }
}

impl Slot {
    /// The handler for this request, by Kong's precedence; `None` when the plugin does not run here or in this phase.
    fn handler(&self, phase: Phase, cx: &Context, consumer_known: bool) -> Option<&Arc<dyn Handler>> {
        if self.phases & phase as u8 == 0 {
            return None;
        }
        self.chosen(cx, consumer_known)
    }

    fn chosen(&self, cx: &Context, consumer_known: bool) -> Option<&Arc<dyn Handler>> {
        if consumer_known
            && !self.by_consumer.is_empty()
            && let Some(consumer) = cx.consumer()
            && let Some(handler) = self.by_consumer.iter().find_map(|scope| scope.handler(consumer))
        {
            return Some(handler);
        }
        self.base.as_ref()
    }
}

impl ConsumerScope {
    fn handlers(&self) -> &Handlers {
        match self {
            Self::Consumer(handlers) | Self::Group(handlers) => handlers,
        }
    }

    /// Of several groups the first by name counts, as in Kong.
    fn handler(&self, consumer: &Consumer) -> Option<&Arc<dyn Handler>> {
        match self {
            Self::Consumer(handlers) => handlers.get(&consumer.id),
            Self::Group(handlers) => consumer.groups.iter().find_map(|group| handlers.get(&group.id)),
        }
    }
}

impl Progress {
    fn known_at(&self, position: usize) -> bool {
        position >= self.consumer_known_from
    }

    /// The moment, where times are wanted.
    fn begin(&self) -> Option<Instant> {
        self.times.as_ref().map(|_| Instant::now())
    }

    fn end(&mut self, begun: Option<Instant>, plugin: &'static str, phase: Phase) {
        if let (Some(begun), Some(times)) = (begun, &mut self.times) {
            times.add(plugin, phase, begun);
        }
    }
}

/// What a run of plugins came to, or the panic that ended it.
type Caught<T> = Result<Result<T, PluginError>, Box<dyn Any + Send>>;

fn settled<T>(result: Caught<T>, plugin: &'static str) -> Result<T, Failure> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure { plugin, error: Some(error) }),
        Err(_panic) => Err(Failure { plugin, error: None }),
    }
}

#[cfg(test)]
mod tests;
