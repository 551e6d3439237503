//! `signet run`: settings and a file to a serving process; nothing starts before everything is right.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, SystemTime},
};

use pingora::{
    apps::{HttpServerApp, HttpServerOptions},
    protocols::http::v2::server::{H2Options, default_h2_options},
    services::listening::Service,
};
use pingora_proxy::http_proxy;
use signet_plugin_api::{Meters, Registry};

use super::{fail, settings};
use crate::{
    admin::{self, Node},
    logging::Logs,
    metrics::{Metrics, Served},
    proxy::{Connections, Counted, Deadline, Gateway, Policy},
    reload::{self, Loader, Parts, Reloader},
    report::say,
    runtime::{
        Current, WorkThreads, background,
        resolver::{Resolver, Sources},
    },
    server::{Bound, Control, Inherited, Life, Report, Server, Successor, pingora_conf, raise_open_files},
    settings::{Listener, ResolveOverride, Settings},
    tls::{Acceptors, HTTP2_IDLE, TlsEdge},
};

/// Requests on one client connection before it is closed (nginx: `keepalive_requests`, Kong's default).
const REQUESTS_PER_CONNECTION: u32 = 10_000;

/// How long plugins may take for what must not be lost.
const LAST_WORK: Duration = Duration::from_secs(6);

/// How long the last lines of the logs may take.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The longest header list of HTTP/2, unless the setting for all requests is longer. It counts 32 bytes more for each header.
const HTTP2_HEADER_LIST: u32 = 64 * 1024;

/// Why a new process may not take over: it would serve something else.
const POSTED: &str = "the configuration that serves came by POST /config and stands in no file: write it into the \
    declarative file, and send HUP";

/// What `signet run` is told.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Kong's declarative file, YAML or JSON [default: the setting `declarative_config`]
    #[arg(short = 'c', value_name = "FILE")]
    config: Option<PathBuf>,
    /// Process settings, YAML; SIGNET_<KEY> variables beat them
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
    /// Connect to ADDRESS where the configuration says HOST and PORT, as with curl; may be repeated
    #[arg(long, value_name = "HOST:PORT:ADDRESS[:PORT]")]
    resolve: Vec<ResolveOverride>,
}

/// Serves until a signal.
pub(super) fn run(registry: Registry, arguments: Arguments) -> ExitCode {
    let inherited = match Inherited::from_env() {
        Ok(inherited) => inherited,
        Err(reason) => return fail(2, format_args!("{reason}")),
    };
    let mut settings = match settings(arguments.settings.as_deref()) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    // So that whoever asks the admin listener is told the file that counts.
    settings.declarative_config = arguments.config.or(settings.declarative_config);
    let settings = Arc::new(settings);
    let meters = Arc::default();
    let logs = match Logs::start(&settings, Arc::clone(&meters)) {
        Ok(logs) => logs,
        Err(error) => return fail(1, format_args!("{error}")),
    };
    raise_open_files();
    let parts = match parts(&settings, arguments.resolve, meters, &logs) {
        Ok(parts) => Arc::new(parts),
        Err(code) => return code,
    };
    let file = settings.declarative_config.clone();
    let registry = Arc::new(registry);
    let loader = Loader::new(Arc::clone(&registry), Arc::clone(&settings), Arc::clone(&parts), file);
    let Ok(reloader) = Reloader::begin(loader, !settings.admin.listen.is_empty()) else { return ExitCode::from(2) };
    let served = serve(&settings, &registry, &reloader, &parts, &logs, inherited);
    logs.flush(LAST_LINES);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn parts(
    settings: &Settings,
    resolve: Vec<ResolveOverride>,
    meters: Arc<Meters>,
    logs: &Arc<Logs>,
) -> Result<Parts, ExitCode> {
    let hosts = reload::hosts(settings).map_err(|reason| fail(2, format_args!("{reason}")))?;
    let resolver = Resolver::new(Sources { overrides: resolve, hosts, servers: settings.dns_resolver.clone() });
    let start = |name: &str, threads, queue| {
        WorkThreads::start(name, threads, queue)
            .map_err(|error| fail(1, format_args!("cannot start the {name} threads: {error}")))
    };
    let signing = start("signing", settings.signing_threads, settings.signing_queue)?;
    let hashing = start("hashing", settings.hashing_threads, settings.hashing_queue)?;
    let log_files = Arc::clone(logs) as _;
    Ok(Parts { resolver, signing, hashing, backgrounds: Arc::default(), meters, log_files })
}

fn serve(
    settings: &Arc<Settings>,
    registry: &Arc<Registry>,
    reloader: &Arc<Reloader>,
    parts: &Parts,
    logs: &Logs,
    mut inherited: Inherited,
) -> Result<(), ExitCode> {
    let proxy = bind("proxy_listen", &settings.proxy_listen, &mut inherited)?;
    let status = bind("status_listen", &settings.status_listen, &mut inherited)?;
    let admin = bind("admin_listen", &settings.admin.listen, &mut inherited)?;
    let (control, report) = control(settings, inherited)?;
    let current = Arc::clone(reloader.current());
    let banner = banner(reloader, [("proxy", &proxy), ("status", &status), ("admin", &admin)]);
    let in_flight = Arc::new(AtomicUsize::new(0));
    let pools = [Arc::clone(&parts.signing), Arc::clone(&parts.hashing)];
    let served = Served { connections: Arc::default(), in_flight: Arc::clone(&in_flight) };
    let connections = Arc::clone(&served.connections);
    let metrics =
        Metrics::new(Arc::clone(&current), Arc::clone(reloader.counters()), served, pools, Arc::clone(&parts.meters))
            .map_err(|error| fail(1, format_args!("cannot register metrics: {error}")))?;
    let mut server = Server::default();
    let gateway = Gateway {
        current: Arc::clone(&current),
        policy: Policy::of(settings),
        in_flight: Arc::clone(&in_flight),
        leaving: server.leaving(),
        access_log: logs.access(),
    };
    let node = Node {
        current: Arc::clone(&current),
        reloader: Arc::clone(reloader),
        policy: Policy::of(settings),
        metrics: Arc::new(metrics),
        in_flight: Arc::clone(&in_flight),
        since: SystemTime::now(),
        leaving: server.leaving(),
        log_level: Arc::clone(logs.level()),
        registry: Arc::clone(registry),
        settings: Arc::clone(settings),
        turns: Default::default(),
        entities: Default::default(),
    };

    let conf = pingora_conf(settings.threads, settings.upstream_keepalive_pool_size);
    let mut options = HttpServerOptions::default();
    options.keepalive_request_limit = Some(REQUESTS_PER_CONNECTION);
    options.h2_idle_timeout = Some(HTTP2_IDLE);
    let mut app = http_proxy(&conf, gateway);
    app.server_options = Some(options);
    app.h2_options = Some(http2_options(settings));
    add_proxy(&mut server, Arc::new(app), &current, &connections, settings, proxy);
    admin::serve(&mut server, &Arc::new(node), settings, status, admin)
        .map_err(|reason| fail(2, format_args!("{reason}")))?;
    let ready = || {
        reloader.start(&tokio::runtime::Handle::current());
        say(&banner);
    };
    let reload = || reloader.hang_up();
    let loads = || reloader.counters().generation() + reloader.counters().failures();
    let obstacle = || reloader.status().success.was_posted().then_some(POSTED);
    server
        .run(
            settings.threads,
            Life {
                delay: settings.drain_delay,
                drain: settings.drain_timeout,
                in_flight: &in_flight,
                connections: &connections,
                ready: &ready,
                reload: &reload,
                loads: reloader.file().is_some().then_some(&loads as _),
                reopen: &|| logs.reopen(),
                obstacle: &obstacle,
                successor: Some(Successor::of_this(settings.upgrade_timeout)),
                control,
                report,
                finish: &|| Box::pin(background::finish(&parts.backgrounds, LAST_WORK)),
            },
        )
        .map_err(|error| fail(1, format_args!("cannot serve: {error}")))
}

/// What is said when everything accepts: where, and what is served.
fn banner(reloader: &Reloader, listeners: [(&str, &Vec<Bound>); 3]) -> String {
    let mut banner = String::new();
    for (kind, listeners) in listeners {
        for bound in listeners {
            let scheme = if bound.ssl { "https" } else { "http" };
            banner += &format!("{kind} listening on {scheme}://{}\n", bound.address);
        }
    }
    banner
        + &match reloader.file() {
            Some(file) => {
                let snapshot = reloader.current().pin();
                let out = match snapshot.quarantined() {
                    0 => String::new(),
                    count => format!(" ({count} of the routes quarantined)"),
                };
                format!("serving {}{out} from {}", snapshot.counts, file.display())
            }
            None => "serving nothing: neither -c nor the setting declarative_config names a file".to_owned(),
        }
}

/// One service for each kind of listener, and one application, whose upstream connections they share.
fn add_proxy<A>(
    server: &mut Server,
    app: Arc<A>,
    current: &Arc<Current>,
    connections: &Arc<Connections>,
    settings: &Settings,
    bound: Vec<Bound>,
) where
    A: HttpServerApp + Send + Sync + 'static,
{
    let limit = settings.client_header_timeout;
    let (tls, plain): (Vec<_>, Vec<_>) = bound.into_iter().partition(|bound| bound.ssl);
    let deadline = Deadline::new(Arc::clone(&app), limit);
    server.add_proxy(Service::new("proxy".into(), Counted::new(deadline, connections, server.leaving())), plain);
    let (with_http2, without): (Vec<_>, Vec<_>) = tls.into_iter().partition(|bound| bound.http2);
    for (http2, bound) in [(true, with_http2), (false, without)] {
        let edge = TlsEdge {
            acceptors: Acceptors::Current(Arc::clone(current)),
            http2,
            limit,
            idle: HTTP2_IDLE,
            app: Arc::new(Deadline::new(Arc::clone(&app), limit)),
            plain: Arc::new(Deadline::plain_on_tls(Arc::clone(&app), limit)),
        };
        let edge = Counted::new(edge, connections, server.leaving());
        server.add_proxy(Service::new("proxy over TLS".into(), edge), bound);
    }
}

/// Pingora's bounds on streams and headers; those on headers are raised with the setting, which then counts.
fn http2_options(settings: &Settings) -> H2Options {
    let mut options = default_h2_options();
    let header = u32::try_from(settings.client_max_header_size).unwrap_or(u32::MAX);
    options.max_header_list_size(header.max(HTTP2_HEADER_LIST));
    options
}

fn bind(setting: &str, listeners: &[Listener], inherited: &mut Inherited) -> Result<Vec<Bound>, ExitCode> {
    let take = |listener: &Listener| {
        Bound::inherit_or_take(setting, listener, inherited)
            .map_err(|error| fail(1, format_args!("{setting}: cannot listen on {}: {error}", listener.address)))
    };
    listeners.iter().map(take).collect()
}

/// The control socket, and whom to tell that the process serves; every listener has its socket by now.
fn control(settings: &Settings, mut inherited: Inherited) -> Result<(Option<Control>, Option<Report>), ExitCode> {
    let path = settings.control_socket.as_deref();
    let control = Control::take(path, &mut inherited).map_err(|error| {
        let path = path.unwrap_or(Path::new("")).display();
        fail(1, format_args!("control_socket: cannot listen on {path}: {error}"))
    })?;
    let report = inherited.settle().map_err(|reason| fail(2, format_args!("{reason}")))?;
    Ok((control, report))
}
