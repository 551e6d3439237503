//! The time that a client has for the head of a request: Pingora bounds the pauses within it only, not the whole.

use std::{
    any::Any,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream},
    protocols::http::{ServerSession, v2::server::H2Options},
    server::ShutdownWatch,
};
use tokio::time::{Sleep, sleep};

/// Travels with a connection to the request that it turns out to carry.
#[derive(Default)]
struct Passenger {
    head_is_here: Arc<AtomicBool>,
    plain_on_tls: bool,
}

/// Tells a connection that its request is complete; `passenger` is what came with it. The answer: whether the client speaks
/// plain HTTP to a port for TLS.
pub(crate) fn head_is_here(passenger: &(dyn Any + Send + Sync)) -> bool {
    passenger.downcast_ref().is_some_and(|passenger: &Passenger| {
        passenger.head_is_here.store(true, Relaxed);
        passenger.plain_on_tls
    })
}

/// An application whose clients are cut off when a head takes too long.
#[derive(Debug)]
pub(crate) struct Deadline<A> {
    app: Arc<A>,
    limit: Option<Duration>,
    plain_on_tls: bool,
}

impl<A> Deadline<A> {
    /// Gives each head `limit` from its first bytes on; without one, for ever.
    pub(crate) fn new(app: Arc<A>, limit: Option<Duration>) -> Self {
        Self { app, limit, plain_on_tls: false }
    }

    /// The same for clients that speak plain HTTP to a port for TLS.
    pub(crate) fn plain_on_tls(app: Arc<A>, limit: Option<Duration>) -> Self {
        Self { app, limit, plain_on_tls: true }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Deadline<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.as_http1().is_none() {
            // A request of HTTP/2 comes when its head is complete, and takes no passengers.
            return self.app.process_new_http(session, shutdown).await;
        }
        let passenger = Passenger { plain_on_tls: self.plain_on_tls, ..Passenger::default() };
        let head = Arc::clone(&passenger.head_is_here);
        session.set_connection_user_context(Some(Box::new(passenger)));
        let connection = self.app.process_new_http(session, shutdown);
        let Some(limit) = self.limit else { return connection.await };
        Bounded { connection, head, limit, state: State::Silent }.await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.app.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.app.server_options()
    }

    async fn http_cleanup(&self) {
        self.app.http_cleanup().await;
    }
}

/// A connection up to the end of its next request.
struct Bounded<F> {
    connection: F,
    head: Arc<AtomicBool>,
    limit: Duration,
    state: State,
}

/// Most heads come in one piece: for them no timer is ever set.
enum State {
    /// Nothing has come yet; how long that may last is Pingora's to say.
    Silent,
    /// The connection was woken once, so its first bytes may be there.
    Waiting,
    /// They were not enough.
    Begun(Pin<Box<Sleep>>),
    /// The head is complete.
    Served,
}

impl<F: Future<Output = Option<ReusedHttpStream>> + Unpin> Future for Bounded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if matches!(this.state, State::Served) {
            return Pin::new(&mut this.connection).poll(cx);
        }
        let polled = Pin::new(&mut this.connection).poll(cx);
        if polled.is_ready() || this.head.load(Relaxed) {
            this.state = State::Served;
            return polled;
        }
        match &mut this.state {
            State::Silent => this.state = State::Waiting,
            State::Waiting => this.state = State::Begun(Box::pin(sleep(this.limit))),
            State::Begun(_) | State::Served => {}
        }
        match &mut this.state {
            // Dropping the connection closes it.
            State::Begun(timer) => timer.as_mut().poll(cx).map(|()| None),
            _ => Poll::Pending,
        }
    }
}
