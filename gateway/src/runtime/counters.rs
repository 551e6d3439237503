//! How often the configuration was loaded, and with what success.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::SystemTime,
};

/// Counted since the process began to serve; the first load counts.
#[derive(Debug)]
pub struct Counters {
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// Seconds since 1970.
    last_success: AtomicU64,
    last_succeeded: AtomicBool,
}

impl Counters {
    /// The first configuration was just loaded.
    pub fn begin() -> Self {
        let counters = Self {
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_success: AtomicU64::new(0),
            last_succeeded: AtomicBool::new(true),
        };
        counters.succeeded();
        counters
    }

    /// One more configuration serves.
    pub fn succeeded(&self) {
        self.succeeded.fetch_add(1, Relaxed);
        self.last_succeeded.store(true, Relaxed);
        // A clock before 1970 is wrong anyhow.
        self.last_success.store(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs()), Relaxed);
    }

    /// One was refused, and the one before goes on to serve.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
        self.last_succeeded.store(false, Relaxed);
    }

    /// Configurations that served: the number of the current one.
    pub fn generation(&self) -> u64 {
        self.succeeded.load(Relaxed)
    }

    /// Configurations that were refused.
    pub fn failures(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Whether the last one that was loaded serves.
    pub fn last_succeeded(&self) -> bool {
        self.last_succeeded.load(Relaxed)
    }

    /// When the current one was loaded, in seconds since 1970.
    pub fn last_success(&self) -> u64 {
        self.last_success.load(Relaxed)
    }
}
