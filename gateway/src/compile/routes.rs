//! Services to upstreams, routes to chains, all routes to one router.

use std::sync::Arc;

use http::HeaderValue;
use signet_plugin_api::{ConfigError, Protocol, Service};

use super::{Engine, Problems, plugins::Placed};
use crate::{
    config::{RouteDecl, ServiceDecl},
    runtime::{RouteEntry, RouteStats, Upstream, chain::Chain, router::Router},
};

/// Compiles the routes that serve. Those of a disabled service do not, as in Kong.
pub(super) fn compile(
    services: &[ServiceDecl],
    routes: &[RouteDecl],
    placed: &Placed<'_, '_>,
    engine: &Engine<'_>,
    problems: &mut Problems,
) -> Option<(Router, Vec<RouteEntry>)> {
    let upstreams: Vec<_> = services.iter().map(|decl| upstream(decl, engine, problems)).collect();
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
        entries.push(RouteEntry {
            route: Arc::clone(&decl.route),
            chain: Chain::new(slots),
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

fn upstream(decl: &ServiceDecl, engine: &Engine<'_>, problems: &mut Problems) -> Option<Arc<Upstream>> {
    let service = &decl.service;
    let Ok(host) = HeaderValue::from_str(&authority(service)) else {
        problems.mistake(&decl.at, ConfigError::new("host", "it cannot stand in a Host header"));
        return None;
    };
    let endpoint = engine.resolver.endpoint(&service.host, service.port);
    Some(Arc::new(Upstream::new(Arc::clone(service), host, endpoint, engine.upstream_idle)))
}

/// `Host` of upstream requests: the port is left out when it is the protocol's own.
fn authority(service: &Service) -> String {
    let own_port = match service.protocol {
        Protocol::Https | Protocol::Grpcs | Protocol::Wss => 443,
        _ => 80,
    };
    if service.port == own_port { service.host.clone() } else { format!("{}:{}", service.host, service.port) }
}

fn label(service: &Service) -> &str {
    service.name.as_deref().unwrap_or(&service.id)
}
