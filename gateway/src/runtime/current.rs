//! The one swappable cell: which snapshot new requests pin.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Snapshot;

/// The configuration that new requests see. A request pins it once and never looks again.
#[derive(Debug)]
pub struct Current(ArcSwap<Snapshot>);

impl Current {
    /// Starts with `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// Lets new requests see `snapshot`. Gives the one before, which goes on for the requests that pinned it.
    pub fn publish(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.0.swap(Arc::new(snapshot))
    }

    /// The snapshot for a new request.
    pub fn pin(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}
