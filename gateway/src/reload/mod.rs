//! What serves, and how it becomes something else: one load at a time, on a thread of its own, never half.

mod loader;
mod meters;
mod status;
mod watch;
mod work;

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
};

use crossbeam_channel::{Sender, bounded, unbounded};
use tokio::runtime::Handle;

use crate::{
    config::{Content, Text},
    report::say,
    runtime::{Counters, Current},
};

pub(crate) use self::{
    loader::{Loader, Parts, hosts},
    status::{Cause, LastLoad, Loads, Told},
};
use self::{
    meters::LoadMeters,
    work::{Order, Worker},
};

/// Loads the configuration of a process, as often as it is asked to, and publishes it.
pub(crate) struct Reloader {
    shared: Arc<Shared>,
    orders: Sender<Order>,
    /// The thread, until it is started.
    worker: Mutex<Option<Worker>>,
}

/// A configuration that somebody sent.
pub(crate) struct Posted {
    /// YAML or JSON.
    pub text: Content,
    /// Whether it is JSON.
    pub json: bool,
    /// Whether nothing is to be done when it is what serves.
    pub check_hash: bool,
}

/// A posted configuration that serves.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// False when it did so before and `check_hash` asked.
    pub changed: bool,
}

/// A posted configuration that does not.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It has mistakes.
    Wrong(Arc<LastLoad>),
    /// The process is about to end.
    Ending,
}

/// The text of what serves.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    /// The number of the configuration, from 1.
    pub generation: u64,
    /// What [`crate::config::parse`] reads.
    pub text: Text,
}

/// Why nothing can be served. What is wrong has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotLoaded;

/// What the thread writes and others read.
struct Shared {
    loader: Loader,
    current: Arc<Current>,
    counters: Arc<Counters>,
    meters: LoadMeters,
    board: Mutex<Board>,
    /// SIGHUP came and was not seen yet.
    hung_up: AtomicBool,
    keep_text: bool,
}

struct Board {
    loads: Loads,
    served: Option<Served>,
}

impl Reloader {
    /// Loads for the first time. Every mistake and every warning is told, line by line, on standard error. With `keep_text`
    /// the text of what serves can be asked for.
    ///
    /// # Errors
    /// When there are mistakes of which the settings do not say that they may be passed over.
    pub(crate) fn begin(loader: Loader, keep_text: bool) -> Result<Arc<Self>, NotLoaded> {
        let first = work::first(&loader).map_err(|load| {
            load.warnings.iter().chain(&load.mistakes).for_each(|told| say(&told.shown));
            if let Some(from) = &load.from {
                say(format_args!("signet: {from} cannot be served"));
            }
            NotLoaded
        })?;
        let work::First { snapshot, load, text, prints } = first;
        load.warnings.iter().chain(&load.mistakes).for_each(|told| say(&told.shown));
        let load = Arc::new(load);
        let loads = Loads { last: Arc::clone(&load), success: Arc::clone(&load) };
        let served = text.filter(|_| keep_text).map(|text| Served { generation: 1, text });
        let meters = LoadMeters::new(&loader.parts().meters);
        meters.loaded(&load);
        let shared = Arc::new(Shared {
            loader,
            current: Arc::new(Current::new(snapshot)),
            counters: Arc::new(Counters::begin()),
            meters,
            board: Mutex::new(Board { loads, served }),
            hung_up: AtomicBool::new(false),
            keep_text,
        });
        let (orders, taken) = unbounded();
        let worker = Worker::new(Arc::clone(&shared), taken, prints);
        Ok(Arc::new(Self { shared, orders, worker: Mutex::new(Some(worker)) }))
    }

    /// Begins to load what is asked for, and starts what the first configuration asked for on this runtime. Does nothing the
    /// second time.
    pub(crate) fn start(&self, runtime: &Handle) {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            if self.shared.loader.watches() {
                worker.watched().follow(self.orders.clone());
            }
            worker.start(runtime.clone());
        }
    }

    /// Loads the file again, some time soon, whether it has changed or not. What is asked for twice until then is done once.
    pub(crate) fn hang_up(&self) {
        if !self.shared.hung_up.swap(true, AcqRel) {
            // It is gone only when the process is about to end.
            let _ = self.orders.send(Order::HangUp);
        }
    }

    /// Loads a configuration that somebody sent, and waits until it serves or does not: not to be called on a thread that
    /// serves requests.
    ///
    /// # Errors
    /// When it has mistakes; what served goes on to do so.
    pub(crate) fn post(&self, posted: Posted) -> Result<Loaded, Refused> {
        let (answer, answered) = bounded(1);
        self.orders.send(Order::Post(posted, answer)).map_err(|_| Refused::Ending)?;
        answered.recv().unwrap_or(Err(Refused::Ending))
    }

    /// What became of the last load.
    pub(crate) fn status(&self) -> Loads {
        self.shared.board().loads.clone()
    }

    /// The text of what serves, if it is kept and there is one.
    pub(crate) fn served(&self) -> Option<Served> {
        self.shared.board().served.clone()
    }

    /// The cell that requests pin their configuration from.
    pub(crate) fn current(&self) -> &Arc<Current> {
        &self.shared.current
    }

    /// How often it was loaded.
    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    /// The declarative file.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.shared.loader.file()
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("file", &self.file()).finish_non_exhaustive()
    }
}
