//! One compiled configuration.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use signet_plugin_api::{Handler, HiddenSeries, Route};

use crate::{keys::LiveSet, tls::Handshakes};

use super::{RouteStats, Upstream, chain::Chain, router::Router};

/// Everything that a request needs to know of the configuration. Nothing in it can be invalid.
pub struct Snapshot {
    /// Finds the position in `routes`.
    pub router: Router,
    /// What to do with a request, by the router's positions.
    pub routes: Vec<RouteEntry>,
    /// The counters of requests that no route took.
    pub unrouted: Arc<RouteStats>,
    /// How clients are met at TLS listeners; none where there is no such listener.
    pub(crate) handshakes: Option<Handshakes>,
    /// What goes on in its key sets besides requests: it ends with the last snapshot that has them.
    pub(crate) key_sets: Vec<Arc<LiveSet>>,
    /// Until when its certificates are valid.
    pub(crate) certificate_ends: Vec<CertificateEnd>,
    /// How much of everything there is.
    pub counts: Counts,
    /// Which plugin of the file each handler is.
    pub origins: Origins,
    /// The SHA-256 of the text that it was compiled from, in hexadecimal; empty for the empty configuration.
    pub hash: String,
}

/// One route, compiled.
pub struct RouteEntry {
    /// The entity.
    pub route: Arc<Route>,
    /// Where it leads; `None` for a route without a service.
    pub upstream: Option<Arc<Upstream>>,
    /// Its plugins.
    pub chain: Chain,
    /// Its counters.
    pub stats: Arc<RouteStats>,
    /// Those of them that nobody wants to see.
    pub hidden: HiddenSeries,
    /// Something that concerns it is wrong in the file: it answers 503.
    pub quarantined: bool,
}

/// When a certificate of a configuration ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateEnd {
    /// `server`, `client` or `authority`.
    pub kind: &'static str,
    /// The id of the entity, or the setting that names it.
    pub id: Arc<str>,
    /// The server name that it stands for; empty for others.
    pub sni: String,
    /// In seconds since 1970; negative before.
    pub not_after: i64,
}

/// The ids of plugins by their handlers. Beside the chains, since no request asks for them.
#[derive(Debug, Default)]
pub struct Origins(HashMap<usize, Arc<str>>);

impl Origins {
    /// The id of the plugin that a handler of this configuration was compiled from.
    pub fn of(&self, handler: &Arc<dyn Handler>) -> Option<&Arc<str>> {
        self.0.get(&address(handler))
    }
}

impl<'a> FromIterator<(&'a Arc<dyn Handler>, &'a Arc<str>)> for Origins {
    fn from_iter<T: IntoIterator<Item = (&'a Arc<dyn Handler>, &'a Arc<str>)>>(plugins: T) -> Self {
        Self(plugins.into_iter().map(|(handler, id)| (address(handler), Arc::clone(id))).collect())
    }
}

/// No two handlers that live at the same time have the same: each `Arc` has its counters.
fn address(handler: &Arc<dyn Handler>) -> usize {
    Arc::as_ptr(handler).cast::<()>().addr()
}

/// How many entities a configuration serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub services: usize,
    pub routes: usize,
    pub plugins: usize,
    pub consumers: usize,
}

impl Snapshot {
    /// Takes over the counters of the routes that another snapshot has, too, and the care of key sets.
    pub(crate) fn inherit(&mut self, earlier: &Self) {
        let stays = |set: &&Arc<LiveSet>| self.key_sets.iter().any(|other| Arc::ptr_eq(set, other));
        earlier.key_sets.iter().filter(|set| !stays(set)).for_each(|set| set.serve(false));
        self.key_sets.iter().for_each(|set| set.serve(true));
        let known: HashMap<&str, &Arc<RouteStats>> =
            earlier.routes.iter().map(|entry| (&*entry.route.id, &entry.stats)).collect();
        for entry in &mut self.routes {
            if let Some(stats) = known.get(&*entry.route.id).filter(|stats| stats.has_labels_of(&entry.stats)) {
                entry.stats = Arc::clone(stats);
            }
        }
        self.unrouted = Arc::clone(&earlier.unrouted);
    }

    /// Takes the routes of these ids out of service.
    pub(crate) fn quarantine(&mut self, ids: &HashSet<Arc<str>>) {
        for entry in self.routes.iter_mut().filter(|entry| ids.contains(&entry.route.id)) {
            // What was compiled of it may lack the very plugin that guards it.
            (entry.quarantined, entry.upstream, entry.chain) = (true, None, Chain::default());
        }
    }

    /// How many routes are out of service.
    pub fn quarantined(&self) -> usize {
        self.routes.iter().filter(|entry| entry.quarantined).count()
    }

    /// The entry at a position that the router gave.
    pub fn entry(&self, position: u32) -> Option<&RouteEntry> {
        self.routes.get(usize::try_from(position).ok()?)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { services, routes, plugins, consumers } = self;
        let s = |count: &usize| if *count == 1 { "" } else { "s" };
        write!(f, "{services} service{}, {routes} route{}, ", s(services), s(routes))?;
        write!(f, "{plugins} plugin{}, {consumers} consumer{}", s(plugins), s(consumers))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("counts", &self.counts)
            .field("key_sets", &self.key_sets)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
