//! The end of a process: who is to know of it, and when connections without a request are closed.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use tokio::sync::watch;

/// Whether the process is about to end.
#[derive(Debug)]
pub(crate) struct Leaving {
    begun: AtomicBool,
    /// Whether connections without a request are closed.
    idle: watch::Sender<bool>,
}

impl Default for Leaving {
    fn default() -> Self {
        Self { begun: AtomicBool::new(false), idle: watch::Sender::new(false) }
    }
}

impl Leaving {
    /// Whether it is about to end: it is not ready, and the answers of HTTP/1.1 are the last on their connections.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Acquire)
    }

    pub(super) fn begin(&self) {
        self.begun.store(true, Release);
    }

    /// Closes connections without a request.
    pub(super) fn close_idle(&self) {
        self.idle.send_replace(true);
    }

    /// Waits until they are to be closed.
    pub(crate) async fn idle_close(&self) {
        // The sender is this one: it cannot be gone.
        let _ = self.idle.subscribe().wait_for(|close| *close).await;
    }
}
