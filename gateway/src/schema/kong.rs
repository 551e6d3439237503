//! Schemas in the shape in which Kong's Admin API shows its own: `/schemas/{entity}`, `/schemas/plugins/{name}`.

use serde_json::{Map, Value, json};
use signet_plugin_api::Registry;

use super::entities;

/// Words of JSON Schema and Kong's for the same.
const SAME: [(&str, &str); 5] = [
    ("default", "default"),
    ("enum", "one_of"),
    ("const", "eq"),
    ("minLength", "len_min"),
    ("description", "description"),
];

/// The schema of one plugin. None: there is no such plugin.
pub(crate) fn plugin_fields(registry: &Registry, name: &str) -> Option<Value> {
    let config = record(&registry.get(name)?.schema());
    let mut fields: Vec<Value> = fields(entities().get("plugin")?)
        .into_iter()
        .filter(|field| {
            ["protocols", "service", "route", "consumer", "consumer_group"]
                .iter()
                .any(|shared| field.get(*shared).is_some())
        })
        .collect();
    fields.push(json!({"config": with(config, "required", Value::Bool(true))}));
    Some(json!({"entity_checks": [], "fields": fields}))
}

/// The schema of a kind of entity by its plural: `services`; also of credentials. None: there is no such kind.
pub(crate) fn entity_fields(registry: &Registry, plural: &str) -> Option<Value> {
    let mut credentials = registry.iter().flat_map(|plugin| plugin.credentials);
    if let Some(kind) = credentials.find(|kind| kind.collection == plural) {
        return Some(json!({"entity_checks": [], "fields": fields(&kind.schema())}));
    }
    let singular = plural.strip_suffix('s').filter(|singular| *singular != "file")?;
    let entity = entities().remove(singular)?;
    entity.get("properties")?;
    Some(json!({"entity_checks": [], "fields": fields(&entity)}))
}

/// The fields of a record, each as an object of one member.
fn fields(schema: &Value) -> Vec<Value> {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &String| required.is_some_and(|all| all.iter().any(|known| known == name));
    let field = |(name, property): (&String, &Value)| {
        let field = field(property)?;
        // Kong's fields with a default are never null.
        let filled = property.get("default").is_some_and(|default| !default.is_null());
        let field = if filled || is_required(name) { with(field, "required", Value::Bool(true)) } else { field };
        Some(json!({name: field}))
    };
    properties.iter().filter_map(field).collect()
}

fn record(schema: &Value) -> Value {
    json!({"type": "record", "fields": fields(schema)})
}

/// One field. None: what is nested in an entity is no field of Kong's.
fn field(schema: &Value) -> Option<Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let singular = reference.strip_prefix("#/$defs/reference-")?;
        return Some(described(json!({"type": "foreign", "reference": format!("{singular}s")}), schema));
    }
    let first = schema.get("anyOf").and_then(Value::as_array).and_then(|options| options.first());
    let kind = kind(schema).or_else(|| kind(first?));
    let shape = match kind {
        Some("array") => {
            let elements = schema.get("items").map_or_else(|| Some(json!({"type": "string"})), field)?;
            json!({"type": "array", "elements": elements})
        }
        Some("object") if schema.get("properties").is_some() => record(schema),
        Some("object") => {
            let values = schema.get("additionalProperties").filter(|values| values.is_object()).and_then(field);
            let values = values.unwrap_or_else(|| json!({"type": "any"}));
            json!({"type": "map", "keys": {"type": "string"}, "values": values})
        }
        Some(kind) => json!({"type": kind}),
        // Kong's words are texts and numbers: one of two empty things is not among them.
        None if accepted_empty(schema) => {
            return Some(json!({"type": "any", "description": schema.get("description")}));
        }
        None => json!({"type": of_default(schema)}),
    };
    Some(described(shape, schema))
}

fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(kinds) => kinds.first()?.as_str(),
        kind => kind.as_str(),
    }
}

fn accepted_empty(schema: &Value) -> bool {
    let words = schema.get("enum").and_then(Value::as_array);
    words.is_some_and(|words| words.iter().any(|word| word.is_array() || word.is_object()))
}

/// The type of a field that is accepted at its default alone.
fn of_default(schema: &Value) -> &'static str {
    match schema.get("default") {
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "record",
        _ => "string",
    }
}

fn described(mut shape: Value, schema: &Value) -> Value {
    for (ours, kongs) in SAME {
        if let Some(value) = schema.get(ours).filter(|value| !value.is_null()) {
            shape = with(shape, kongs, value.clone());
        }
    }
    shape = match (schema.get("minimum"), schema.get("maximum")) {
        (Some(from), Some(to)) => with(shape, "between", json!([from, to])),
        (Some(from), None) => with(shape, "between", json!([from, i64::MAX])),
        _ => shape,
    };
    if schema.get("writeOnly").is_some() {
        shape = with(with(shape, "encrypted", Value::Bool(true)), "referenceable", Value::Bool(true));
    }
    shape
}

fn with(mut shape: Value, member: &str, value: Value) -> Value {
    if let Value::Object(members) = &mut shape {
        members.insert(member.to_owned(), value);
    }
    shape
}
