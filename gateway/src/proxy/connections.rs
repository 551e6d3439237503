//! Connections of clients, counted where they come in.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use pingora::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};

use crate::server::Leaving;

/// How many there are, and were.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    accepted: AtomicU64,
    closed: AtomicU64,
}

impl Connections {
    /// Since the process began.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Now.
    pub(crate) fn open(&self) -> u64 {
        // Read in this order, so that one that ends in between does not make it negative.
        let closed = self.closed.load(Relaxed);
        self.accepted().saturating_sub(closed)
    }
}

/// An application whose connections are counted, those that fail in a handshake, too.
#[derive(Debug)]
pub(crate) struct Counted<A> {
    app: Arc<A>,
    connections: Arc<Connections>,
    leaving: Arc<Leaving>,
}

impl<A> Counted<A> {
    /// Counts those of `app`.
    pub(crate) fn new(app: A, connections: &Arc<Connections>, leaving: Arc<Leaving>) -> Self {
        Self { app: Arc::new(app), connections: Arc::clone(connections), leaving }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Counted<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _open = Open::count(&self.connections);
        self.app.process_new(stream, shutdown).await
    }

    /// Pingora would close connections without a request when it stops accepting; here they are closed when it is time.
    async fn cleanup(&self) {
        self.leaving.idle_close().await;
        self.app.cleanup().await;
    }
}

/// A connection while it is open, however it ends.
struct Open<'c>(&'c Connections);

impl<'c> Open<'c> {
    fn count(connections: &'c Connections) -> Self {
        connections.accepted.fetch_add(1, Relaxed);
        Self(connections)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}
