//! The settings of the process: a file, then `SIGNET_*` variables, with every mistake told at once.

mod admin;
mod listener;
mod logs;
mod resolve;
mod source;
mod tls;
mod tokens;
mod values;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use signet_plugin_api::{HeaderName, SigningBackend};

pub use admin::{AdminSettings, AdminToken, OwnTls};
pub use listener::Listener;
pub(crate) use logs::level as log_level;
pub use logs::{LogFormat, LogLevel, LogTarget};
pub use resolve::ResolveOverride;
pub use source::Problem;
pub use tls::{CipherSuite, PemSource, TlsSettings, TlsVersion};
pub use tokens::HeaderTokens;
pub use values::InvalidEntities;

use source::Source;

/// Everything about the process that is not in the declarative file. The names are those of kong.conf where the
/// meaning is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where requests come in; none when `off`.
    pub proxy_listen: Vec<Listener>,
    /// Where `/status` and `/metrics` are served; none when `off`.
    pub status_listen: Vec<Listener>,
    /// How the status listener speaks TLS.
    pub status_tls: OwnTls,
    /// The admin listener, and who may use it.
    pub admin: AdminSettings,
    /// How TLS listeners speak.
    pub tls: TlsSettings,
    /// Threads that serve requests.
    pub threads: usize,
    /// Threads that sign.
    pub signing_threads: usize,
    /// How many signatures may wait for a thread.
    pub signing_queue: usize,
    /// What makes signatures.
    pub signing_backend: SigningBackend,
    /// Threads that verify hashed passwords.
    pub hashing_threads: usize,
    /// How many passwords may wait for a thread.
    pub hashing_queue: usize,
    /// The declarative file, unless the command line names one.
    pub declarative_config: Option<PathBuf>,
    /// Whether files of the configuration are loaded again when they change.
    pub watch_files: bool,
    /// What becomes of a file with mistakes.
    pub invalid_entities: InvalidEntities,
    /// The hosts file.
    pub dns_hostsfile: PathBuf,
    /// Name servers; those of the system when empty.
    pub dns_resolver: Vec<SocketAddr>,
    /// Peers that are believed about whom they forward for.
    pub trusted_ips: Vec<IpNet>,
    /// The header in which they say so.
    pub real_ip_header: HeaderName,
    /// Whether trusted addresses in that header are passed over until one is not trusted.
    pub real_ip_recursive: bool,
    /// What is added to responses.
    pub headers: HeaderTokens,
    /// Whether the request id is sent upstream (`headers_upstream`).
    pub request_id_upstream: bool,
    /// Whether header names reach the other side in the case in which they were written, at some cost.
    pub preserve_header_case: bool,
    /// The type of nginx-level errors for clients that send no `Accept`.
    pub error_default_type: &'static str,
    /// The longest request body, in bytes.
    pub client_max_body_size: Option<u64>,
    /// How long a client may take for the head of a request once it has begun; for ever when None.
    pub client_header_timeout: Option<Duration>,
    /// How long a client may pause within a request body; for ever when None.
    pub client_body_timeout: Option<Duration>,
    /// The longest request line and headers, in bytes.
    pub client_max_header_size: usize,
    /// The longest URI, in bytes.
    pub client_max_uri_size: usize,
    /// Idle upstream connections that are kept; 0 keeps none.
    pub upstream_keepalive_pool_size: usize,
    /// How long an idle one is kept; for ever when None.
    pub upstream_keepalive_idle_timeout: Option<Duration>,
    /// One line for each request; none when `off`.
    pub proxy_access_log: Option<LogTarget>,
    /// What the program has to say.
    pub proxy_error_log: LogTarget,
    /// How much it says.
    pub log_level: LogLevel,
    /// How it says it.
    pub log_format: LogFormat,
    /// How long it is not ready and accepts all the same, after it was told to stop.
    pub drain_delay: Duration,
    /// How long the last requests may take after that.
    pub drain_timeout: Duration,
    /// The socket where `signet upgrade` asks; none by default.
    pub control_socket: Option<PathBuf>,
    /// How long the process that takes over may need until it serves.
    pub upgrade_timeout: Duration,
}

/// Settings, and what is odd about them.
#[derive(Debug)]
pub struct LoadedSettings {
    /// Ready to be used.
    pub settings: Settings,
    /// Legal but without effect.
    pub warnings: Vec<Problem>,
}

impl Settings {
    /// Reads the file, if there is one, and the variables of the environment, which beat it.
    ///
    /// # Errors
    /// Every mistake of both.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<LoadedSettings, Vec<Problem>> {
        let mut source = Source::new(env);
        if let Some(file) = file {
            source.read(file)?;
        }
        let settings = decode(&mut source);
        not_implemented(&mut source);
        let warnings = source.finish()?;
        Ok(LoadedSettings { settings, warnings })
    }
}

impl Default for Settings {
    fn default() -> Self {
        decode(&mut Source::new([]))
    }
}

fn decode(source: &mut Source) -> Settings {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Settings {
        proxy_listen: source.listeners("proxy_listen", &["0.0.0.0:8000", "0.0.0.0:8443 http2 ssl"]),
        status_listen: source.listeners("status_listen", &["127.0.0.1:8100"]),
        status_tls: tls::own(source, "status_ssl_cert", "status_ssl_cert_key", None),
        admin: admin::decode(source),
        tls: tls::decode(source),
        threads: source.value("threads", values::threads).flatten().unwrap_or(cores),
        signing_threads: source.value("signing_threads", values::threads).flatten().unwrap_or(cores),
        signing_queue: source.value("signing_queue", values::count).unwrap_or(1024),
        signing_backend: source.value("signing_backend", values::signing_backend).unwrap_or_default(),
        // Not all cores: a flood of wrong passwords must leave some to those who serve the others.
        hashing_threads: source.value("hashing_threads", values::threads).flatten().unwrap_or((cores / 2).max(1)),
        // A few seconds of work, and not more memory than for the passwords themselves.
        hashing_queue: source.value("hashing_queue", values::count).unwrap_or(128),
        declarative_config: source.value("declarative_config", values::path),
        watch_files: source.value("watch_files", values::flag).unwrap_or(true),
        invalid_entities: source.value("invalid_entities", values::invalid_entities).unwrap_or_default(),
        dns_hostsfile: source.value("dns_hostsfile", values::path).unwrap_or_else(|| "/etc/hosts".into()),
        dns_resolver: source.list("dns_resolver", values::name_server).unwrap_or_default(),
        trusted_ips: source.list("trusted_ips", values::network).unwrap_or_default(),
        real_ip_header: source
            .value("real_ip_header", values::real_ip_header)
            .unwrap_or(HeaderName::from_static("x-real-ip")),
        real_ip_recursive: source.value("real_ip_recursive", values::flag).unwrap_or(false),
        headers: source.whole_list("headers", tokens::response).unwrap_or_default(),
        request_id_upstream: source.whole_list("headers_upstream", tokens::upstream).unwrap_or(true),
        preserve_header_case: source.value("preserve_header_case", values::flag).unwrap_or(false),
        error_default_type: source.value("error_default_type", values::error_type).unwrap_or("text/plain"),
        client_max_body_size: source.value("client_max_body_size", values::size).filter(|size| *size > 0),
        client_header_timeout: source.patience("client_header_timeout"),
        client_body_timeout: source.patience("client_body_timeout"),
        client_max_header_size: source.value("client_max_header_size", values::limit).unwrap_or(32 * 1024),
        client_max_uri_size: source.value("client_max_uri_size", values::limit).unwrap_or(16 * 1024),
        upstream_keepalive_pool_size: source.value("upstream_keepalive_pool_size", values::count).unwrap_or(512),
        upstream_keepalive_idle_timeout: source.patience("upstream_keepalive_idle_timeout"),
        proxy_access_log: source.value("proxy_access_log", logs::access_target).unwrap_or(Some(LogTarget::Stdout)),
        proxy_error_log: source.value("proxy_error_log", logs::error_target).unwrap_or(LogTarget::Stderr),
        log_level: source.value("log_level", logs::level).unwrap_or_default(),
        log_format: source.value("log_format", logs::format).unwrap_or_default(),
        drain_delay: source.value("drain_delay", values::seconds).unwrap_or_default(),
        drain_timeout: source.value("drain_timeout", values::seconds).unwrap_or(Duration::from_secs(30)),
        control_socket: source.value("control_socket", values::path),
        upgrade_timeout: source.value("upgrade_timeout", values::seconds).unwrap_or(Duration::from_secs(60)),
    }
}

/// Settings that the contract names and that change nothing yet.
fn not_implemented(source: &mut Source) {
    for (key, default) in [
        ("admin_access_log", "off"),
        ("status_access_log", "off"),
        ("upstream_keepalive_max_requests", "0"),
        ("tracing_instrumentations", "all"),
        ("tracing_sampling_rate", "0.01"),
    ] {
        source.only(key, default);
    }
    // Kong polls for changes; there is nothing to poll here.
    source.ignore("worker_state_update_frequency");
}

#[cfg(test)]
mod tests;
