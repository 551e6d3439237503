//! What waits to be sent: bounded, sent in batches, tried again for a while, and counted when it is lost.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use signet_plugin_api::{Background, CounterMeter};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::{error, warn};

use super::config::Endpoint;
use crate::shared::http::{Http, Question};

/// How long a look at an empty queue lasts: the work must see when no configuration wants it any more.
const LOOK: Duration = Duration::from_secs(1);
/// How long what is left is sent when the configuration or the process ends.
const LAST: Duration = Duration::from_secs(5);
/// More than that never waits, in bytes, whatever Kong's fields say.
const ROOM: usize = 64 * 1024 * 1024;
/// As much of an answer as is read.
const ANSWER: usize = 64 * 1024;
/// How often a full queue is told.
const TOLD: Duration = Duration::from_secs(10);

/// How much waits, and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) batch: usize,
    pub(super) delay: Duration,
    pub(super) entries: usize,
    pub(super) bytes: usize,
    pub(super) patience: Duration,
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
}

/// Entries on their way to one endpoint.
pub(super) struct Queue {
    endpoint: Endpoint,
    limits: Limits,
    http: Http,
    dropped: Option<CounterMeter>,
    state: Mutex<State>,
    /// There is an entry, or an end.
    news: Notify,
    /// Nobody adds anything any more.
    ends: AtomicBool,
    sending: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The number of the first entry, of all that ever were.
    first: u64,
    lost: u64,
    told: Option<Instant>,
}

/// Who adds entries. With the last one the queue ends.
pub(super) struct Feeder(Arc<Queue>);

impl Feeder {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        queue.ends.store(false, Relaxed);
        Self(queue)
    }

    /// Adds an entry; the oldest go where there is no room. It never waits.
    pub(super) fn push(&self, entry: Vec<u8>) {
        self.0.push(entry);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Queue {
    pub(super) fn new(endpoint: Endpoint, limits: Limits, http: Http, dropped: Option<CounterMeter>) -> Self {
        Self {
            endpoint,
            limits,
            http,
            dropped,
            state: Mutex::default(),
            news: Notify::new(),
            ends: AtomicBool::new(false),
            sending: tokio::sync::Mutex::default(),
        }
    }

    fn push(&self, entry: Vec<u8>) {
        let room = self.limits.bytes.min(ROOM);
        let mut state = self.state();
        let mut lost = 0;
        if entry.len() > room {
            lost += 1;
        } else {
            while state.entries.len() >= self.limits.entries || state.bytes + entry.len() > room {
                state.remove(1);
                lost += 1;
            }
            state.bytes += entry.len();
            state.entries.push_back(entry);
        }
        let told = self.lose(&mut state, lost);
        let is_news = state.entries.len() == 1 || state.entries.len() == self.limits.batch;
        drop(state);
        if let Some(entries) = told {
            error!(endpoint = self.endpoint.shown, entries, "http-log: no room to wait, the oldest are dropped");
        }
        if is_news {
            self.news.notify_one();
        }
    }

    fn end(&self) {
        self.ends.store(true, Relaxed);
        self.news.notify_one();
    }

    /// Sends what is there, in batches, once it is due.
    async fn work(&self) {
        let _alone = self.sending.lock().await;
        if self.len() == 0 {
            let _ = timeout(LOOK, self.news.notified()).await;
        }
        let until = Instant::now() + self.limits.delay;
        while (1..self.limits.batch).contains(&self.len()) && !self.ends.load(Relaxed) && Instant::now() < until {
            let _ = tokio::time::timeout_at(until, self.news.notified()).await;
        }
        let begun = Instant::now();
        while self.len() > 0 {
            self.send_batch().await;
            let ends = self.ends.load(Relaxed);
            if !ends || begun.elapsed() > LAST {
                break;
            }
        }
    }

    async fn send_batch(&self) {
        let Some((payload, first, count)) = self.batch() else { return };
        let begun = Instant::now();
        let mut pause = self.limits.first_pause;
        let mut failures = 0_u32;
        while let Err(reason) = self.send(payload.clone()).await {
            failures += 1;
            let is_late = begun.elapsed() + pause > self.limits.patience || self.ends.load(Relaxed) && failures > 1;
            if is_late {
                let mut state = self.state();
                let lost = state.remove_until(first + count);
                state.lost += lost;
                let told = self.lose(&mut state, 0).unwrap_or(lost);
                drop(state);
                self.count(lost);
                error!(endpoint = self.endpoint.shown, failures, entries = told, %reason, "http-log: given up");
                return;
            }
            if failures == 1 {
                warn!(endpoint = self.endpoint.shown, %reason, "http-log: not taken; it is tried again");
            }
            if !self.ends.load(Relaxed) {
                self.rest(pause).await;
            }
            pause = (pause * 2).min(self.limits.longest_pause);
        }
        self.state().remove_until(first + count);
    }

    /// Waits, unless the end comes.
    async fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.ends.load(Relaxed) {
            let _ = tokio::time::timeout_at(until, self.news.notified()).await;
        }
    }

    /// The first entries as they are sent, the number of the first one, and how many they are. They stay until they were
    /// taken: whoever ends the process in between loses nothing.
    fn batch(&self) -> Option<(Bytes, u64, u64)> {
        let state = self.state();
        let count = state.entries.len().min(self.limits.batch);
        let payload = match (self.limits.batch, state.entries.front()) {
            (_, None) => return None,
            (1, Some(entry)) => entry.clone(),
            _ => {
                let mut payload = Vec::with_capacity(state.bytes + count + 1);
                for entry in state.entries.iter().take(count) {
                    payload.push(if payload.is_empty() { b'[' } else { b',' });
                    payload.extend_from_slice(entry);
                }
                payload.push(b']');
                payload
            }
        };
        Some((payload.into(), state.first, count as u64))
    }

    async fn send(&self, payload: Bytes) -> Result<(), String> {
        let Endpoint { uri, method, headers, content_type, .. } = &self.endpoint;
        let question = Question {
            method: Some(method.clone()),
            headers: headers.clone(),
            content: Some((content_type.clone(), payload)),
            limit: ANSWER,
            ..Question::get(uri.clone())
        };
        match self.http.ask(question).await {
            Ok(answer) if answer.status.as_u16() < 400 => Ok(()),
            Ok(answer) => Err(format!("status {}", answer.status.as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Notes lost entries; how many are to be told now.
    fn lose(&self, state: &mut State, entries: u64) -> Option<u64> {
        self.count(entries);
        state.lost += entries;
        let is_due = state.lost > 0 && state.told.is_none_or(|told| told.elapsed() >= TOLD);
        is_due.then(|| {
            state.told = Some(Instant::now());
            std::mem::take(&mut state.lost)
        })
    }

    fn count(&self, lost: u64) {
        if let Some(dropped) = &self.dropped {
            dropped.inc_by(lost);
        }
    }

    fn len(&self) -> usize {
        self.state().entries.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Background for Queue {
    async fn tick(&self) -> Duration {
        self.work().await;
        Duration::ZERO
    }

    async fn finish(&self) {
        self.end();
        let begun = Instant::now();
        while self.len() > 0 && begun.elapsed() < LAST {
            self.work().await;
        }
    }
}

impl State {
    fn remove(&mut self, count: usize) {
        for _ in 0..count {
            let Some(entry) = self.entries.pop_front() else { return };
            self.bytes -= entry.len();
            self.first += 1;
        }
    }

    /// Removes those of lower numbers that are still there; how many they were.
    fn remove_until(&mut self, end: u64) -> u64 {
        let count = end.saturating_sub(self.first);
        self.remove(usize::try_from(count).unwrap_or(usize::MAX));
        count
    }
}
