//! The process: listeners bound before anything starts, services on one runtime, and a stop that waits for requests.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::IntoRawFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use pingora::{
    apps::ServerApp,
    listeners::{L4BufferSettings, ListenerConfig},
    server::{Fds, ListenFds, configuration::ServerConf},
    services::listening::Service,
};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{Instant, interval, timeout_at},
};
use tracing::{info, warn};

use crate::settings::Listener;

/// Connections that wait to be accepted, if the listener does not say.
const BACKLOG: i32 = 16_384;
/// How often the end of the last request is looked for while the process drains.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// A listener that has its port but does not accept yet.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The address with the real port.
    pub address: SocketAddr,
    /// Whether it is for TLS.
    pub ssl: bool,
    /// Whether it is for HTTP/2, too.
    pub http2: bool,
    listener: TcpListener,
}

impl Bound {
    /// Takes the address; port 0 becomes a free one.
    ///
    /// # Errors
    /// When the port is in use or may not be taken.
    pub(crate) fn take(listener: &Listener) -> io::Result<Self> {
        let Listener { address, ssl, http2, reuseport, backlog } = *listener;
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(reuseport)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(backlog.and_then(|backlog| backlog.try_into().ok()).unwrap_or(BACKLOG))?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        Ok(Self { address: listener.local_addr()?, ssl, http2, listener })
    }
}

/// What happens between the first request and the last.
pub(crate) struct Life<'a> {
    /// How long the last requests may take after a stop.
    pub drain: Duration,
    /// Requests that are being served.
    pub in_flight: &'a AtomicUsize,
    /// Called once, when everything accepts.
    pub ready: &'a dyn Fn(),
    /// Called on SIGHUP.
    pub reload: &'a dyn Fn(),
}

/// The services of a process, with their listeners.
#[derive(Default)]
pub(crate) struct Server {
    services: Vec<Box<dyn pingora::services::Service>>,
    listeners: Vec<(String, i32)>,
}

impl Server {
    /// Adds a service on listeners that are bound already. One without any would end at once, and tell the application
    /// that it may share with another to end, too.
    pub(crate) fn add<A: ServerApp + Send + Sync + 'static>(&mut self, mut service: Service<A>, bound: Vec<Bound>) {
        if bound.is_empty() {
            return;
        }
        for Bound { address, listener, .. } in bound {
            let name = address.to_string();
            // Pingora's own read buffer would hold 64 KiB for each idle connection.
            let config = ListenerConfig::tcp(&name).l4_buffer(L4BufferSettings::default().read(0));
            service.add_listener(config);
            self.listeners.push((name, listener.into_raw_fd()));
        }
        self.services.push(Box::new(service));
    }

    /// Serves until a signal, then drains.
    ///
    /// # Errors
    /// When the runtime or the signal handlers cannot be set up.
    pub(crate) fn run(self, threads: usize, life: Life<'_>) -> io::Result<()> {
        let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().thread_name("signet").build()?;
        let result = runtime.block_on(self.serve(life));
        runtime.shutdown_background();
        result
    }

    async fn serve(self, life: Life<'_>) -> io::Result<()> {
        let Life { drain, in_flight, ready, reload } = life;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (stop, stopping) = watch::channel(false);
        let fds = inherited(self.listeners);
        for mut service in self.services {
            let (fds, stopping) = (fds.clone(), stopping.clone());
            tokio::spawn(async move { service.start_service(Some(fds), stopping, 1).await });
        }
        ready();
        loop {
            tokio::select! {
                _ = hangup.recv() => reload(),
                _ = terminate.recv() => break,
                _ = quit.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        info!(seconds = drain.as_secs(), "stopping: no new connections, waiting for the last request");
        // The receivers live as long as the services do.
        let _ = stop.send(true);
        tokio::select! {
            () = drained(drain, in_flight) => (),
            _ = interrupt.recv() => warn!("stopped at once by a second signal"),
        }
        Ok(())
    }
}

fn inherited(listeners: Vec<(String, i32)>) -> ListenFds {
    let mut fds = Fds::new();
    for (name, fd) in listeners {
        fds.add(name, fd);
    }
    Arc::new(parking_lot::Mutex::new(fds))
}

async fn drained(limit: Duration, in_flight: &AtomicUsize) {
    let mut tick = interval(DRAIN_POLL);
    let last_request = async {
        loop {
            // The first tick comes at once; the second leaves time to requests whose head is on its way.
            tick.tick().await;
            tick.tick().await;
            if in_flight.load(Relaxed) == 0 {
                return;
            }
        }
    };
    if timeout_at(Instant::now() + limit, last_request).await.is_err() {
        warn!(requests = in_flight.load(Relaxed), "the time to drain is over; requests are cut off");
    }
}

/// Pingora's view of the process.
pub(crate) fn pingora_conf(threads: usize, keepalive_pool_size: usize) -> Arc<ServerConf> {
    Arc::new(ServerConf {
        threads,
        upstream_keepalive_pool_size: keepalive_pool_size,
        // The route decides how often a request is tried; this only bounds a loop.
        max_retries: 1024,
        ..ServerConf::default()
    })
}
