//! The JSON Schema of a declarative file, with the plugins that are registered.

use serde_json::{Map, Value, json};
use signet_plugin_api::{CredentialKind, Registration, Registry};

use super::{
    entities,
    relaxed::{Owner, SECRET, nullable, relax, switched_on},
};
use crate::config::CREDENTIALS;

/// A schema of draft-07, which every editor knows. Its words mean the same in draft 2020-12.
pub(crate) fn file(registry: &Registry) -> Value {
    let mut definitions = entities();
    definitions.values_mut().for_each(|schema| relax(schema, Owner::Loader));
    definitions.insert(SECRET.to_owned(), secret());
    for kind in kinds(registry) {
        let schema = credential(&kind, &definitions);
        definitions.insert(format!("credential-{}", kind.collection), schema);
    }
    for owner in ["file", "consumer"] {
        if let Some(properties) = properties(definitions.get_mut(owner)) {
            properties.extend(collections(registry));
        }
    }
    for plugin in registry.iter() {
        definitions.insert(format!("config-{}", plugin.name), config(plugin));
    }
    if let Some(Value::Object(plugin)) = definitions.get_mut("plugin") {
        choose(plugin, registry);
    }
    for (name, schema) in &mut definitions {
        if !name.contains('-')
            && let Some(properties) = properties(Some(schema))
        {
            // Kong's notes to its readers.
            properties.extend(["_comment", "_ignore"].map(|note| (note.to_owned(), Value::Bool(true))));
        }
    }
    let mut root = match definitions.remove("file") {
        Some(Value::Object(root)) => root,
        _ => Map::new(),
    };
    root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    root.insert("title".to_owned(), json!("A declarative file of Signet"));
    root.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(root)
}

fn secret() -> Value {
    json!({
        "type": "string",
        "pattern": r"^\{vault://.+\}$",
        "description": "A secret of the environment, as in {vault://env/name}.",
    })
}

fn kinds(registry: &Registry) -> Vec<CredentialKind> {
    registry.iter().flat_map(|plugin| plugin.credentials).copied().collect()
}

/// Lists of credentials, also of those that nothing reads.
fn collections(registry: &Registry) -> Map<String, Value> {
    let mut collections: Map<String, Value> = CREDENTIALS
        .into_iter()
        .map(|name| (name.to_owned(), json!({"description": "Nothing reads them: their plugin is not there."})))
        .collect();
    for kind in kinds(registry) {
        let item = json!({"$ref": format!("#/$defs/credential-{}", kind.collection)});
        let mut list = json!({"type": "array", "items": item, "description": "Credentials of consumers."});
        relax(&mut list, Owner::Loader);
        nullable(&mut list);
        collections.insert(kind.collection.to_owned(), list);
    }
    collections
}

/// A credential's own fields, and those that all have.
fn credential(kind: &CredentialKind, definitions: &Map<String, Value>) -> Value {
    let mut schema = kind.schema();
    relax(&mut schema, Owner::Plugin);
    let common = definitions.get("plugin").and_then(|plugin| plugin.get("properties"));
    if let (Some(properties), Some(common)) = (properties(Some(&mut schema)), common) {
        for field in ["id", "consumer", "created_at", "tags"] {
            properties.extend(common.get(field).map(|schema| (field.to_owned(), schema.clone())));
        }
        properties.extend(["_comment", "_ignore"].map(|note| (note.to_owned(), Value::Bool(true))));
        if let Some(Value::Object(owner)) = properties.get_mut("consumer") {
            owner.insert("description".to_owned(), json!("Whose it is, where it is not nested in its consumer."));
        }
    }
    schema
}

fn config(plugin: &Registration) -> Value {
    let mut schema = plugin.schema();
    relax(&mut schema, Owner::Plugin);
    if schema.get("required").is_none() {
        nullable(&mut schema);
    }
    rebase(&mut schema, &format!("#/$defs/config-{}/$defs/", plugin.name));
    schema
}

/// A type that holds itself refers to its own definitions, which stand elsewhere now.
fn rebase(schema: &mut Value, to: &str) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/").filter(|name| *name != SECRET)
            {
                *target = format!("{to}{name}");
            }
            members.values_mut().for_each(|inner| rebase(inner, to));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| rebase(inner, to)),
        _ => {}
    }
}

/// `name` says what `config` is.
fn choose(plugin: &mut Map<String, Value>, registry: &Registry) {
    let names: Vec<&str> = registry.iter().map(|plugin| plugin.name).collect();
    if let Some(Value::Object(properties)) = plugin.get_mut("properties") {
        properties.insert("name".to_owned(), json!({"enum": names, "description": "Which plugin."}));
        // That of a plugin which is switched off is not read.
        properties.insert("config".to_owned(), json!({"description": "What it does."}));
    }
    plugin.insert("allOf".to_owned(), registry.iter().map(chosen).collect());
}

fn chosen(plugin: &Registration) -> Value {
    let config = json!({"$ref": format!("#/$defs/config-{}", plugin.name)});
    let needed = if plugin.schema().get("required").is_some() { vec!["config"] } else { Vec::new() };
    json!({
        "if": {
            "properties": {"name": {"const": plugin.name}, "enabled": {"enum": switched_on()}},
            "required": ["name"],
        },
        "then": {"properties": {"config": config}, "required": needed},
    })
}

fn properties(schema: Option<&mut Value>) -> Option<&mut Map<String, Value>> {
    schema?.get_mut("properties")?.as_object_mut()
}
