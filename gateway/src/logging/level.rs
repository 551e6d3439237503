//! How much the error log says, which may change while the program runs.

use std::fmt;

use parking_lot::Mutex;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::settings::LogLevel;

/// The level at work.
pub(crate) struct Level {
    state: Mutex<State>,
    filter: reload::Handle<EnvFilter, Registry>,
}

struct State {
    /// What the settings say.
    usual: LogLevel,
    now: LogLevel,
    /// How often it was changed: an earlier change does not end a later one.
    changes: u64,
}

/// A change that may be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change(u64);

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Level").field(&self.get()).finish()
    }
}

impl Level {
    /// This one, with the filter that follows it.
    pub(super) fn new(level: LogLevel) -> (Self, reload::Layer<EnvFilter, Registry>) {
        let (layer, filter) = reload::Layer::new(filter(level));
        (Self { state: Mutex::new(State { usual: level, now: level, changes: 0 }), filter }, layer)
    }

    /// The level now.
    pub(crate) fn get(&self) -> LogLevel {
        self.state.lock().now
    }

    /// Changes it; for [`Self::take_back`].
    pub(crate) fn set(&self, level: LogLevel) -> Change {
        let mut state = self.state.lock();
        state.changes += 1;
        self.apply(&mut state, level);
        Change(state.changes)
    }

    /// What the settings say counts again, unless it was changed once more. Whether it does.
    pub(crate) fn take_back(&self, change: Change) -> bool {
        let mut state = self.state.lock();
        let counts = state.changes == change.0;
        if counts {
            let usual = state.usual;
            self.apply(&mut state, usual);
        }
        counts
    }

    fn apply(&self, state: &mut State, level: LogLevel) {
        state.now = level;
        // It fails when there is no log.
        drop(self.filter.reload(filter(level)));
    }
}

/// Below warnings, Pingora's lines show raw requests, and with them credentials; h2 has one for each frame, hyper for each
/// header.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!(
        "{},pingora_core=warn,pingora_proxy=warn,pingora_http=warn,h2=warn,hyper=warn,hyper_util=warn",
        level.as_tracing()
    ))
}
