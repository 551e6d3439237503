//! The thread that loads, and ends what has served.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::AcqRel},
    thread,
    time::{Duration, Instant, SystemTime},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::{
    Cause, LastLoad, Loaded, Loader, Posted, Refused, Served, Shared,
    loader::{Outcome, Wrong, tell_quarantined},
    posted_source,
};
use crate::{
    config::{Mistake, Text},
    prepare::Prepared,
    runtime::{Snapshot, background},
};

/// How often it is looked for the last request of a configuration that has served.
const RETIRING: Duration = Duration::from_millis(100);

/// What the thread is asked to do.
pub(super) enum Order {
    /// SIGHUP.
    HangUp,
    /// `POST /config`.
    Post(Posted, Sender<Result<Loaded, Refused>>),
}

/// The first configuration.
pub(super) struct First {
    pub(super) snapshot: Snapshot,
    pub(super) load: LastLoad,
    pub(super) text: Option<Text>,
    pub(super) files: BTreeSet<PathBuf>,
}

/// The thread, and what it alone knows.
pub(super) struct Worker {
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    /// Those that have served, as long as requests have them: to end one takes time that no request should wait for.
    retired: Vec<Arc<Snapshot>>,
    files: BTreeSet<PathBuf>,
}

/// A load, whatever came of it.
struct Attempt {
    load: LastLoad,
    prepared: Option<Prepared>,
    text: Option<Text>,
    files: BTreeSet<PathBuf>,
}

/// Loads the file of a process, if there is one, for the first time.
///
/// # Errors
/// What is wrong with it.
pub(super) fn first(loader: &Loader) -> Result<First, Box<LastLoad>> {
    let text = loader.file().map(Text::read).transpose();
    let Attempt { mut load, prepared, text, files } = attempt(loader, Cause::Start, loader.file(), text);
    let Some(prepared) = prepared else { return Err(Box::new(load)) };
    load.generation = 1;
    tell_quarantined(&prepared);
    Ok(First { snapshot: prepared.snapshot, load, text, files })
}

/// Makes a configuration of a text that could be read or not; of none, the empty one.
fn attempt(loader: &Loader, cause: Cause, source: Option<&Path>, text: Result<Option<Text>, Mistake>) -> Attempt {
    let (at, began) = (SystemTime::now(), Instant::now());
    let (outcome, text) = match text {
        Ok(None) => (loader.empty(), None),
        Ok(Some(text)) => (guarded(loader, &text), Some(text)),
        Err(mistake) => (Outcome { prepared: Err(Wrong::Text(mistake.into())), files: loader.files() }, None),
    };
    let Outcome { prepared, files } = outcome;
    let hash = text.as_ref().map(|text| text.content.hash());
    let load = LastLoad::of(cause, at, began.elapsed(), (source, hash), &prepared);
    Attempt { load, prepared: prepared.ok(), text, files }
}

/// A plugin that panics must not take along what loads: nothing could be mended any more.
fn guarded(loader: &Loader, text: &Text) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| loader.load(text))).unwrap_or_else(|_| {
        let reason = "something panicked while it was compiled; the log says where";
        Outcome { prepared: Err(Wrong::Text(Mistake::of_file(None, reason).into())), files: loader.files() }
    })
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, orders: Receiver<Order>, files: BTreeSet<PathBuf>) -> Self {
        Self { shared, orders, retired: Vec::new(), files }
    }

    /// Starts the thread. It ends with the last who could ask it for something.
    pub(super) fn start(self, runtime: Handle) {
        {
            let _entered = runtime.enter();
            background::start(&self.shared.loader.parts().backgrounds);
        }
        let started = thread::Builder::new().name("reload".into()).spawn(move || {
            let _entered = runtime.enter();
            step_back();
            self.run();
        });
        if let Err(error) = started {
            error!(%error, "no thread to load configurations: what serves cannot be changed");
        }
    }

    fn run(mut self) {
        loop {
            let order = match self.retired.is_empty() {
                true => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => self.orders.recv_timeout(RETIRING),
            };
            match order {
                Ok(Order::HangUp) => self.hung_up(),
                Ok(Order::Post(posted, answer)) => {
                    // Whoever posted may have gone away.
                    let _ = answer.send(self.post(posted));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.retire();
        }
    }

    fn hung_up(&mut self) {
        // From now on another one counts again: what changes while this one is loaded is loaded.
        self.shared.hung_up.swap(false, AcqRel);
        self.load_file(Cause::Hangup);
    }

    fn load_file(&mut self, cause: Cause) {
        let shared = Arc::clone(&self.shared);
        let Some(file) = shared.loader.file() else {
            warn!("there is nothing to load again: neither -c nor the setting declarative_config names a file");
            return;
        };
        self.load(cause, file, Text::read(file));
    }

    fn post(&mut self, posted: Posted) -> Result<Loaded, Refused> {
        let Posted { text: content, json, check_hash } = posted;
        if check_hash && content.hash() == self.shared.current.pin().hash {
            let load = Arc::clone(&self.shared.board().loads.success);
            return Ok(Loaded { load, changed: false });
        }
        let (source, base) = (posted_source(), self.shared.loader.base());
        let load = self.load(Cause::Posted, &source, Ok(Text { content, source: source.clone(), base, json }));
        if load.success { Ok(Loaded { load, changed: true }) } else { Err(Refused::Wrong(load)) }
    }

    /// Loads and publishes what came of it. With mistakes, the configuration before goes on to serve.
    fn load(&mut self, cause: Cause, source: &Path, text: Result<Text, Mistake>) -> Arc<LastLoad> {
        let Attempt { mut load, prepared, text, files } =
            attempt(&self.shared.loader, cause, Some(source), text.map(Some));
        self.files = files;
        load.warnings.iter().for_each(|told| warn!("{}", told.shown));
        load.mistakes.iter().for_each(|told| error!("{}", told.shown));
        let text = match prepared {
            Some(prepared) => {
                tell_quarantined(&prepared);
                self.publish(prepared.snapshot);
                text
            }
            None => {
                self.shared.counters.failed();
                error!(from = %source.display(), %cause, "the configuration is not changed: it has mistakes");
                None
            }
        };
        load.generation = self.shared.counters.generation();
        self.board(load, text)
    }

    fn publish(&mut self, mut snapshot: Snapshot) {
        let shared = &*self.shared;
        snapshot.inherit(&shared.current.pin());
        let (counts, quarantined) = (snapshot.counts, snapshot.quarantined());
        self.retired.push(shared.current.publish(snapshot));
        background::start(&shared.loader.parts().backgrounds);
        shared.counters.succeeded();
        info!(serving = %counts, quarantined, "the configuration was loaded again");
    }

    fn board(&self, load: LastLoad, text: Option<Text>) -> Arc<LastLoad> {
        self.shared.meters.loaded(&load);
        let load = Arc::new(load);
        let mut board = self.shared.board();
        board.loads.last = Arc::clone(&load);
        if load.success {
            board.loads.success = Arc::clone(&load);
            let generation = load.generation;
            board.served = text.filter(|_| self.shared.keep_text).map(|text| Served { generation, text });
        }
        load
    }

    /// Ends those that no request has any more.
    fn retire(&mut self) {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}

/// Requests go first. On Linux a priority is a thread's own.
fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        warn!(%error, "configurations are loaded at the priority of requests");
    }
}
