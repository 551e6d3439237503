//! Names of upstreams to addresses: overrides, the hosts file, then DNS, refreshed off the request path.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
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
    /// The hosts file.
    pub hosts: HostsFile,
    /// Name servers; those of the system when empty.
    pub servers: Vec<SocketAddr>,
}

/// A hosts file.
#[derive(Debug, Default)]
pub struct HostsFile {
    text: String,
    hosts: Arc<Hosts>,
}

/// Resolves names. One name has one state, whatever number of services uses it.
pub struct Resolver {
    overrides: Vec<ResolveOverride>,
    dns: ArcSwapOption<TokioResolver>,
    hosts: Mutex<String>,
    /// How often the hosts file has changed.
    hosts_changed: AtomicUsize,
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

impl HostsFile {
    /// Reads its text.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: String) -> io::Result<Self> {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(text.as_bytes()).map_err(io::Error::other)?;
        Ok(Self { text, hosts: Arc::new(hosts) })
    }
}

impl Resolver {
    /// Prepares the sources. Nothing is asked yet.
    pub fn new(sources: Sources) -> Arc<Self> {
        let Sources { overrides, hosts: HostsFile { text, hosts }, servers } = sources;
        Arc::new(Self {
            overrides,
            dns: ArcSwapOption::new(dns(&servers, hosts).map(Arc::new)),
            hosts: Mutex::new(text),
            hosts_changed: AtomicUsize::new(0),
            names: Mutex::default(),
        })
    }

    /// Takes another hosts file. Names of which it says something else are asked for again; the others keep their addresses.
    pub fn set_hosts(&self, file: HostsFile) {
        let known = &mut *self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == file.text {
            return;
        }
        let (before, after) = (entries(known), entries(&file.text));
        let others: HashSet<String> = before.symmetric_difference(&after).map(|(name, _)| name.clone()).collect();
        if let Some(mut dns) = self.dns.load_full().map(|dns| TokioResolver::clone(&dns)) {
            dns.set_hosts(file.hosts);
            self.dns.store(Some(Arc::new(dns)));
        }
        *known = file.text;
        self.hosts_changed.fetch_add(1, SeqCst);
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.values().filter(|name| others.contains(&*name.host)).for_each(|name| name.answer.store(None));
    }

    /// Forgets the names that no configuration has any more, and that nobody has asked for lately.
    pub fn forget_unused(&self) {
        let now = Instant::now();
        let names = &mut *self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, name| {
            Arc::strong_count(name) > 1 || name.answer.load().as_ref().is_some_and(|answer| answer.valid_until > now)
        });
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
        loop {
            let Some(dns) = self.dns.load_full() else { return failed() };
            let changed = self.hosts_changed.load(SeqCst);
            let answer = match dns.lookup_ip(host).await {
                Ok(found) => Answer {
                    addresses: found.iter().collect(),
                    valid_until: found.valid_until().max(Instant::now() + MIN_TTL),
                },
                Err(error) => {
                    warn!(host, %error, "name resolution failed");
                    failed()
                }
            };
            // What another hosts file said meanwhile would count for a day.
            if changed == self.hosts_changed.load(SeqCst) {
                return answer;
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

/// Names with an address, as a hosts file has them.
fn entries(text: &str) -> HashSet<(String, &str)> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        Some((words.next()?, words))
    });
    lines.flat_map(|(address, names)| names.map(move |name| (name.to_ascii_lowercase(), address))).collect()
}

fn dns(servers: &[SocketAddr], hosts: Arc<Hosts>) -> Option<TokioResolver> {
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
            resolver.set_hosts(hosts);
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
        Resolver::new(sources)
    }

    fn hosts(text: &str) -> HostsFile {
        HostsFile::parse(text.to_owned()).expect("a hosts file")
    }

    #[tokio::test]
    async fn another_hosts_file_counts_at_once_and_for_its_names_only() {
        let resolver = resolver(Sources { hosts: hosts("127.0.0.1 a.test\n127.0.0.2 b.test\n"), ..Sources::default() });
        let (a, b) = (resolver.endpoint("a.test", 80), resolver.endpoint("b.test", 80));
        assert_eq!(a.address().await, Ok("127.0.0.1:80".parse().expect("addr")));
        assert_eq!(b.address().await, Ok("127.0.0.2:80".parse().expect("addr")));
        let answer = |endpoint: &Endpoint| match endpoint {
            Endpoint::Named { name, .. } => name.answer.load_full(),
            Endpoint::Fixed(_) => None,
        };
        let before = answer(&b).expect("an answer");
        resolver.set_hosts(hosts("127.0.0.9 A.test\n127.0.0.2 b.test\n"));
        assert_eq!(a.address().await, Ok("127.0.0.9:80".parse().expect("addr")));
        assert!(Arc::ptr_eq(&before, &answer(&b).expect("an answer")));
        resolver.set_hosts(HostsFile::default());
        resolver.forget_unused();
        drop((a, b));
        assert!(answer(&resolver.endpoint("b.test", 80)).is_none());
    }

    #[tokio::test]
    async fn names_that_nobody_has_any_more_are_forgotten() {
        let resolver = resolver(Sources::default());
        let held = resolver.endpoint("held.test", 80);
        drop(resolver.endpoint("gone.test", 80));
        resolver.forget_unused();
        let known: Vec<_> = resolver.names.lock().expect("names").keys().cloned().collect();
        assert_eq!(known, [Arc::from("held.test")]);
        drop(held);
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
            hosts: hosts("127.0.0.7 a.test\n127.0.0.8 b.test # c\n"),
            servers: vec![],
        });
        assert_eq!(resolver.endpoint("a.TEST", 80).address().await, Ok(address));
        assert_eq!(resolver.endpoint("a.test", 81).address().await, Ok("127.0.0.7:81".parse().expect("addr")));
        assert_eq!(resolver.endpoint("b.test", 80).address().await, Ok("127.0.0.8:80".parse().expect("addr")));
    }

    #[tokio::test]
    async fn several_addresses_take_turns() {
        let hosts = hosts("127.0.0.1 t.test\n127.0.0.2 t.test\n");
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
