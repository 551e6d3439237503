//! Entries on their way to a server: a bounded queue that no request waits for, and one task that sends it in batches,
//! tries again for a while, and counts what is lost.

mod config;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use signet_plugin_api::{Background, CounterMeter};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};
use tracing::{info, warn};
use uuid::Uuid;

use self::waiting::{Batch, Waiting};
pub(crate) use self::{
    config::{Limits, QueueConfig},
    waiting::Entry,
};

/// Until it is looked whether somebody came back after the end.
const AFTER: Duration = Duration::from_secs(1);
/// How long what is left is sent when the configuration or the process ends.
const LAST: Duration = Duration::from_secs(5);
/// How often losses are told.
const TOLD: Duration = Duration::from_secs(10);

/// The way to a server.
pub(crate) trait Courier: Send + Sync + 'static {
    /// The plugin, for the log.
    const PLUGIN: &'static str;

    /// Where it goes, for the log: without anything secret.
    fn endpoint(&self) -> &str;

    /// Entries as one message.
    fn pack(&self, entries: &[Bytes]) -> Bytes;

    /// Sends it once. It must end by itself.
    fn send(&self, message: Bytes) -> impl Future<Output = Verdict> + Send;
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was taken, but for so many units.
    Taken { rejected: usize, why: String },
    /// It will never be taken.
    Refused(String),
    /// It may be taken later, or after this time.
    Later { why: String, after: Option<Duration> },
}

/// What is counted, in units.
pub(crate) struct Counters {
    /// What was taken.
    pub(crate) taken: Option<CounterMeter>,
    /// What found no room.
    pub(crate) no_room: CounterMeter,
    /// What the server did not want.
    pub(crate) refused: CounterMeter,
    /// What it was not there for.
    pub(crate) given_up: CounterMeter,
}

/// Entries on their way to one server.
pub(crate) struct Queue<C> {
    courier: C,
    limits: Limits,
    counters: Counters,
    waiting: Mutex<Waiting>,
    /// There is an entry, or an end.
    news: Notify,
    feeders: AtomicUsize,
    is_finishing: AtomicBool,
    /// The last message was not taken: it was said once.
    is_failing: AtomicBool,
    losses: Mutex<Losses>,
    sending: tokio::sync::Mutex<()>,
}

/// What was lost since it was told.
#[derive(Default)]
struct Losses {
    units: usize,
    told: Option<Instant>,
}

/// Who adds entries. Once the last one is gone, what waits is sent without waiting for more, and the queue ends.
pub(crate) struct Feeder<C: Courier>(Arc<Queue<C>>);

impl<C: Courier> Feeder<C> {
    /// One more.
    pub(crate) fn new(queue: Arc<Queue<C>>) -> Self {
        queue.feeders.fetch_add(1, SeqCst);
        Self(queue)
    }

    /// Adds an entry; the oldest go where there is no room. It never waits.
    pub(crate) fn push(&self, entry: Entry) {
        self.0.push(entry);
    }

    #[cfg(test)]
    pub(crate) fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<C: Courier> Drop for Feeder<C> {
    fn drop(&mut self) {
        self.0.feeders.fetch_sub(1, SeqCst);
        self.0.news.notify_one();
    }
}

impl<C: Courier> Queue<C> {
    /// Nothing is sent before it is published.
    pub(crate) fn new(courier: C, limits: Limits, counters: Counters) -> Self {
        Self {
            courier,
            limits,
            counters,
            waiting: Mutex::default(),
            news: Notify::new(),
            feeders: AtomicUsize::new(0),
            is_finishing: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            losses: Mutex::default(),
            sending: tokio::sync::Mutex::default(),
        }
    }

    fn push(&self, entry: Entry) {
        let mut waiting = self.waiting();
        let before = waiting.units();
        let lost = waiting.push(entry, &self.limits);
        let after = waiting.units();
        drop(waiting);
        if lost > 0 {
            self.lose(&self.counters.no_room, lost, "there is no room to wait");
        }
        if before == 0 || (before < self.limits.batch && after >= self.limits.batch) {
            self.news.notify_one();
        }
    }

    /// Sends a batch when it is due; at the end all that is there.
    async fn turn(&self) {
        self.gather().await;
        let _alone = self.sending.lock().await;
        let begun = Instant::now();
        while self.len() > 0 {
            let batch = self.waiting().batch(self.limits.batch);
            self.deliver(batch).await;
            if !self.is_ending() || begun.elapsed() > LAST {
                return;
            }
        }
    }

    /// Waits for the first entry, and then for the rest of its batch.
    async fn gather(&self) {
        while self.len() == 0 && !self.is_ending() {
            self.news.notified().await;
        }
        let until = Instant::now() + self.limits.delay;
        while self.len() < self.limits.batch
            && !self.is_ending()
            && timeout_at(until, self.news.notified()).await.is_ok()
        {}
    }

    async fn deliver(&self, batch: Batch) {
        let message = self.courier.pack(&batch.entries);
        let begun = Instant::now();
        let mut pause = self.limits.first_pause;
        loop {
            // Whom the end wakes from a pause, tries once more.
            let is_ending = self.is_ending();
            let (why, after) = match self.courier.send(message.clone()).await {
                Verdict::Taken { rejected, why } => return self.taken(batch.units, rejected.min(batch.units), &why),
                Verdict::Refused(why) => {
                    self.is_failing.store(true, SeqCst);
                    return self.lose(&self.counters.refused, batch.units, &why);
                }
                Verdict::Later { why, after } => (why, after),
            };
            if !self.is_failing.swap(true, SeqCst) {
                warn!(plugin = C::PLUGIN, endpoint = self.courier.endpoint(), why, "not taken: it is tried again");
            }
            let patience = if is_ending { self.limits.patience.min(LAST) } else { self.limits.patience };
            let wait = jittered(pause).max(after.unwrap_or_default());
            if begun.elapsed().saturating_add(wait) > patience {
                return self.lose(&self.counters.given_up, batch.units, &format!("given up: {why}"));
            }
            self.rest(wait).await;
            pause = (pause * 2).min(self.limits.longest_pause);
        }
    }

    fn taken(&self, units: usize, rejected: usize, why: &str) {
        if let Some(taken) = &self.counters.taken {
            taken.inc_by((units - rejected) as u64);
        }
        if rejected > 0 || !why.is_empty() {
            self.lose(&self.counters.refused, rejected, why);
        }
        if self.is_failing.swap(false, SeqCst) {
            info!(plugin = C::PLUGIN, endpoint = self.courier.endpoint(), "taken again");
        }
    }

    /// Counts what is lost, and tells it now and then.
    fn lose(&self, counter: &CounterMeter, units: usize, why: &str) {
        counter.inc_by(units as u64);
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.units += units;
        if losses.told.is_some_and(|told| told.elapsed() < TOLD) {
            return;
        }
        losses.told = Some(Instant::now());
        let lost = std::mem::take(&mut losses.units);
        drop(losses);
        warn!(plugin = C::PLUGIN, endpoint = self.courier.endpoint(), lost, why, "what waits to be sent was lost");
    }

    /// Waits, until the end begins.
    async fn rest(&self, pause: Duration) {
        if self.is_ending() {
            return sleep(pause).await;
        }
        let until = Instant::now() + pause;
        while !self.is_ending() && timeout_at(until, self.news.notified()).await.is_ok() {}
    }

    fn is_ending(&self) -> bool {
        self.is_finishing.load(SeqCst) || self.feeders.load(SeqCst) == 0
    }

    fn len(&self) -> usize {
        self.waiting().units()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<C: Courier> Background for Queue<C> {
    /// Ends when nobody feeds the queue any more: whoever pushes an entry and goes leaves nothing behind.
    async fn tick(&self) -> Duration {
        while !self.is_ending() {
            self.turn().await;
        }
        self.turn().await;
        AFTER
    }

    async fn finish(&self) {
        self.is_finishing.store(true, SeqCst);
        self.news.notify_one();
        self.turn().await;
    }
}

/// What was not sent in time when the last configuration went is lost as well.
impl<C> Drop for Queue<C> {
    fn drop(&mut self) {
        let left = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner).units();
        self.counters.given_up.inc_by(left as u64);
    }
}

/// From half of it to all of it: gateways that fail together do not come back together.
fn jittered(pause: Duration) -> Duration {
    // The first bits of a UUID say nothing about its kind.
    let random = u32::try_from(Uuid::new_v4().as_u128() >> 96).unwrap_or(0);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}
