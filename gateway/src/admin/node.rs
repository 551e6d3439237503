//! What operators see of this process, and may change in it.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::SystemTime,
};

use crate::{metrics::Metrics, runtime::Current};

/// One for all listeners of operators.
#[derive(Debug)]
pub(crate) struct Node {
    /// What is served.
    pub current: Arc<Current>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Requests that are being served.
    pub in_flight: Arc<AtomicUsize>,
    /// When the process began to serve.
    pub since: SystemTime,
    /// Whether a configuration is served at all: without one the process is not ready.
    pub configured: bool,
}
