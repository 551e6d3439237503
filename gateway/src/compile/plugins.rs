//! Plugins: each compiled once, then found by the scope that it stands in.

use std::{collections::HashMap, sync::Arc};

use signet_plugin_api::{ConfigError, Handler, Meters, Protocol, RawConfig, Registration, Registry, Resources, Scope};
use zeroize::Zeroizing;

use super::Problems;
use crate::{
    config::{At, ConsumerDecl, ConsumerGroupDecl, PluginDecl, RouteDecl},
    runtime::{
        PluginStats,
        chain::{ConsumerScope, Handlers, Slot},
    },
};

/// A plugin that runs, with its place.
pub(super) struct Instance<'r> {
    /// What it is.
    pub plugin: &'r Registration,
    /// What it does.
    pub handler: Arc<dyn Handler>,
    /// Where it was declared.
    pub at: At,
    /// Its UUID.
    pub id: Arc<str>,
    service: Option<usize>,
    route: Option<usize>,
    consumer: Option<usize>,
    consumer_group: Option<usize>,
}

/// Compiles every plugin that is switched on.
pub(super) fn compile<'r>(
    declared: Vec<PluginDecl>,
    routes: &[RouteDecl],
    registry: &'r Registry,
    resources: &Resources,
    problems: &mut Problems,
) -> Vec<Instance<'r>> {
    let mut instances = Vec::with_capacity(declared.len());
    for decl in declared.into_iter().filter(runs_on_http) {
        let Some(plugin) = registry.get(&decl.name) else {
            problems.mistake(&decl.at, ConfigError::new("name", format!("plugin `{}` is not available", decl.name)));
            continue;
        };
        if let Err(error) = stands_where_it_may(&decl, plugin) {
            problems.mistake(&decl.at, error);
            continue;
        }
        if stands_nowhere(&decl, routes) {
            let reason = "its route belongs to another service, so it never runs, as in Kong";
            problems.warning(&decl.at, ConfigError::new("service", reason));
        }
        let config_at = decl.at.key("config");
        let scope = Scope::new(resources).with_digest(digest(&decl.config));
        match plugin.compile(decl.config, &scope) {
            Ok(handler) => {
                let PluginDecl { id, service, route, consumer, consumer_group, at, .. } = decl;
                instances.push(Instance { plugin, handler, at, id, service, route, consumer, consumer_group });
            }
            Err(errors) => errors.into_iter().for_each(|error| problems.mistake(&config_at, error)),
        }
        scope.into_warnings().into_iter().for_each(|warning| problems.warning(&config_at, warning));
    }
    instances
}

/// The series of plugins, by their names.
pub(super) type Stats = HashMap<&'static str, Arc<PluginStats>>;

/// The series of all plugins that run.
pub(super) fn stats(instances: &[Instance<'_>], meters: &Meters, problems: &mut Problems) -> Stats {
    let mut stats = Stats::new();
    for Instance { plugin, at, .. } in instances {
        if stats.contains_key(plugin.name) {
            continue;
        }
        match PluginStats::of(plugin, meters) {
            Ok(made) => drop(stats.insert(plugin.name, Arc::new(made))),
            Err(error) => problems.mistake(at, ConfigError::new("name", error.to_string())),
        }
    }
    stats
}

fn digest(config: &RawConfig) -> [u8; 32] {
    let content = Zeroizing::new(config.content());
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, content.as_bytes()).as_ref());
    digest
}

fn stands_where_it_may(decl: &PluginDecl, plugin: &Registration) -> Result<(), ConfigError> {
    let on = match (decl.consumer, decl.consumer_group) {
        (Some(_), _) => "consumer",
        (_, Some(_)) => "consumer_group",
        _ => return Ok(()),
    };
    if plugin.consumer_scope {
        return Ok(());
    }
    let reason =
        format!("`{}` acts before the caller is known or on all callers alike: it cannot stand on some", decl.name);
    Err(ConfigError::new(on, reason))
}

/// On a service and on a route that does not lead to it.
fn stands_nowhere(decl: &PluginDecl, routes: &[RouteDecl]) -> bool {
    let route = decl.route.and_then(|route| routes.get(route));
    decl.service.is_some() && route.is_some_and(|route| route.service != decl.service)
}

/// As in Kong, `protocols` only tells HTTP from stream: a plugin for https also guards plain requests of its route.
fn runs_on_http(decl: &PluginDecl) -> bool {
    let is_http = |protocol: &Protocol| {
        !matches!(protocol, Protocol::Tcp | Protocol::Tls | Protocol::TlsPassthrough | Protocol::Udp)
    };
    decl.enabled && decl.protocols.iter().any(is_http)
}

/// A name, a route and a service.
type Place = (&'static str, Option<usize>, Option<usize>);

/// What a scope asks about the caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    Consumer,
    Group,
}

/// The instances of a configuration by name, route and service.
pub(super) struct Placed<'i, 'r> {
    /// The names that are used, in the order in which they run.
    plugins: Vec<&'r Registration>,
    base: HashMap<Place, &'i Instance<'r>>,
    by_caller: HashMap<(Caller, Place), (ConsumerScope, &'i Instance<'r>)>,
    stats: Stats,
}

impl<'i, 'r> Placed<'i, 'r> {
    /// Sorts instances by their scopes.
    pub(super) fn new(
        instances: &'i [Instance<'r>],
        consumers: &[ConsumerDecl],
        groups: &[ConsumerGroupDecl],
        stats: Stats,
    ) -> Self {
        let mut base = HashMap::new();
        let mut by_caller: HashMap<_, (Handlers, &Instance<'r>)> = HashMap::new();
        let mut plugins: Vec<&Registration> = Vec::new();
        for instance in instances {
            if !plugins.iter().any(|known| known.name == instance.plugin.name) {
                plugins.push(instance.plugin);
            }
            let place = (instance.plugin.name, instance.route, instance.service);
            let consumer = instance.consumer.and_then(|consumer| consumers.get(consumer));
            let group = instance.consumer_group.and_then(|group| groups.get(group));
            let (caller, id) = match (consumer, group) {
                (Some(decl), _) => (Caller::Consumer, &decl.consumer.id),
                (None, Some(decl)) => (Caller::Group, &decl.group.id),
                (None, None) => {
                    base.insert(place, instance);
                    continue;
                }
            };
            let (handlers, _) = by_caller.entry((caller, place)).or_insert_with(|| (HashMap::new(), instance));
            handlers.insert(Arc::clone(id), Arc::clone(&instance.handler));
        }
        plugins.sort_by_key(|plugin| std::cmp::Reverse(plugin.priority));
        let by_caller = by_caller.into_iter().map(|((caller, place), (handlers, first))| {
            let scope = match caller {
                Caller::Consumer => ConsumerScope::Consumer(Arc::new(handlers)),
                Caller::Group => ConsumerScope::Group(Arc::new(handlers)),
            };
            ((caller, place), (scope, first))
        });
        Self { plugins, base, by_caller: by_caller.collect(), stats }
    }

    /// The slots of one route's chain, and each plugin that can run in them and needs a service.
    pub(super) fn slots(&self, route: usize, service: Option<usize>) -> (Vec<Slot>, Vec<&'i Instance<'r>>) {
        let mut needing_service = Vec::new();
        let slots = self.plugins.iter().filter_map(|plugin| {
            let (slot, candidates) = self.slot(plugin, route, service)?;
            needing_service.extend(candidates.into_iter().filter(|_| plugin.needs_service));
            Some(slot)
        });
        let slots = slots.collect();
        (slots, needing_service)
    }

    fn slot(
        &self,
        plugin: &'r Registration,
        route: usize,
        service: Option<usize>,
    ) -> Option<(Slot, Vec<&'i Instance<'r>>)> {
        let name = plugin.name;
        let on_service = |route: Option<usize>| service.map(|service| (name, route, Some(service)));
        let both = on_service(Some(route)).and_then(|place| self.base.get(&place));
        let alone = || {
            let places = [Some((name, Some(route), None)), on_service(None), Some((name, None, None))];
            places.into_iter().flatten().find_map(|place| self.base.get(&place))
        };
        let by_caller = self.by_caller(name, route, service, both.is_some());
        let base = both.or_else(alone).copied();
        if base.is_none() && by_caller.is_empty() {
            return None;
        }
        let candidates = base.into_iter().chain(by_caller.iter().map(|(_, first)| *first)).collect();
        let slot = Slot {
            name,
            phases: plugin.phases(),
            timed: plugin.timed,
            stats: self.stats.get(name).map(Arc::clone),
            base: base.map(|instance| Arc::clone(&instance.handler)),
            by_consumer: by_caller.iter().map(|(scope, _)| scope.clone()).collect(),
        };
        Some((slot, candidates))
    }

    /// Kong's precedence: consumer with route and service, group with both; consumer with route, with service; group with
    /// route, with service; then route with service, which hides consumer and group alone; then route, service, global.
    fn by_caller(
        &self,
        name: &'static str,
        route: usize,
        service: Option<usize>,
        both: bool,
    ) -> Vec<&(ConsumerScope, &'i Instance<'r>)> {
        use Caller::{Consumer, Group};
        let on_service = |route: Option<usize>| service.map(|service| (name, route, Some(service)));
        let (on_both, on_route) = (on_service(Some(route)), Some((name, Some(route), None)));
        let alone = Some((name, None, None)).filter(|_| !both);
        let places = [
            (Consumer, on_both),
            (Group, on_both),
            (Consumer, on_route),
            (Consumer, on_service(None)),
            (Group, on_route),
            (Group, on_service(None)),
            (Consumer, alone),
            (Group, alone),
        ];
        places.into_iter().filter_map(|(caller, place)| self.by_caller.get(&(caller, place?))).collect()
    }
}
