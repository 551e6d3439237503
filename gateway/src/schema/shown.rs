//! A configuration as people may see it: defaults filled in, secrets hidden.

use serde_json::{Map, Value};
use signet_plugin_api::RawConfig;
use zeroize::{Zeroize, Zeroizing};

/// What stands in the place of a secret.
pub(crate) const HIDDEN: &str = "***";

/// A configuration by its schema (of the form of [`signet_plugin_api::Registration::schema`]). What the schema does not know
/// is left out: it could be a secret.
fn shown(config: &Value, schema: &Value) -> Value {
    match config {
        Value::Null => Value::Null,
        _ if schema.get("writeOnly").is_some_and(|secret| secret == true) => Value::from(HIDDEN),
        Value::Object(members) => match schema.get("properties") {
            Some(Value::Object(properties)) => Value::Object(record(members, properties)),
            _ => Value::Object(map(members, schema.get("additionalProperties"))),
        },
        Value::Array(items) => match schema.get("items") {
            Some(schema) => items.iter().map(|item| shown(item, schema)).collect(),
            None => config.clone(),
        },
        _ => config.clone(),
    }
}

/// The same for a configuration of a file.
pub(crate) fn shown_raw(config: &RawConfig, schema: &Value) -> Value {
    // With the names of what was null, which is meant where the schema mentions null.
    let text = Zeroizing::new(config.content());
    let Ok((mut members, nulls)) = serde_json::from_str::<(Map<String, Value>, Vec<String>)>(&text) else {
        return Value::Null;
    };
    members.extend(nulls.into_iter().filter(|name| null_is_meant(schema, name)).map(|name| (name, Value::Null)));
    let mut whole = Value::Object(members);
    let shown = shown(&whole, schema);
    wipe(&mut whole);
    shown
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

fn null_is_meant(schema: &Value, name: &str) -> bool {
    let kinds = schema.get("properties").and_then(|properties| properties.get(name)?.get("type")?.as_array());
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"))
}

fn record(members: &Map<String, Value>, properties: &Map<String, Value>) -> Map<String, Value> {
    let field = |(name, schema): (&String, &Value)| {
        let value = match members.get(name) {
            Some(value) => shown(value, schema),
            None => match schema.get("default") {
                Some(default) => shown(default, schema),
                None => Value::Null,
            },
        };
        (name.clone(), value)
    };
    properties.iter().map(field).collect()
}

fn map(members: &Map<String, Value>, schema: Option<&Value>) -> Map<String, Value> {
    match schema {
        Some(schema @ Value::Object(_)) => {
            members.iter().map(|(name, value)| (name.clone(), shown(value, schema))).collect()
        }
        Some(Value::Bool(false)) => Map::new(),
        _ => members.clone(),
    }
}
