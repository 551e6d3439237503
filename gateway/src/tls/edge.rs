//! TLS listeners: from the first byte of a connection to the application that speaks HTTP on it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use openssl::ssl::SslAcceptor;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    protocols::{
        ALPN, Stream,
        http::{ServerSession, v2::server::H2Options},
        l4::stream::Stream as Socket,
        tls::server::handshake_with_callback,
    },
    server::ShutdownWatch,
};
use tokio::time::timeout;
use tracing::debug;

use super::{OwnHandshakes, handshakes::Facts};
use crate::runtime::Current;

/// How long a handshake may take where the settings bound nothing.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// The type of a TLS record that opens a connection (RFC 8446, 5.1); the highest bit marks a hello of SSL 2.
const HANDSHAKE_RECORD: u8 = 0x16;
const SSL2: u8 = 0x80;

/// How long a connection of HTTP/2 is kept without a request (nginx: `keepalive_timeout`).
pub(crate) const HTTP2_IDLE: Duration = Duration::from_secs(75);

/// Where handshakes are prepared.
pub(crate) enum Acceptors {
    /// By the configuration of the moment.
    Current(Arc<Current>),
    /// By the settings, once.
    Own(Arc<OwnHandshakes>),
}

impl Acceptors {
    fn of(&self, http2: bool) -> Option<SslAcceptor> {
        match self {
            Self::Current(current) => Some(current.pin().handshakes.as_ref()?.acceptor(http2)),
            Self::Own(handshakes) => Some(handshakes.acceptor(http2)),
        }
    }
}

/// Shakes hands, and passes the connection on.
pub(crate) struct TlsEdge<A> {
    /// Whose certificates count.
    pub acceptors: Acceptors,
    /// Whether the listener speaks HTTP/2.
    pub http2: bool,
    /// How long a client may take for its handshake.
    pub limit: Option<Duration>,
    /// How long a connection of HTTP/2 may be without a request.
    pub idle: Duration,
    /// Speaks HTTP over TLS.
    pub app: Arc<A>,
    /// Refuses clients that speak plain HTTP here.
    pub plain: Arc<A>,
}

impl<A> fmt::Debug for TlsEdge<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsEdge").field("http2", &self.http2).finish_non_exhaustive()
    }
}

/// What a client turned out to speak.
enum Opened {
    Tls(Stream),
    Plain(Stream),
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for TlsEdge<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let opened = timeout(self.limit.unwrap_or(HANDSHAKE), self.open(stream)).await;
        match opened {
            Ok(Some(Opened::Tls(stream))) if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) => {
                self.http2(stream, shutdown).await
            }
            Ok(Some(Opened::Tls(stream))) => self.app.process_new(stream, shutdown).await,
            Ok(Some(Opened::Plain(stream))) => self.plain.process_new(stream, shutdown).await,
            Ok(None) => None,
            Err(_) => {
                debug!("a client took too long for its handshake");
                None
            }
        }
    }

    async fn cleanup(&self) {
        self.app.http_cleanup().await;
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> TlsEdge<A> {
    async fn open(&self, mut stream: Stream) -> Option<Opened> {
        let mut first = [0];
        // A client that leaves at once is none of our business.
        if !stream.try_peek(&mut first).await.ok()? || !(first[0] == HANDSHAKE_RECORD || first[0] & SSL2 != 0) {
            return Some(Opened::Plain(stream));
        }
        let socket = stream.into_any().downcast::<Socket>().ok()?;
        let acceptor = self.acceptors.of(self.http2)?;
        match handshake_with_callback(&acceptor, *socket, &Facts).await {
            Ok(stream) => Some(Opened::Tls(Box::new(stream))),
            Err(error) => {
                // Anybody can cause it, as often as they like.
                debug!(%error, "a handshake failed");
                None
            }
        }
    }

    /// Pingora ends a connection that has become idle, but waits for ever for its beginning.
    async fn http2(&self, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let watched = Arc::new(Watched { app: Arc::clone(&self.app), begun: AtomicBool::new(false) });
        let mut connection = watched.process_new(stream, shutdown);
        match timeout(self.idle, &mut connection).await {
            Ok(end) => end,
            Err(_) if watched.begun.load(Relaxed) => connection.await,
            Err(_) => None,
        }
    }
}

/// The application on one connection, with whether a request has come.
struct Watched<A> {
    app: Arc<A>,
    begun: AtomicBool,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Watched<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.begun.store(true, Relaxed);
        self.app.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.app.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.app.server_options()
    }
}
