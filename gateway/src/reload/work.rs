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
    loader::{Outcome, tell_quarantined},
    status::POSTED,
    watch::{Print, Prints, Watched},
};
use crate::{
    config::{Mistake, Text},
    prepare::Prepared,
    runtime::{Snapshot, background, resolver::HostsFile},
};

/// How often it is looked for the last request of a configuration that has served.
const RETIRING: Duration = Duration::from_millis(100);

/// What the thread is asked to do.
pub(super) enum Order {
    /// SIGHUP.
    HangUp,
    /// These are not what was loaded.
    Changed(BTreeSet<PathBuf>),
    /// `POST /config`.
    Post(Posted, Sender<Result<Loaded, Refused>>),
}

/// The first configuration.
pub(super) struct First {
    pub(super) snapshot: Snapshot,
    pub(super) load: LastLoad,
    pub(super) text: Option<Text>,
    pub(super) prints: (Option<(PathBuf, Print)>, Prints),
}

/// The thread, and what it alone knows.
pub(super) struct Worker {
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    /// Those that have served, as long as requests have them: to end one takes time that no request should wait for.
    retired: Vec<Arc<Snapshot>>,
    watched: Arc<Watched>,
    /// What the file said when it was loaded, also when something else serves.
    file: Option<(PathBuf, Print)>,
    /// What was posted, while it serves.
    posted: Option<Text>,
}

/// A load, whatever came of it.
struct Attempt {
    load: LastLoad,
    prepared: Option<Prepared>,
    text: Option<Text>,
    files: Prints,
    hosts: Option<HostsFile>,
}

/// Loads the file of a process, if there is one, for the first time.
///
/// # Errors
/// What is wrong with it.
pub(super) fn first(loader: &Loader) -> Result<First, Box<LastLoad>> {
    let text = loader.file().map(Text::read).transpose();
    let file =
        loader.file().zip(text.as_ref().ok()).and_then(|(file, text)| Some((file.to_owned(), said(text.as_ref()?))));
    let Attempt { mut load, prepared, text, files, .. } = attempt(loader, Cause::Start, loader.file(), text);
    let Some(prepared) = prepared else { return Err(Box::new(load)) };
    load.generation = 1;
    tell_quarantined(&prepared);
    Ok(First { snapshot: prepared.snapshot, load, text, prints: (file, files) })
}

/// Makes a configuration of a text that could be read or not; of none, the empty one.
fn attempt(loader: &Loader, cause: Cause, source: Option<&Path>, text: Result<Option<Text>, Mistake>) -> Attempt {
    let (at, began) = (SystemTime::now(), Instant::now());
    let (outcome, text) = match text {
        Ok(None) => (loader.empty(), None),
        Ok(Some(text)) => (guarded(loader, &text), Some(text)),
        Err(mistake) => (loader.unread(mistake), None),
    };
    let Outcome { prepared, files, hosts } = outcome;
    let hash = text.as_ref().map(|text| text.content.hash());
    let load = LastLoad::of(cause, at, began.elapsed(), (source, hash), &prepared);
    Attempt { load, prepared: prepared.ok(), text, files, hosts }
}

/// A plugin that panics must not take along what loads: nothing could be mended any more.
fn guarded(loader: &Loader, text: &Text) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| loader.load(text))).unwrap_or_else(|_| {
        let reason = "something panicked while it was compiled; the log says where";
        loader.unread(Mistake::of_file(None, reason))
    })
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        orders: Receiver<Order>,
        (file, files): (Option<(PathBuf, Print)>, Prints),
    ) -> Self {
        let worker = Self { shared, orders, retired: Vec::new(), watched: Arc::default(), file, posted: None };
        worker.watch(files);
        worker
    }

    /// The files that it loads.
    pub(super) fn watched(&self) -> &Arc<Watched> {
        &self.watched
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
                Ok(Order::Changed(files)) => self.changed(&files),
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
        let text = Text::read(file);
        let print = text.as_ref().map_or_else(|mistake| Err(mistake.to_string()), said);
        self.file = Some((file.to_owned(), print));
        let (load, files) = self.load(cause, file, text);
        if load.success {
            self.posted = None;
        }
        // Also with mistakes: what is mended may be another file.
        self.watch(files);
    }

    fn changed(&mut self, files: &BTreeSet<PathBuf>) {
        let file = self.shared.loader.file().is_some_and(|file| files.contains(file));
        match self.posted.clone().filter(|_| !file) {
            // What serves names a file that is another one now.
            Some(text) => {
                let (_, files) = self.load(Cause::Changed, Path::new(POSTED), Ok(text));
                self.watch(files);
            }
            None => self.load_file(Cause::Changed),
        }
    }

    fn post(&mut self, posted: Posted) -> Result<Loaded, Refused> {
        let Posted { text: content, json, check_hash } = posted;
        if check_hash && content.hash() == self.shared.current.pin().hash {
            return Ok(Loaded { changed: false });
        }
        let (source, base) = (PathBuf::from(POSTED), self.shared.loader.base());
        let text = Text { content, source: source.clone(), base, json };
        let (load, files) = self.load(Cause::Posted, &source, Ok(text.clone()));
        if !load.success {
            return Err(Refused::Wrong(load));
        }
        self.posted = Some(text);
        self.watch(files);
        Ok(Loaded { changed: true })
    }

    /// Looks at these from now on, and at the file.
    fn watch(&self, mut files: Prints) {
        files.extend(self.file.clone());
        self.watched.replace(files);
    }

    /// Loads and publishes what came of it. With mistakes, the configuration before goes on to serve.
    fn load(&mut self, cause: Cause, source: &Path, text: Result<Text, Mistake>) -> (Arc<LastLoad>, Prints) {
        let Attempt { mut load, prepared, text, files, hosts } =
            attempt(&self.shared.loader, cause, Some(source), text.map(Some));
        load.warnings.iter().for_each(|told| warn!("{}", told.shown));
        load.mistakes.iter().for_each(|told| error!("{}", told.shown));
        match prepared {
            Some(prepared) => {
                if let Some(hosts) = hosts {
                    self.shared.loader.parts().resolver.set_hosts(hosts);
                }
                tell_quarantined(&prepared);
                self.publish(prepared.snapshot);
            }
            None => error!(from = %source.display(), %cause, "the configuration is not changed: it has mistakes"),
        }
        load.generation = self.shared.counters.generation() + u64::from(load.success);
        let load = self.board(load, text);
        // Last: who sees it counted finds everything else.
        if load.success {
            self.shared.counters.succeeded();
        } else {
            self.shared.counters.failed();
        }
        (load, files)
    }

    fn publish(&mut self, mut snapshot: Snapshot) {
        let shared = &*self.shared;
        snapshot.inherit(&shared.current.pin());
        let (counts, quarantined) = (snapshot.counts, snapshot.quarantined());
        self.retired.push(shared.current.publish(snapshot));
        background::start(&shared.loader.parts().backgrounds);
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
        if self.retired.is_empty() {
            return;
        }
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.shared.loader.parts().resolver.forget_unused();
    }
}

fn said(text: &Text) -> Print {
    Ok(text.content.hash())
}

/// Requests go first. On Linux a priority is a thread's own.
fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        warn!(%error, "configurations are loaded at the priority of requests");
    }
}
