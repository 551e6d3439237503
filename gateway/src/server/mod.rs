//! The process: listeners bound before anything starts, services on one runtime, and an end that waits for requests.

mod bound;
mod control;
mod inherited;
mod leaving;
mod limits;
mod successor;
mod systemd;

use std::{
    future::poll_fn,
    io,
    os::fd::{IntoRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use futures_util::future::BoxFuture;
use pingora::{
    apps::ServerApp,
    listeners::{L4BufferSettings, ListenerConfig},
    server::{Fds, ListenFds, configuration::ServerConf},
    services::listening::Service,
};
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Instant, interval, sleep, timeout_at},
};
use tracing::{info, warn};

pub(crate) use bound::Bound;
pub(crate) use control::{Control, READY, UPGRADE};
pub(crate) use inherited::{Inherited, NAMES, Report};
pub(crate) use leaving::Leaving;
pub(crate) use limits::raise_open_files;
pub(crate) use successor::Successor;

use bound::Backlog;
use control::{Asked, Asks};
use successor::Pending;

use crate::proxy::Connections;

/// How often the end of the last request, or of a reload, is looked for.
const POLL: Duration = Duration::from_millis(20);
/// How long a connection without a request is kept after a stop: the head of one may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(100);
/// How long clients may take to close after the last request; those of HTTP/2 are asked whether one more is on its way.
const FAREWELL: Duration = Duration::from_secs(1);

/// What happens between the first request and the last.
pub(crate) struct Life<'a> {
    /// How long it goes on as before after a stop, except that it says it is not ready.
    pub delay: Duration,
    /// How long the last requests may take after that.
    pub drain: Duration,
    /// Requests that are being served.
    pub in_flight: &'a AtomicUsize,
    /// Connections of clients.
    pub connections: &'a Connections,
    /// Called once, when everything accepts.
    pub ready: &'a dyn Fn(),
    /// Called on SIGHUP.
    pub reload: &'a dyn Fn(),
    /// How often something was loaded, with success or without: a reload is over when it is more. None where there is
    /// nothing to load.
    pub loads: Option<&'a dyn Fn() -> u64>,
    /// Called on SIGUSR1: log files are opened again.
    pub reopen: &'a dyn Fn(),
    /// Done after the last request, while the runtime still runs.
    pub finish: &'a (dyn Fn() -> BoxFuture<'a, ()> + 'a),
    /// Why no other process may take over just now.
    pub obstacle: &'a dyn Fn() -> Option<&'static str>,
    /// How to start the process that takes over, on SIGUSR2 or when the control socket is asked.
    pub successor: Option<Successor>,
    /// Where it may be asked.
    pub control: Option<Control>,
    /// Whom to tell that this process has taken over.
    pub report: Option<Report>,
}

/// Why the process ends.
enum End {
    /// It was told to.
    Stop,
    /// Another one serves.
    TakenOver,
}

/// The services of a process, with their listeners.
#[derive(Default)]
pub(crate) struct Server {
    leaving: Arc<Leaving>,
    /// Those for clients stop accepting when the process begins to drain, those for operators when it has drained.
    clients: Vec<Listening>,
    operators: Vec<Listening>,
    listeners: Vec<(String, i32)>,
    /// The listeners once more, for the process that takes over.
    sockets: Vec<(String, OwnedFd)>,
}

impl Server {
    /// Whether the process is about to end.
    pub(crate) fn leaving(&self) -> Arc<Leaving> {
        Arc::clone(&self.leaving)
    }

    /// Adds a service for operators, on listeners that are bound already. It answers until the process ends.
    pub(crate) fn add<A: ServerApp + Send + Sync + 'static>(&mut self, service: Service<A>, bound: Vec<Bound>) {
        let service = self.listen(service, bound);
        self.operators.extend(service);
    }

    /// Adds a service for clients, on listeners that are bound already. It drains before the process ends.
    pub(crate) fn add_proxy<A: ServerApp + Send + Sync + 'static>(&mut self, service: Service<A>, bound: Vec<Bound>) {
        let service = self.listen(service, bound);
        self.clients.extend(service);
    }

    /// A service without any listener would end at once, and tell the application that it may share with another to end, too.
    fn listen<A>(&mut self, mut service: Service<A>, bound: Vec<Bound>) -> Option<Listening>
    where
        A: ServerApp + Send + Sync + 'static,
    {
        if bound.is_empty() {
            return None;
        }
        let mut backlogs = Vec::new();
        for Bound { address, name, listener, spare, backlog, .. } in bound {
            let at = address.to_string();
            // Pingora's own read buffer would hold 64 KiB for each idle connection.
            let config = ListenerConfig::tcp(&at).l4_buffer(L4BufferSettings::default().read(0));
            service.add_listener(config);
            self.sockets.push((name, spare));
            backlogs.push(backlog);
            self.listeners.push((at, listener.into_raw_fd()));
        }
        Some(Listening { service: Box::new(service), backlogs })
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

    async fn serve(self, mut life: Life<'_>) -> io::Result<()> {
        let mut signals = Signals::listen()?;
        let (clients, operators) = (watch::Sender::new(false), watch::Sender::new(false));
        let fds = inherited_by_pingora(self.listeners);
        for (services, stop) in [(self.clients, &clients), (self.operators, &operators)] {
            for service in services {
                tokio::spawn(service.accept(fds.clone(), stop.subscribe()));
            }
        }
        let mut asks = life.control.as_ref().map(Control::listen).transpose()?;
        (life.ready)();
        systemd::ready();
        if let Some(report) = life.report.take() {
            report.serving();
        }
        let mut sockets = self.sockets;
        if let Some(control) = &life.control {
            sockets.push((control.name(), control.socket()?));
        }
        let end = until_the_end(&life, &mut signals, &mut asks, &sockets).await;
        self.leaving.begin();
        asks.iter().for_each(Asks::stop);
        // From now on nobody but a process that took over holds them, once the services have let go.
        drop(sockets);
        let left = leave(&life, &end, &self.leaving, [&clients, &operators]);
        tokio::select! {
            () = left => (),
            _ = signals.interrupt.recv() => warn!("stopped at once by a second signal"),
        }
        (life.finish)().await;
        if let (End::Stop, Some(control)) = (&end, &life.control) {
            control.remove();
        }
        if let Some(asks) = asks {
            asks.finish().await;
        }
        // Pingora calls it an error when listeners are left without a word.
        for stop in [clients, operators] {
            stop.send_replace(true);
        }
        Ok(())
    }
}

/// A service, and what its listeners are to be like.
struct Listening {
    service: Box<dyn pingora::services::Service>,
    backlogs: Vec<Backlog>,
}

impl Listening {
    async fn accept(mut self, fds: ListenFds, stopping: watch::Receiver<bool>) {
        let mut accepting = self.service.start_service(Some(fds), stopping, 1);
        // It listens on all its sockets before it waits for anything.
        let ended = poll_fn(|cx| Poll::Ready(accepting.as_mut().poll(cx).is_ready())).await;
        self.backlogs.into_iter().for_each(Backlog::restore);
        if !ended {
            accepting.await;
        }
    }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    quit: Signal,
    interrupt: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Does what signals and the control socket ask for until the process is to end.
async fn until_the_end(
    life: &Life<'_>,
    signals: &mut Signals,
    asks: &mut Option<Asks>,
    sockets: &[(String, OwnedFd)],
) -> End {
    let (mut pending, mut reloading) = (None, None);
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => {
                if let Some(loads) = life.loads {
                    systemd::reloading();
                    reloading = Some(loads());
                }
                (life.reload)();
            }
            () = loaded(life, reloading), if reloading.is_some() => {
                systemd::ready();
                reloading = None;
            }
            _ = signals.reopen.recv() => (life.reopen)(),
            _ = signals.upgrade.recv() => upgrade(life, &mut pending, sockets, None),
            asked = Asks::next(asks) => upgrade(life, &mut pending, sockets, Some(asked)),
            outcome = Pending::outcome(&mut pending) => if let Some(process) = outcome {
                systemd::taken_over_by(process);
                return End::TakenOver;
            },
            _ = signals.terminate.recv() => return End::Stop,
            _ = signals.quit.recv() => return End::Stop,
            _ = signals.interrupt.recv() => return End::Stop,
        }
    }
}

/// Waits for the end of the load that began when there had been so many.
async fn loaded(life: &Life<'_>, before: Option<u64>) {
    while life.loads.map(|loads| loads()) == before {
        sleep(POLL).await;
    }
}

fn upgrade(life: &Life<'_>, pending: &mut Option<Pending>, sockets: &[(String, OwnedFd)], asked: Option<Asked>) {
    if pending.is_some() {
        return successor::failed(asked, "another upgrade is under way");
    }
    let Some(how) = &life.successor else { return };
    if let Some(reason) = successor::is_impossible().or_else(life.obstacle) {
        return successor::failed(asked, reason);
    }
    match how.start(sockets) {
        Ok(started) => *pending = Some(started.asked_by(asked)),
        Err(error) => successor::failed(asked, &format!("the new process cannot be started: {error}")),
    }
}

/// The end: no new connections, then the last requests, then those who still listen.
async fn leave(life: &Life<'_>, end: &End, leaving: &Leaving, [clients, operators]: [&watch::Sender<bool>; 2]) {
    if let End::Stop = end {
        systemd::stopping();
        if !life.delay.is_zero() {
            info!(seconds = life.delay.as_secs(), "stopping: not ready any more, but still accepting");
            sleep(life.delay).await;
        }
        info!(seconds = life.drain.as_secs(), "stopping: no new connections, waiting for the last request");
        clients.send_replace(true);
        sleep(ON_ITS_WAY.min(life.drain)).await;
        leaving.close_idle();
    } else {
        // The other one answers here already. What was accepted last may not even have begun.
        clients.send_replace(true);
        operators.send_replace(true);
        sleep(FAREWELL.min(life.drain)).await;
    }
    let is_over = || match end {
        End::Stop => life.in_flight.load(Relaxed) == 0,
        // Nobody waits for this process: clients find out with their next answer that it is the last on its connection.
        End::TakenOver => life.in_flight.load(Relaxed) == 0 && life.connections.open() == 0,
    };
    if !is_so_within(life.drain, is_over).await && life.in_flight.load(Relaxed) > 0 {
        warn!(requests = life.in_flight.load(Relaxed), "the time to drain is over; requests are cut off");
        return;
    }
    leaving.close_idle();
    is_so_within(FAREWELL.min(life.drain), || life.connections.open() == 0).await;
}

async fn is_so_within(limit: Duration, is_so: impl Fn() -> bool) -> bool {
    let mut tick = interval(POLL);
    let wait = async {
        while !is_so() {
            tick.tick().await;
        }
    };
    timeout_at(Instant::now() + limit, wait).await.is_ok()
}

fn inherited_by_pingora(listeners: Vec<(String, i32)>) -> ListenFds {
    let mut fds = Fds::new();
    for (name, fd) in listeners {
        fds.add(name, fd);
    }
    Arc::new(parking_lot::Mutex::new(fds))
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
