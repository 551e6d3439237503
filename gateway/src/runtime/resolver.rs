//! Names of upstreams to addresses: overrides, the hosts file, then DNS, refreshed off the request path.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use hickory_resolver::{
    Hosts, TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use signet_plugin_api::{Names, async_trait};
use tracing::warn;

use crate::settings::ResolveOverride;

/// How long a failed look-up is believed (Kong: `dns_error_ttl`).
const ERROR_TTL: Duration = Duration::from_secs(1);
/// The shortest time between two look-ups of one name, whatever its TTL says.
const MIN_TTL: Duration = Duration::from_secs(1);

/// Where names come from, in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Sources {
    /// `--resolve`: a name and port that lead to a fixed address.
    pub overrides: Vec<ResolveOverride>,
    /// The text of the hosts file.
    pub hosts: String,
    /// Name servers; those of the system when empty.
    pub servers: Vec<SocketAddr>,
}

/// Resolves names. One name has one state, whatever number of services uses it.
pub struct Resolver {
    overrides: Vec<ResolveOverride>,
    dns: Option<TokioResolver>,
    names: Mutex<HashMap<Arc<str>, Arc<Name>>>,
}

/// An upstream's host and port, as something to connect to.
#[derive(Clone)]
pub enum Endpoint {
    /// An address literal, or an override.
    Fixed(SocketAddr),
    /// A name.
    Named {
        /// Its shared state.
        name: Arc<Name>,
        /// Asks for it.
        resolver: Arc<Resolver>,
        /// The port.
        port: u16,
    },
}

/// The name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unresolved;

/// The state of one name.
pub struct Name {
    host: Arc<str>,
    answer: ArcSwapOption<Answer>,
    asking: tokio::sync::Mutex<()>,
    refreshing: AtomicBool,
    next: AtomicUsize,
}

struct Answer {
    /// Empty when the look-up failed.
    addresses: Box<[IpAddr]>,
    valid_until: Instant,
}

impl Resolver {
    /// Prepares the sources. Nothing is asked yet.
    ///
    /// # Errors
    /// When the hosts file is not text that can be read as one.
    pub fn new(sources: Sources) -> io::Result<Arc<Self>> {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(sources.hosts.as_bytes()).map_err(io::Error::other)?;
        Ok(Arc::new(Self { overrides: sources.overrides, dns: dns(&sources.servers, hosts), names: Mutex::default() }))
    }

    /// What `host:port` of a service leads to.
    pub fn endpoint(self: &Arc<Self>, host: &str, port: u16) -> Endpoint {
        let is_meant = |o: &&ResolveOverride| o.port == port && (o.host == "*" || o.host.eq_ignore_ascii_case(host));
        if let Some(found) = self.overrides.iter().find(is_meant) {
            return Endpoint::Fixed(found.address);
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = literal.parse() {
            return Endpoint::Fixed(SocketAddr::new(ip, port));
        }
        Endpoint::Named { name: self.name(host), resolver: Arc::clone(self), port }
    }

    fn name(&self, host: &str) -> Arc<Name> {
        let host: Arc<str> = host.to_ascii_lowercase().into();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(names.entry(Arc::clone(&host)).or_insert_with(|| {
            Arc::new(Name {
                host,
                answer: ArcSwapOption::empty(),
                asking: tokio::sync::Mutex::default(),
                refreshing: AtomicBool::new(false),
                next: AtomicUsize::new(0),
            })
        }))
    }

    async fn ask(&self, host: &str) -> Answer {
        let failed = || Answer { addresses: Box::default(), valid_until: Instant::now() + ERROR_TTL };
        let Some(dns) = &self.dns else { return failed() };
        match dns.lookup_ip(host).await {
            Ok(found) => Answer {
                addresses: found.iter().collect(),
                valid_until: found.valid_until().max(Instant::now() + MIN_TTL),
            },
            Err(error) => {
                warn!(host, %error, "name resolution failed");
                failed()
            }
        }
    }
}

/// The resolver as plugins see it.
pub struct Lookup(pub Arc<Resolver>);

#[async_trait]
impl Names for Lookup {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self.0.endpoint(host, port).address().await {
            Ok(address) => Ok(vec![address]),
            Err(Unresolved) => Err(io::Error::new(io::ErrorKind::NotFound, "the name does not resolve")),
        }
    }
}

fn dns(servers: &[SocketAddr], hosts: Hosts) -> Option<TokioResolver> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio().unwrap_or_else(|error| {
            warn!(%error, "the system's name servers are unknown; only the hosts file is used");
            TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        })
    } else {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            config.connections.iter_mut().for_each(|connection| connection.port = server.port());
            config
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    match builder.build() {
        Ok(mut resolver) => {
            resolver.set_hosts(Arc::new(hosts));
            Some(resolver)
        }
        Err(error) => {
            warn!(%error, "names cannot be resolved");
            None
        }
    }
}

impl Endpoint {
    /// The next address to try. An address that has expired is still used while a new one is asked for; only the first
    /// request to a name waits.
    ///
    /// # Errors
    /// When the name has no address.
    pub async fn address(&self) -> Result<SocketAddr, Unresolved> {
        let (name, resolver, port) = match self {
            Self::Fixed(address) => return Ok(*address),
            Self::Named { name, resolver, port } => (name, resolver, *port),
        };
        let answer = name.answer.load();
        let found = match &*answer {
            Some(answer) if answer.valid_until > Instant::now() => name.pick(answer),
            Some(answer) if !answer.addresses.is_empty() => {
                name.refresh(resolver);
                name.pick(answer)
            }
            _ => name.pick(&*name.wait(resolver).await),
        };
        found.map(|ip| SocketAddr::new(ip, port)).ok_or(Unresolved)
    }
}

impl Name {
    fn pick(&self, answer: &Answer) -> Option<IpAddr> {
        let turn = self.next.fetch_add(1, Relaxed);
        answer.addresses.get(turn.checked_rem(answer.addresses.len())?).copied()
    }

    /// Asks once for all requests that wait.
    async fn wait(&self, resolver: &Resolver) -> Arc<Answer> {
        let _turn = self.asking.lock().await;
        if let Some(answer) = self.answer.load_full().filter(|answer| answer.valid_until > Instant::now()) {
            return answer;
        }
        let answer = Arc::new(resolver.ask(&self.host).await);
        self.answer.store(Some(Arc::clone(&answer)));
        answer
    }

    fn refresh(self: &Arc<Self>, resolver: &Arc<Resolver>) {
        if self.refreshing.swap(true, Relaxed) {
            return;
        }
        let (name, resolver) = (Arc::clone(self), Arc::clone(resolver));
        tokio::spawn(async move {
            let answer = resolver.ask(&name.host).await;
            let keeps_old = answer.addresses.is_empty();
            if keeps_old {
                // The last good addresses are better than none; the next request after the error's time asks again.
                if let Some(old) = name.answer.load_full() {
                    let addresses = old.addresses.clone();
                    name.answer.store(Some(Arc::new(Answer { addresses, valid_until: answer.valid_until })));
                }
            } else {
                name.answer.store(Some(Arc::new(answer)));
            }
            name.refreshing.store(false, Relaxed);
        });
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("overrides", &self.overrides).finish_non_exhaustive()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(address) => write!(f, "{address}"),
            Self::Named { name, port, .. } => write!(f, "{}:{port}", name.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(sources: Sources) -> Arc<Resolver> {
        Resolver::new(sources).expect("sources")
    }

    #[tokio::test]
    async fn literals_need_no_look_up() {
        let resolver = resolver(Sources::default());
        assert_eq!(resolver.endpoint("127.0.0.9", 81).address().await, Ok("127.0.0.9:81".parse().expect("addr")));
        assert_eq!(resolver.endpoint("[::1]", 81).address().await, Ok("[::1]:81".parse().expect("addr")));
    }

    #[tokio::test]
    async fn an_override_beats_everything_for_its_port_only() {
        let address = "127.0.0.1:999".parse().expect("addr");
        let resolver = resolver(Sources {
            overrides: vec![ResolveOverride { host: "a.test".into(), port: 80, address }],
            hosts: "127.0.0.7 a.test\n127.0.0.8 b.test # c\n".into(),
            servers: vec![],
        });
        assert_eq!(resolver.endpoint("a.TEST", 80).address().await, Ok(address));
        assert_eq!(resolver.endpoint("a.test", 81).address().await, Ok("127.0.0.7:81".parse().expect("addr")));
        assert_eq!(resolver.endpoint("b.test", 80).address().await, Ok("127.0.0.8:80".parse().expect("addr")));
    }

    #[tokio::test]
    async fn several_addresses_take_turns() {
        let hosts = "127.0.0.1 t.test\n127.0.0.2 t.test\n".to_owned();
        let resolver = resolver(Sources { hosts, ..Sources::default() });
        let endpoint = resolver.endpoint("t.test", 80);
        let first = endpoint.address().await.expect("resolved");
        let second = endpoint.address().await.expect("resolved");
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_is_unresolved() {
        assert_eq!(resolver(Sources::default()).endpoint("x.invalid", 80).address().await, Err(Unresolved));
    }
}
