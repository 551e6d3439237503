//! Plugins: each compiled once, then found by the scope that it stands in.

use std::{collections::HashMap, sync::Arc};

use signet_plugin_api::{ConfigError, Handler, Protocol, Registration, Registry, Resources, Scope};

use super::Problems;
use crate::{
    config::{At, ConsumerDecl, PluginDecl},
    runtime::chain::{ConsumerHandlers, Slot},
};

/// A plugin that runs, with its place.
pub(super) struct Instance<'r> {
    /// What it is.
    pub plugin: &'r Registration,
    /// What it does.
    pub handler: Arc<dyn Handler>,
    /// Where it was declared.
    pub at: At,
    service: Option<usize>,
    route: Option<usize>,
    consumer: Option<usize>,
}

/// Compiles every plugin that is switched on.
pub(super) fn compile<'r>(
    declared: Vec<PluginDecl>,
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
        if decl.consumer.is_some() && !plugin.consumer_scope {
            let reason = format!("`{}` runs before the consumer is known, so it cannot stand on one", decl.name);
            problems.mistake(&decl.at, ConfigError::new("consumer", reason));
            continue;
        }
        let config_at = decl.at.key("config");
        let scope = Scope::new(resources);
        match plugin.compile(decl.config, &scope) {
            Ok(handler) => {
                let PluginDecl { service, route, consumer, at, .. } = decl;
                instances.push(Instance { plugin, handler, at, service, route, consumer });
            }
            Err(errors) => errors.into_iter().for_each(|error| problems.mistake(&config_at, error)),
        }
        scope.into_warnings().into_iter().for_each(|warning| problems.warning(&config_at, warning));
    }
    instances
}

/// As in Kong, `protocols` only tells HTTP from stream: a plugin for https also guards plain requests of its route.
fn runs_on_http(decl: &PluginDecl) -> bool {
    let is_http = |protocol: &Protocol| {
        !matches!(protocol, Protocol::Tcp | Protocol::Tls | Protocol::TlsPassthrough | Protocol::Udp)
    };
    decl.enabled && decl.protocols.iter().any(is_http)
}

type Place = (&'static str, Option<usize>, Option<usize>);

/// The instances of a configuration by name, route and service.
pub(super) struct Placed<'i, 'r> {
    /// The names that are used, in the order in which they run.
    plugins: Vec<&'r Registration>,
    base: HashMap<Place, &'i Instance<'r>>,
    by_consumer: HashMap<Place, (Arc<ConsumerHandlers>, &'i Instance<'r>)>,
}

impl<'i, 'r> Placed<'i, 'r> {
    /// Sorts instances by their scopes.
    pub(super) fn new(instances: &'i [Instance<'r>], consumers: &[ConsumerDecl]) -> Self {
        let mut base = HashMap::new();
        let mut by_consumer: HashMap<Place, (ConsumerHandlers, &Instance<'r>)> = HashMap::new();
        let mut plugins: Vec<&Registration> = Vec::new();
        for instance in instances {
            if !plugins.iter().any(|known| known.name == instance.plugin.name) {
                plugins.push(instance.plugin);
            }
            let place = (instance.plugin.name, instance.route, instance.service);
            match instance.consumer.and_then(|consumer| consumers.get(consumer)) {
                None => drop(base.insert(place, instance)),
                Some(decl) => {
                    let (handlers, _) = by_consumer.entry(place).or_insert_with(|| (HashMap::new(), instance));
                    handlers.insert(Arc::clone(&decl.consumer.id), Arc::clone(&instance.handler));
                }
            }
        }
        plugins.sort_by_key(|plugin| std::cmp::Reverse(plugin.priority));
        let by_consumer =
            by_consumer.into_iter().map(|(place, (map, first))| (place, (Arc::new(map), first))).collect();
        Self { plugins, base, by_consumer }
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

    /// Kong's precedence: consumer with route and service, with route, with service; then route with service; then the
    /// consumer alone; then route, service, global.
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
        let with_consumer = [on_service(Some(route)), Some((name, Some(route), None)), on_service(None)];
        let consumer_alone = Some((name, None, None)).filter(|_| both.is_none());
        let by_consumer: Vec<_> = with_consumer
            .into_iter()
            .chain([consumer_alone])
            .flatten()
            .filter_map(|place| self.by_consumer.get(&place))
            .collect();
        let base = both.or_else(alone).copied();
        if base.is_none() && by_consumer.is_empty() {
            return None;
        }
        let candidates = base.into_iter().chain(by_consumer.iter().map(|(_, first)| *first)).collect();
        let slot = Slot {
            name,
            phases: plugin.phases(),
            base: base.map(|instance| Arc::clone(&instance.handler)),
            by_consumer: by_consumer.into_iter().map(|(handlers, _)| Arc::clone(handlers)).collect(),
        };
        Some((slot, candidates))
    }
}
