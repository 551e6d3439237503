//! What a file says of its entities, without its secrets: what `explain` and `diff` tell beside what is compiled.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value;
use signet_plugin_api::{Consumer, Protocol, Registry};

use super::shown::{Field, fields};
use crate::config::{Loaded, PluginDecl};

/// The entities of one file.
#[derive(Debug, Default)]
pub(crate) struct Blueprint {
    /// All plugins, in the order of the file.
    pub plugins: Vec<PluginFacts>,
    /// By the route's id.
    pub routes: HashMap<Arc<str>, RouteFacts>,
    /// By the service's id.
    pub services: HashMap<Arc<str>, ServiceFacts>,
    /// All of them.
    pub consumers: Vec<Arc<Consumer>>,
}

/// A plugin in one place.
#[derive(Debug)]
pub(crate) struct PluginFacts {
    /// Its UUID.
    pub id: Arc<str>,
    /// What it is.
    pub name: String,
    /// `instance_name`.
    pub instance_name: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// Whether it runs on requests, and not on streams alone.
    pub on_requests: bool,
    /// Its configuration.
    pub fields: BTreeMap<String, Field>,
    /// The ids of what it stands on.
    pub on: Place,
    /// The same for people: `route users`, `global`.
    pub scope: String,
    /// Where it stands.
    pub line: Option<usize>,
}

/// What a plugin stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub service: Option<Arc<str>>,
    pub route: Option<Arc<str>>,
    pub consumer: Option<Arc<str>>,
    pub group: Option<Arc<str>>,
}

/// A route.
#[derive(Debug)]
pub(crate) struct RouteFacts {
    /// Where it stands.
    pub line: Option<usize>,
    /// The id of its service.
    pub service: Option<Arc<str>>,
    /// Its name, else its id.
    pub label: Arc<str>,
}

/// A service.
#[derive(Debug)]
pub(crate) struct ServiceFacts {
    /// Where it stands.
    pub line: Option<usize>,
    /// Its name, else its id.
    pub label: Arc<str>,
    /// Whether it serves.
    pub enabled: bool,
    /// The certificate that it is shown.
    pub client_certificate: Option<Arc<str>>,
    /// The authorities that it is verified by; `None` are the system's.
    pub ca_certificates: Option<Vec<Arc<str>>>,
}

impl Blueprint {
    /// What was loaded, before compiling takes it.
    pub(crate) fn of(loaded: &Loaded, registry: &Registry) -> Self {
        let Loaded { model, places, .. } = loaded;
        let line = |at: &crate::config::At| places.line(&at.to_string());
        let certificate = |at: usize| model.certificates.get(at).map(|decl| Arc::clone(&decl.id));
        let authority = |at: &usize| model.ca_certificates.get(*at).map(|decl| Arc::clone(&decl.id));
        let services = model.services.iter().map(|decl| {
            let facts = ServiceFacts {
                line: line(&decl.at),
                label: Arc::clone(decl.service.name.as_ref().unwrap_or(&decl.service.id)),
                enabled: decl.service.enabled,
                client_certificate: decl.client_certificate.and_then(certificate),
                ca_certificates: decl.ca_certificates.as_ref().map(|all| all.iter().filter_map(authority).collect()),
            };
            (Arc::clone(&decl.service.id), facts)
        });
        let routes = model.routes.iter().map(|decl| {
            let facts = RouteFacts {
                line: line(&decl.at),
                service: decl.service.and_then(|at| Some(Arc::clone(&model.services.get(at)?.service.id))),
                label: Arc::clone(decl.route.name.as_ref().unwrap_or(&decl.route.id)),
            };
            (Arc::clone(&decl.route.id), facts)
        });
        let schemas: HashMap<&str, Value> = registry.iter().map(|plugin| (plugin.name, plugin.schema())).collect();
        let mut blueprint = Self {
            plugins: Vec::with_capacity(model.plugins.len()),
            services: services.collect(),
            routes: routes.collect(),
            consumers: model.consumers.iter().map(|decl| Arc::clone(&decl.consumer)).collect(),
        };
        for decl in &model.plugins {
            let on = Place {
                service: decl.service.and_then(|at| Some(Arc::clone(&model.services.get(at)?.service.id))),
                route: decl.route.and_then(|at| Some(Arc::clone(&model.routes.get(at)?.route.id))),
                consumer: decl.consumer.and_then(|at| Some(Arc::clone(&model.consumers.get(at)?.consumer.id))),
                group: decl.consumer_group.and_then(|at| Some(Arc::clone(&model.consumer_groups.get(at)?.group.id))),
            };
            let group = decl.consumer_group.and_then(|at| Some(&*model.consumer_groups.get(at)?.group.name));
            let scope = blueprint.scope(&on, group);
            let schema = schemas.get(decl.name.as_str()).unwrap_or(&Value::Null);
            blueprint.plugins.push(facts(decl, schema, on, scope, line(&decl.at)));
        }
        blueprint
    }

    /// By id.
    pub(crate) fn plugin(&self, id: &str) -> Option<&PluginFacts> {
        self.plugins.iter().find(|plugin| &*plugin.id == id)
    }

    /// By id, user name or custom id.
    pub(crate) fn consumer(&self, name: &str) -> Option<&Arc<Consumer>> {
        let is = |text: &Option<Arc<str>>| text.as_deref() == Some(name);
        let mut all = self.consumers.iter();
        all.find(|consumer| &*consumer.id == name || is(&consumer.username) || is(&consumer.custom_id))
    }

    /// What a plugin stands on, in words.
    fn scope(&self, on: &Place, group: Option<&str>) -> String {
        let mut parts = Vec::new();
        let label = |id: &Arc<str>| {
            let consumer = self.consumers.iter().find(|consumer| consumer.id == *id);
            Arc::clone(consumer.and_then(|consumer| consumer.username.as_ref()).unwrap_or(id))
        };
        parts.extend(on.consumer.as_ref().map(|id| format!("consumer {}", label(id))));
        parts.extend(group.map(|name| format!("group {name}")));
        parts.extend(on.route.as_ref().and_then(|id| Some(format!("route {}", self.routes.get(id)?.label))));
        parts.extend(on.service.as_ref().and_then(|id| Some(format!("service {}", self.services.get(id)?.label))));
        if parts.is_empty() { "global".to_owned() } else { parts.join(", ") }
    }
}

impl PluginFacts {
    /// Whether it stands on requests of this route: on all of them, or on those of a caller.
    pub(crate) fn is_on(&self, route: &str, service: Option<&str>) -> bool {
        self.on.route.as_deref().is_none_or(|on| on == route)
            && self.on.service.as_deref().is_none_or(|on| Some(on) == service)
    }

    /// Whether it stands on this caller, or on everybody.
    pub(crate) fn is_for(&self, caller: Option<&Consumer>) -> bool {
        let groups = caller.map_or(&[][..], |caller| &caller.groups);
        self.on.consumer.as_ref().is_none_or(|on| caller.is_some_and(|caller| caller.id == *on))
            && self.on.group.as_ref().is_none_or(|on| groups.iter().any(|group| group.id == *on))
    }
}

fn facts(decl: &PluginDecl, schema: &Value, on: Place, scope: String, line: Option<usize>) -> PluginFacts {
    let is_request = |protocol: &Protocol| !protocol.is_stream();
    PluginFacts {
        id: Arc::clone(&decl.id),
        name: decl.name.clone(),
        instance_name: decl.instance_name.clone(),
        enabled: decl.enabled,
        on_requests: decl.protocols.iter().any(is_request),
        fields: if decl.enabled { fields(&decl.config, schema) } else { BTreeMap::new() },
        on,
        scope,
        line,
    }
}
