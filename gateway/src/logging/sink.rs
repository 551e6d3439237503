//! A log that nobody waits for: lines are collected in memory, and a thread writes many at once.

use std::{
    fmt,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;
use signet_plugin_api::{CounterMeter, LogFile, Meters};
use tracing::error;

use super::output::{Output, Unwritten};

/// As much as may wait to be written, in bytes: some 10,000 lines.
const ROOM: usize = 4 * 1024 * 1024;
/// What is kept of a buffer that a burst made large.
const KEPT: usize = 256 * 1024;
/// How long lines are collected. A thread that is woken for each of them costs more than the lines.
const PAUSE: Duration = Duration::from_millis(5);
/// How often lost lines are told.
const TOLD: Duration = Duration::from_secs(10);

/// One log. Its thread ends with the last who writes to it, when everything is written.
pub(crate) struct Sink(Arc<Shared>);

struct Shared {
    name: &'static str,
    target: String,
    reopens: bool,
    state: Mutex<State>,
    /// There is something to do for the thread.
    filled: Condvar,
    /// It has done all.
    idle: Condvar,
    dropped: Option<CounterMeter>,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    lost: Lost,
    is_writing: bool,
    reopen: bool,
    ends: bool,
    started: bool,
    output: Option<Output>,
}

/// Lines that were dropped since that was told.
#[derive(Default)]
struct Lost {
    lines: u64,
    told: Option<Instant>,
}

/// The counter of what a log loses. A name is always one.
pub(super) fn dropped(meters: &Meters, log: &str) -> Option<CounterMeter> {
    meters
        .counter("log_dropped_total", "Lines that could not be written, or found no room to wait.", &[("log", log)])
        .ok()
}

impl Sink {
    /// A log whose thread starts with its first line. With `reopens` the file is opened again before each write.
    pub(super) fn start(name: &'static str, output: Output, reopens: bool, dropped: Option<CounterMeter>) -> Arc<Self> {
        let target = output.target().to_string();
        let state = Mutex::new(State { output: Some(output), ..State::default() });
        let (filled, idle) = (Condvar::new(), Condvar::new());
        Arc::new(Self(Arc::new(Shared { name, target, reopens, state, filled, idle, dropped })))
    }

    /// Opens the file again before anything more is written.
    pub(super) fn reopen(&self) {
        self.0.state.lock().reopen = true;
        self.0.filled.notify_one();
    }

    /// Waits until everything is written.
    pub(super) fn flush(&self, end: Instant) {
        let mut state = self.0.state.lock();
        while state.started && (state.is_writing || !state.lines.is_empty()) {
            if self.0.idle.wait_until(&mut state, end).timed_out() {
                return;
            }
        }
    }
}

impl LogFile for Sink {
    fn append(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.lines.len() + line.len() > ROOM {
            self.0.lose(&mut state.lost, 1);
            let told = state.lost.tell();
            drop(state);
            self.0.tell(told, &"nobody takes the lines as fast as they come");
            return;
        }
        let is_first = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        if !state.started {
            self.0.spawn(&mut state);
        }
        drop(state);
        if is_first {
            self.0.filled.notify_one();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.state.lock().ends = true;
        self.0.filled.notify_one();
    }
}

impl Shared {
    fn spawn(self: &Arc<Self>, state: &mut State) {
        let Some(output) = state.output.take() else { return };
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name(format!("log {}", self.name)).stack_size(256 * 1024);
        // Without a thread now, the next line tries again: what is in its way is usually a limit that passes.
        let output = Mutex::new(Some(output));
        let output = Arc::new(output);
        let taken = Arc::clone(&output);
        let spawned = thread.spawn(move || {
            if let Some(output) = taken.lock().take() {
                shared.write(output);
            }
        });
        state.started = spawned.is_ok();
        if !state.started {
            state.output = output.lock().take();
        }
    }

    /// The thread.
    fn write(&self, mut output: Output) {
        let mut batch = Vec::new();
        loop {
            let (reopen, ends) = self.next(&mut batch);
            if (reopen || self.reopens && !batch.is_empty())
                && let Err(error) = output.reopen()
            {
                error!(log = self.name, target = self.target, %error, "the log cannot be opened again");
            }
            if let Err(Unwritten { lines, error }) = output.write(&batch) {
                let mut state = self.state.lock();
                self.lose(&mut state.lost, lines);
                let told = state.lost.tell();
                drop(state);
                self.tell(told, &error);
            }
            batch.clear();
            batch.shrink_to(KEPT);
            let mut state = self.state.lock();
            state.is_writing = false;
            let is_idle = state.lines.is_empty();
            drop(state);
            if is_idle {
                self.idle.notify_all();
            }
            if ends && is_idle {
                return;
            }
            thread::sleep(if ends { Duration::ZERO } else { PAUSE });
        }
    }

    /// Waits for lines and takes them; whether to open the file again, and whether nobody is left who could write more.
    fn next(&self, batch: &mut Vec<u8>) -> (bool, bool) {
        let mut state = self.state.lock();
        while state.lines.is_empty() && !state.reopen && !state.ends {
            self.filled.wait(&mut state);
        }
        std::mem::swap(&mut state.lines, batch);
        state.is_writing = true;
        (std::mem::take(&mut state.reopen), state.ends)
    }

    fn lose(&self, lost: &mut Lost, lines: u64) {
        lost.lines += lines;
        if let Some(dropped) = self.dropped.as_deref() {
            IntCounter::inc_by(dropped, lines);
        }
    }

    fn tell(&self, lost: Option<u64>, reason: &dyn fmt::Display) {
        if let Some(lines) = lost {
            error!(log = self.name, target = self.target, lines, %reason, "lines of the log are lost");
        }
    }
}

impl Lost {
    /// What is to be told now.
    fn tell(&mut self) -> Option<u64> {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= TOLD);
        is_due.then(|| {
            self.told = Some(Instant::now());
            std::mem::take(&mut self.lines)
        })
    }
}
