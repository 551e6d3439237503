//! What operators see of this process, and may change in it.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::SystemTime,
};

use crate::{logging::Level, metrics::Metrics, reload::Reloader, runtime::Current, server::Leaving};

/// One for all listeners of operators.
#[derive(Debug)]
pub(crate) struct Node {
    /// What is served.
    pub current: Arc<Current>,
    /// What loads it.
    pub reloader: Arc<Reloader>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Requests that are being served.
    pub in_flight: Arc<AtomicUsize>,
    /// When the process began to serve.
    pub since: SystemTime,
    /// Whether the process is about to end.
    pub leaving: Arc<Leaving>,
    /// How much the error log says.
    pub log_level: Arc<Level>,
}
