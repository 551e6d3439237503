//! Plugins in their places. Their configuration is taken as it is; the plugin itself decodes it.

use serde_yaml::Value;
use signet_plugin_api::{Protocol, RawConfig, nearest};

use super::{
    PluginDecl, bundled, checks,
    draft::{Draft, Parent, Waiting},
    fields::{Fields, kind, raw, resolve},
    ids,
    index::Dangling,
    protocol,
};

/// Where a plugin runs. One of each name can stand there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    service: Option<usize>,
    route: Option<usize>,
    consumer: Option<usize>,
    consumer_group: Option<usize>,
}

/// Kong's default: all protocols of requests.
const REQUESTS: [Protocol; 6] =
    [Protocol::Grpc, Protocol::Grpcs, Protocol::Http, Protocol::Https, Protocol::Ws, Protocol::Wss];

impl Draft<'_> {
    /// Reads one plugin, when everything that it may refer to is known.
    pub(super) fn plugin(&mut self, waiting: Waiting) {
        let Some(mut fields) = Fields::open(self.cx, waiting.at, waiting.value) else { return };
        let Some(name) = self.available(&mut fields) else { return };
        let named = ["service", "route", "consumer", "consumer_group"].map(|key| fields.peek(key));
        let Ok(scope) = self.scope(&mut fields, waiting.parent) else { return };
        let enabled = fields.flag("enabled").unwrap_or(true);
        let config = config(&mut fields, enabled);
        for key in ["ordering", "partials", "condition"] {
            fields.not_implemented(key, None);
        }
        let given = fields.id();
        let instance_name = fields.checked("instance_name", checks::name);
        let place = (name.clone(), scope);
        if let Some(other) = self.plugin_scopes.get(&place) {
            let reason = format!("plugin `{name}` stands in the same place as");
            fields.cx.notes.duplicate(fields.at.key("name"), reason, other.clone());
            return;
        }
        self.plugin_scopes.insert(place, fields.at.clone());
        let id = given.unwrap_or_else(|| {
            let [service, route, consumer, group] = self.scope_key(named, scope);
            let parts: [&str; 5] = [&name, &route, &service, &consumer, &group];
            // Kong without consumer groups has no place for one in its keys.
            let used = if group.is_empty() { 4 } else { 5 };
            ids::derive("plugins", &ids::joined("plugins", parts.get(..used).unwrap_or(&parts)))
        });
        self.plugins.add(&fields, instance_name.as_deref().map(Into::into).as_ref(), &id);
        let (protocols, stamp, at) = (protocol::list(&mut fields, &REQUESTS), fields.stamp(), fields.at.clone());
        fields.finish();
        let Scope { service, route, consumer, consumer_group } = scope;
        self.model.plugins.push(PluginDecl {
            name,
            id,
            instance_name,
            enabled,
            protocols,
            config,
            service,
            route,
            consumer,
            consumer_group,
            stamp,
            at,
        });
    }

    /// The name, when a plugin of that name is registered. Of others nothing is read, so that one mistake tells all.
    fn available(&self, fields: &mut Fields<'_>) -> Option<String> {
        let Some(name) = fields.take("name") else {
            fields.cx.notes.mistake(fields.at.clone(), "a plugin needs a `name`");
            return None;
        };
        let Value::String(name) = name else {
            fields.wrong("name", format!("expected a string, found {}", kind(&name)));
            return None;
        };
        if let Some(trace) = self.cx.trace {
            trace.plugin(&fields.at, &name);
        }
        let known = &self.cx.known.plugins;
        if known.iter().any(|known| *known == name) {
            return Some(name);
        }
        let reason = match nearest(&name, known.iter().map(AsRef::as_ref)) {
            Some(near) if strsim::damerau_levenshtein(near, &name) <= 2 => {
                format!("plugin `{name}` is not available; did you mean `{near}`?")
            }
            _ if bundled::is_kongs(&name) => format!("plugin `{name}` is one of Kong's that is not available yet"),
            _ => format!("plugin `{name}` is not available"),
        };
        fields.cx.notes.mistake_on_line_of(fields.at.clone(), fields.at.key("name"), reason);
        None
    }

    fn scope(&self, fields: &mut Fields<'_>, parent: Parent) -> Result<Scope, Dangling> {
        let (mut service, mut route, mut consumer, mut group) = (None, None, None, None);
        match parent {
            Parent::File => {}
            Parent::Service(position) => service = Some(position),
            Parent::Route(position) => route = Some(position),
            Parent::Consumer(position) => consumer = Some(position),
            Parent::ConsumerGroup(position) => group = Some(position),
        }
        // All of them before the first is given up: each that dangles is a mistake of its own.
        let found = (
            self.services.refer(fields, service),
            self.routes.refer(fields, route),
            self.consumers.refer(fields, consumer),
            self.consumer_groups.refer(fields, group),
        );
        let scope = Scope { service: found.0?, route: found.1?, consumer: found.2?, consumer_group: found.3? };
        if scope.consumer.is_some() && scope.consumer_group.is_some() {
            fields.wrong("consumer_group", "a plugin stands on a consumer or on a consumer group, not on both");
            return Err(Dangling);
        }
        Ok(scope)
    }

    /// What Kong derives the id from: the references as they are written; where there is none, or it is no plain text, the
    /// id of what the plugin stands on.
    fn scope_key(&self, named: [String; 4], scope: Scope) -> [String; 4] {
        let model = &self.model;
        let ids = [
            scope.service.and_then(|at| Some(&model.services.get(at)?.service.id)),
            scope.route.and_then(|at| Some(&model.routes.get(at)?.route.id)),
            scope.consumer.and_then(|at| Some(&model.consumers.get(at)?.consumer.id)),
            scope.consumer_group.and_then(|at| Some(&model.consumer_groups.get(at)?.group.id)),
        ];
        let mut key = named;
        for (name, id) in key.iter_mut().zip(ids).filter(|(name, _)| name.is_empty()) {
            *name = id.map(ToString::to_string).unwrap_or_default();
        }
        key
    }
}

/// The configuration of a plugin that is switched off may name secrets that are not there: it is not read.
fn config(fields: &mut Fields<'_>, enabled: bool) -> RawConfig {
    match fields.take("config") {
        None => RawConfig::default(),
        Some(_) if !enabled && !fields.cx.vaults.keep() => RawConfig::default(),
        Some(mut value @ Value::Mapping(_)) => {
            resolve(fields.cx, &fields.at.key("config"), &mut value);
            match value {
                Value::Mapping(members) => raw(fields.cx, members),
                _ => RawConfig::default(),
            }
        }
        Some(other) => {
            fields.wrong("config", format!("expected a mapping, found {}", kind(&other)));
            RawConfig::default()
        }
    }
}
