//! What the plugins of a chain would do with a request, for `explain`.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use signet_plugin_api::{
    Consumer, Context, Handler, Identity, Phase, Proof, Rehearsal, Rehearsed, Request, RequestHeader, Response,
};

use super::{Chain, Failure, Progress, settled};

/// One plugin of a chain, and what would come of it.
pub struct Run {
    /// Its name.
    pub plugin: &'static str,
    /// The one of its handlers that this caller gets; none where it stands on other callers only.
    pub handler: Option<Arc<dyn Handler>>,
    /// What would come of it.
    pub came: Came,
    /// What it shows, as [`Rehearsal::shows`].
    pub shows: Vec<(&'static str, Box<serde_json::value::RawValue>)>,
}

/// What would come of a plugin.
#[derive(Debug)]
pub enum Came {
    /// It lets the request pass.
    Passes,
    /// It answers.
    Answers(Response),
    /// It cannot be said.
    Unknown(String),
    /// It would find the caller that was assumed.
    Assumed,
    /// It fails: 500.
    Breaks(Failure),
    /// An earlier one answers.
    NotReached,
    /// It does nothing before the request goes upstream.
    Later,
    /// It stands on consumers or groups that this caller does not belong to.
    NotForCaller,
}

/// A caller that is taken for verified, by every plugin that `authenticates` says is there to verify.
pub struct Assumed<'a> {
    /// Who.
    pub consumer: Arc<Consumer>,
    /// Whether a plugin of this name finds out who calls.
    pub authenticates: &'a (dyn Fn(&str) -> bool + Sync),
}

impl Chain {
    /// The handlers that do not depend on the caller, by the names of their plugins, in the order in which they run.
    pub fn for_everybody(&self) -> impl Iterator<Item = (&'static str, &Arc<dyn Handler>)> {
        self.slots.iter().filter_map(|slot| Some((slot.name, slot.base.as_ref()?)))
    }

    /// Takes a request through the plugins as [`Chain::on_request`] does, without what they do to others.
    pub async fn rehearse(
        &self,
        request: &mut Request<'_>,
        cx: &mut Context,
        progress: &mut Progress,
        assumed: Option<&Assumed<'_>>,
    ) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::with_capacity(self.slots.len());
        progress.consumer_known_from = usize::MAX;
        let (mut known, mut over, mut unsure) = (false, false, None);
        for (position, slot) in self.slots.iter().enumerate() {
            if !known && cx.consumer().is_some() {
                known = true;
                progress.consumer_known_from = position;
            }
            let handler = slot.chosen(cx, known).cloned();
            let (came, shows) = match &handler {
                _ if over => (Came::NotReached, Vec::new()),
                None => (Came::NotForCaller, Vec::new()),
                Some(_) if slot.phases & Phase::Request as u8 == 0 => (Came::Later, Vec::new()),
                Some(_) if let Some(assumed) = assumed.filter(|assumed| (assumed.authenticates)(slot.name)) => {
                    cx.authenticate(identity(slot.name, &assumed.consumer));
                    (Came::Assumed, Vec::new())
                }
                Some(handler) => in_doubt(rehearsed(slot.name, handler, request, cx).await, unsure),
            };
            over |= matches!(came, Came::Answers(_) | Came::Breaks(_));
            if matches!(came, Came::Unknown(_)) {
                unsure.get_or_insert(slot.name);
            }
            runs.push(Run { plugin: slot.name, handler, came, shows });
        }
        runs
    }

    /// `on_upstream_request` of those plugins that said what they do.
    ///
    /// # Errors
    /// When a plugin is broken.
    pub async fn rehearse_upstream(
        &self,
        head: &mut RequestHeader,
        cx: &mut Context,
        runs: &[Run],
    ) -> Result<(), Failure> {
        for (slot, run) in self.slots.iter().zip(runs) {
            let says = !matches!(run.came, Came::Unknown(_)) && slot.phases & Phase::UpstreamRequest as u8 != 0;
            let Some(handler) = run.handler.as_ref().filter(|_| says) else { continue };
            let result = AssertUnwindSafe(handler.on_upstream_request(head, cx)).catch_unwind().await;
            settled(result, slot.name)?;
        }
        Ok(())
    }
}

async fn rehearsed(
    plugin: &'static str,
    handler: &Arc<dyn Handler>,
    request: &mut Request<'_>,
    cx: &mut Context,
) -> Result<Rehearsal, Failure> {
    let result = AssertUnwindSafe(handler.rehearse(request, cx)).catch_unwind().await;
    settled(result, plugin)
}

type Shows = Vec<(&'static str, Box<serde_json::value::RawValue>)>;

/// What follows on a plugin whose answer is unknown may rest on it: a refusal for want of a caller proves nothing.
fn in_doubt(rehearsal: Result<Rehearsal, Failure>, unsure: Option<&'static str>) -> (Came, Shows) {
    let Rehearsal { outcome, shows } = match rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(failure) => return (Came::Breaks(failure), Vec::new()),
    };
    let came = match (outcome, unsure) {
        (Rehearsed::Continue, _) => Came::Passes,
        (Rehearsed::Unknown(reason), _) => Came::Unknown(reason.into_owned()),
        (Rehearsed::Respond(response), None) => Came::Answers(response),
        (Rehearsed::Respond(response), Some(earlier)) => Came::Unknown(format!(
            "it rests on what {earlier} finds; with nothing found it answers {}",
            response.status.as_u16()
        )),
    };
    (came, shows)
}

/// Nothing says which credential it would be.
fn identity(plugin: &'static str, consumer: &Arc<Consumer>) -> Identity {
    let subject = consumer.username.as_ref().unwrap_or(&consumer.id);
    Identity::new(plugin, Some(Arc::clone(consumer)), Proof::Other { subject: Arc::clone(subject) })
}
