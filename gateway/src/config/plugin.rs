//! Plugins in their places. Their configuration is taken as it is; the plugin itself decodes it.

use serde_yaml::Value;
use signet_plugin_api::{Protocol, RawConfig};

use super::{
    PluginDecl, checks,
    draft::{Draft, Parent, Waiting},
    fields::{Fields, kind, nearest, raw, resolve},
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
}

/// Kong's default: all protocols of requests.
const REQUESTS: [Protocol; 6] =
    [Protocol::Grpc, Protocol::Grpcs, Protocol::Http, Protocol::Https, Protocol::Ws, Protocol::Wss];

impl Draft<'_> {
    /// Reads one plugin, when everything that it may refer to is known.
    pub(super) fn plugin(&mut self, waiting: Waiting) {
        let Some(mut fields) = Fields::open(self.cx, waiting.at, waiting.value) else { return };
        let Some(name) = self.available(&mut fields) else { return };
        let named = ["service", "route", "consumer"].map(|key| fields.peek(key));
        let Ok(scope) = self.scope(&mut fields, waiting.parent) else { return };
        let enabled = fields.flag("enabled").unwrap_or(true);
        let config = config(&mut fields, enabled);
        for key in ["ordering", "consumer_group", "partials", "condition"] {
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
            let [service, route, consumer] = self.scope_key(waiting.parent, named);
            ids::derive("plugins", &ids::joined("plugins", &[&name, &route, &service, &consumer]))
        });
        self.plugins.add(&fields, instance_name.as_deref().map(Into::into).as_ref(), &id);
        let _ = (fields.timestamp("created_at"), fields.timestamp("updated_at"));
        let (protocols, tags, at) = (protocol::list(&mut fields, &REQUESTS), fields.tags(), fields.at.clone());
        fields.finish();
        let Scope { service, route, consumer } = scope;
        let decl =
            PluginDecl { name, id, instance_name, enabled, protocols, config, service, route, consumer, tags, at };
        self.model.plugins.push(decl);
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
        let known = &self.cx.known.plugins;
        if known.iter().any(|known| *known == name) {
            return Some(name);
        }
        let reason = match nearest(&name, known.iter().map(AsRef::as_ref)) {
            Some(near) if strsim::damerau_levenshtein(near, &name) <= 2 => {
                format!("plugin `{name}` is not available; did you mean `{near}`?")
            }
            _ => format!("plugin `{name}` is not available"),
        };
        fields.cx.notes.mistake_on_line_of(fields.at.clone(), fields.at.key("name"), reason);
        None
    }

    fn scope(&self, fields: &mut Fields<'_>, parent: Parent) -> Result<Scope, Dangling> {
        let (mut service, mut route, mut consumer) = (None, None, None);
        match parent {
            Parent::File => {}
            Parent::Service(position) => service = Some(position),
            Parent::Route(position) => route = Some(position),
            Parent::Consumer(position) => consumer = Some(position),
        }
        // All three before the first is given up: each that dangles is a mistake of its own.
        let found = (
            self.services.refer(fields, service),
            self.routes.refer(fields, route),
            self.consumers.refer(fields, consumer),
        );
        Ok(Scope { service: found.0?, route: found.1?, consumer: found.2? })
    }

    /// What Kong derives the id from: the id of what the plugin is nested in, and the references as they are written.
    fn scope_key(&self, parent: Parent, [service, route, consumer]: [String; 3]) -> [String; 3] {
        let id = |id: Option<&str>| id.unwrap_or_default().to_owned();
        match parent {
            Parent::File => [service, route, consumer],
            Parent::Service(at) => [id(self.model.services.get(at).map(|decl| &*decl.service.id)), route, consumer],
            Parent::Route(at) => [service, id(self.model.routes.get(at).map(|decl| &*decl.route.id)), consumer],
            Parent::Consumer(at) => [service, route, id(self.model.consumers.get(at).map(|decl| &*decl.consumer.id))],
        }
    }
}

/// The configuration of a plugin that is switched off may name secrets that are not there: it is not read.
fn config(fields: &mut Fields<'_>, enabled: bool) -> RawConfig {
    match fields.take("config") {
        None => RawConfig::default(),
        Some(_) if !enabled => RawConfig::default(),
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
