//! A configuration as what it does: two files that do the same have the same picture, whatever their order and form.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::Value;
use signet_plugin_api::RawConfig;
use zeroize::Zeroizing;

use crate::{
    config::{KeyMaterial, Loaded, Model},
    explain::{Blueprint, Field, PluginFacts},
    runtime::{RouteEntry, Snapshot},
    schema::HIDDEN,
};

/// What serves no request, and what two dumps of the same configuration may differ in.
const NO_EFFECT: [&str; 5] = ["id", "name", "tags", "created_at", "updated_at"];

/// Fields by entity, entities by kind.
pub(super) type Picture = BTreeMap<&'static str, BTreeMap<String, Fields>>;
/// The fields of one entity.
pub(super) type Fields = BTreeMap<String, Field>;

/// What stands beside the routes; taken before compiling.
pub(super) fn beside_routes(loaded: &Loaded) -> Picture {
    let model = &loaded.model;
    Picture::from([
        ("consumer", consumers(model)),
        ("consumer group", consumer_groups(model)),
        ("credential", credentials(model)),
        ("certificate", certificates(model)),
        ("ca certificate", authorities(model)),
        ("key set", key_sets(model)),
        ("key", keys(model)),
    ])
}

/// Every route that serves, with what it leads to, and the plugins that stand on some callers.
pub(super) fn routes(snapshot: &Snapshot, blueprint: &Blueprint) -> Picture {
    let mut routes = BTreeMap::new();
    for entry in &snapshot.routes {
        let fields = route(entry, snapshot, blueprint);
        let label = entry.route.name.as_ref().map_or_else(|| unnamed(&fields), ToString::to_string);
        let same = (2..).map(|number| format!("{label} #{number}"));
        let free = std::iter::once(label.clone()).chain(same).find(|label| !routes.contains_key(label));
        routes.insert(free.unwrap_or(label), fields);
    }
    let of_callers =
        blueprint.plugins.iter().filter(|plugin| plugin.enabled && plugin.on_requests && is_of_callers(plugin));
    let plugins = of_callers.map(|plugin| (format!("{} on {}", plugin.name, plugin.scope), plugin.fields.clone()));
    Picture::from([("route", routes), ("plugin", plugins.collect())])
}

/// The entities of one kind, by their names.
type Kind = BTreeMap<String, Fields>;

fn consumers(model: &Model) -> Kind {
    let consumers = model.consumers.iter().map(|decl| {
        let mut groups: Vec<&str> = decl.consumer.groups.iter().map(|group| &*group.name).collect();
        groups.sort_unstable();
        let of = fields([
            ("username", open(&decl.consumer.username)),
            ("custom_id", open(&decl.consumer.custom_id)),
            ("tags", open(&decl.consumer.tags)),
            ("groups", open(&groups)),
        ]);
        (name_of(&decl.consumer), of)
    });
    consumers.collect()
}

fn consumer_groups(model: &Model) -> Kind {
    model.consumer_groups.iter().map(|decl| (decl.group.name.to_string(), Fields::new())).collect()
}

fn credentials(model: &Model) -> Kind {
    let label = |at: usize| model.consumers.get(at).map(|decl| name_of(&decl.consumer)).unwrap_or_default();
    let credentials = model.credentials.iter().map(|decl| {
        let entity = format!("{} of {}: {}", decl.collection, label(decl.consumer), decl.id);
        (entity, fields([("content", secret(&content(&decl.fields)))]))
    });
    credentials.collect()
}

fn certificates(model: &Model) -> Kind {
    let certificates = model.certificates.iter().map(|decl| {
        let mut names: Vec<&str> = decl.snis.iter().map(|sni| &*sni.name).collect();
        names.sort_unstable();
        let mut all = vec![decl.cert.as_bytes(), decl.key.as_bytes()];
        all.extend(decl.alternative.iter().flat_map(|(cert, key)| [cert.as_bytes(), key.as_bytes()]));
        let pair = Zeroizing::new(all.concat());
        (decl.id.to_string(), fields([("snis", open(&names)), ("certificate and key", secret(&pair))]))
    });
    certificates.collect()
}

fn authorities(model: &Model) -> Kind {
    let of = |cert: &[u8]| fields([("certificate", secret(cert))]);
    model.ca_certificates.iter().map(|decl| (decl.id.to_string(), of(decl.cert.as_bytes()))).collect()
}

fn key_sets(model: &Model) -> Kind {
    let key_sets = model.key_sets.iter().map(|decl| {
        let of = fields([
            ("directory", open(&decl.directory)),
            ("algorithm", open(&decl.algorithm.map(|algorithm| format!("{algorithm:?}")))),
            ("rotate_every", open(&decl.rotate_every)),
            ("publish_before", open(&decl.publish_before)),
            ("retire_after", open(&decl.retire_after)),
        ]);
        (decl.name.as_ref().unwrap_or(&decl.id).to_string(), of)
    });
    key_sets.collect()
}

fn keys(model: &Model) -> Kind {
    let keys = model.keys.iter().map(|decl| {
        let set = decl.set.and_then(|at| model.key_sets.get(at)).map(|set| set.name.as_ref().unwrap_or(&set.id));
        let of = fields([
            ("set", open(&set)),
            ("kid", open(&decl.kid)),
            ("not_before", open(&decl.not_before)),
            ("not_after", open(&decl.not_after)),
            ("key", secret(&material(decl.material.as_ref()))),
        ]);
        (decl.name.as_ref().unwrap_or(&decl.id).to_string(), of)
    });
    keys.collect()
}

fn route(entry: &RouteEntry, snapshot: &Snapshot, blueprint: &Blueprint) -> Fields {
    let mut fields = members("", &*entry.route);
    if entry.quarantined {
        fields.insert("quarantined".to_owned(), open(&true));
    }
    if let Some(upstream) = &entry.upstream {
        fields.extend(members("service.", &*upstream.service));
        let facts = blueprint.services.get(&upstream.service.id);
        let mut authorities = facts.and_then(|facts| facts.ca_certificates.clone());
        authorities.iter_mut().for_each(|all| all.sort_unstable());
        fields.insert("service.ca_certificates".to_owned(), open(&authorities));
        fields.insert(
            "service.client_certificate".to_owned(),
            open(&facts.and_then(|facts| facts.client_certificate.clone())),
        );
    }
    for (name, handler) in entry.chain.for_everybody() {
        let Some(plugin) = snapshot.origins.of(handler).and_then(|id| blueprint.plugin(id)) else { continue };
        fields.insert(format!("plugin {name}"), open(&"runs"));
        fields.extend(plugin.fields.iter().map(|(field, value)| (format!("plugin {name}.{field}"), value.clone())));
    }
    fields
}

/// What tells a route without a name from others, wherever it stands in its file.
fn unnamed(fields: &Fields) -> String {
    let conditions = ["hosts", "paths", "methods", "headers", "snis", "protocols"];
    let parts = conditions.iter().filter_map(|name| Some(format!("{name} {}", fields.get(*name)?.value)));
    format!("without a name ({})", parts.collect::<Vec<_>>().join(", "))
}

fn is_of_callers(plugin: &PluginFacts) -> bool {
    plugin.on.consumer.is_some() || plugin.on.group.is_some()
}

/// The members of an entity that have an effect. Lists of conditions have no order.
fn members(prefix: &str, entity: &impl Serialize) -> Fields {
    let Ok(Value::Object(members)) = serde_json::to_value(entity) else { return Fields::new() };
    let kept = members.into_iter().filter(|(name, _)| !NO_EFFECT.contains(&name.as_str()));
    kept.map(|(name, mut value)| {
        if let Value::Array(items) = &mut value {
            items.sort_by_key(ToString::to_string);
        }
        (format!("{prefix}{name}"), open(&value))
    })
    .collect()
}

fn fields<const N: usize>(all: [(&str, Field); N]) -> Fields {
    all.into_iter().filter(|(_, field)| !field.value.is_null()).map(|(name, field)| (name.to_owned(), field)).collect()
}

fn open(value: &impl Serialize) -> Field {
    let value = serde_json::to_value(value).unwrap_or_default();
    Field { digest: sha256(value.to_string().as_bytes()), value, given: true }
}

fn secret(content: &[u8]) -> Field {
    Field { digest: sha256(content), value: HIDDEN.into(), given: true }
}

fn content(raw: &RawConfig) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(raw.content().into_bytes())
}

fn material(material: Option<&KeyMaterial>) -> Zeroizing<Vec<u8>> {
    let text = match material {
        Some(KeyMaterial::Jwk(jwk)) => jwk.as_str().to_owned(),
        Some(KeyMaterial::Pem { private, public }) => {
            [private, public].iter().filter_map(|half| Some(half.as_ref()?.as_str())).collect()
        }
        Some(KeyMaterial::File(path)) => path.display().to_string(),
        None => String::new(),
    };
    Zeroizing::new(text.into_bytes())
}

fn name_of(consumer: &signet_plugin_api::Consumer) -> String {
    consumer.username.as_ref().or(consumer.custom_id.as_ref()).unwrap_or(&consumer.id).to_string()
}

fn sha256(content: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, content).as_ref());
    bytes
}
