//! Routes to chains, all routes to one router.

use std::sync::Arc;

use signet_plugin_api::{ConfigError, Service};

use super::{Problems, plugins::Placed, upstreams::Sources};
use crate::{
    config::{RouteDecl, ServiceDecl},
    runtime::{RouteEntry, RouteStats, chain::Chain, router::Router},
};

/// Compiles the routes that serve. Those of a disabled service do not, as in Kong.
pub(super) fn compile(
    services: &[ServiceDecl],
    routes: &[RouteDecl],
    placed: &Placed<'_, '_>,
    sources: &Sources<'_>,
    problems: &mut Problems,
) -> Option<(Router, Vec<RouteEntry>)> {
    let upstreams: Vec<_> = services.iter().map(|decl| sources.upstream(decl, problems)).collect();
    let is_served = |decl: &&RouteDecl| {
        decl.service.and_then(|service| services.get(service)).is_none_or(|service| service.service.enabled)
    };
    let mut entries = Vec::with_capacity(routes.len());
    let mut served = Vec::with_capacity(routes.len());
    for (position, decl) in routes.iter().enumerate().filter(|(_, decl)| is_served(decl)) {
        let upstream = decl.service.and_then(|service| upstreams.get(service)?.clone());
        let (slots, needing_service) = placed.slots(position, decl.service);
        if decl.service.is_none() {
            for instance in needing_service {
                let name = decl.route.name.as_deref().unwrap_or(&decl.route.id);
                let reason =
                    format!("`{}` needs a service, and route `{name}` ({}) has none", instance.plugin.name, decl.at);
                problems.mistake(&instance.at, ConfigError::new("", reason));
            }
        }
        let service_label = upstream.as_ref().map_or("", |upstream| label(&upstream.service));
        let route_label = decl.route.name.as_deref().unwrap_or(&decl.route.id);
        let chain = Chain::new(slots);
        entries.push(RouteEntry {
            route: Arc::clone(&decl.route),
            hidden: chain.hidden_series(),
            chain,
            stats: Arc::new(RouteStats::new(service_label, route_label)),
            upstream,
            quarantined: false,
        });
        served.push(decl);
    }
    let plain: Vec<_> = entries.iter().map(|entry| Arc::clone(&entry.route)).collect();
    match Router::build(&plain) {
        Ok(router) => Some((router, entries)),
        Err(errors) => {
            for (position, error) in errors {
                let at = served.get(position).map(|decl| decl.at.clone()).unwrap_or_default();
                problems.mistake(&at, error);
            }
            None
        }
    }
}

fn label(service: &Service) -> &str {
    service.name.as_deref().unwrap_or(&service.id)
}
