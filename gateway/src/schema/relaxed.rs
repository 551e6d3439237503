//! From what a configuration means to all the ways in which a file may write it.

use serde_json::{Map, Value, json};

/// The words of YAML 1.1 that are taken for true and false, as Kong's parser does.
pub(super) const TRUE: [&str; 6] = ["yes", "Yes", "YES", "on", "On", "ON"];
const FALSE: [&str; 6] = ["no", "No", "NO", "off", "Off", "OFF"];

/// What a reference to a secret is written as.
pub(super) const SECRET: &str = "secret-reference";

/// Whose schema is relaxed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The loader's: `{}` is an empty list there, as Kong's own dumps have it.
    Loader,
    /// A plugin's.
    Plugin,
}

/// Null for what can be left out, words for booleans, and references to secrets for texts of a certain form.
pub(super) fn relax(schema: &mut Value, owner: Owner) {
    let Value::Object(members) = schema else { return };
    inner(members, owner);
    if owner == Owner::Plugin && members.get("additionalProperties").is_some_and(|others| others == false) {
        // What is null is as good as not there, whatever its name.
        members.insert("additionalProperties".to_owned(), json!({"type": "null"}));
    }
    if let Some(only) = members.get("const").filter(|only| only.is_object() || only.is_array()).map(exactly) {
        members.remove("const");
        members.extend(only);
    }
    match members.get("type").and_then(Value::as_str) {
        Some("boolean") => booleans(members),
        Some("string") if members.contains_key("enum") || members.contains_key("pattern") => referable(members),
        Some("array") if owner == Owner::Loader => {
            members.insert("type".to_owned(), json!(["array", "object"]));
            members.insert("maxProperties".to_owned(), json!(0));
        }
        _ => {}
    }
    // An editor would write it out.
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
}

/// The values that switch a plugin on.
pub(super) fn switched_on() -> Vec<Value> {
    [Value::Null, Value::Bool(true)].into_iter().chain(TRUE.map(Value::from)).collect()
}

/// A schema, or null.
pub(super) fn nullable(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if let Some(only) = members.remove("const") {
        members.insert("enum".to_owned(), json!([only]));
    }
    if let Some(target) = members.remove("$ref") {
        members.insert("anyOf".to_owned(), json!([{"$ref": target}]));
    }
    if let Some(Value::Array(words)) = members.get_mut("enum")
        && !words.contains(&Value::Null)
    {
        words.push(Value::Null);
        if let Some(Value::Array(told)) = members.get_mut("enumDescriptions") {
            told.push(json!(""));
        }
    }
    match members.get_mut("type") {
        Some(Value::Array(kinds)) if !kinds.contains(&json!("null")) => kinds.push(json!("null")),
        Some(Value::Array(_)) => {}
        Some(kind) => *kind = json!([kind.take(), "null"]),
        None => {
            if let Some(Value::Array(options)) = members.get_mut("anyOf") {
                options.push(json!({"type": "null"}));
            }
        }
    }
}

/// Exactly this, where nulls may stand in mappings.
fn exactly(value: &Value) -> Map<String, Value> {
    let schema = match value {
        Value::Object(members) => {
            let properties: Map<_, _> =
                members.iter().map(|(name, value)| (name.clone(), Value::Object(exactly(value)))).collect();
            let names: Vec<&String> = members.keys().collect();
            json!({
                "type": "object",
                "properties": properties,
                "required": names,
                "additionalProperties": {"type": "null"},
            })
        }
        Value::Array(items) => {
            let options: Vec<Map<_, _>> = items.iter().map(exactly).collect();
            json!({"type": "array", "minItems": items.len(), "maxItems": items.len(), "items": {"anyOf": options}})
        }
        other => json!({"const": other}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn inner(members: &mut Map<String, Value>, owner: Owner) {
    let required = members.get("required").cloned().unwrap_or_default();
    let is_required = |name: &String| required.as_array().is_some_and(|all| all.iter().any(|known| known == name));
    for by_name in ["properties", "$defs"] {
        let Some(Value::Object(properties)) = members.get_mut(by_name) else { continue };
        for (name, property) in properties {
            relax(property, owner);
            if by_name == "properties" && !is_required(name) {
                nullable(property);
            }
        }
    }
    for one in ["items", "additionalProperties"] {
        if let Some(schema) = members.get_mut(one) {
            relax(schema, owner);
        }
    }
    for list in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(options)) = members.get_mut(list) {
            options.iter_mut().for_each(|option| relax(option, owner));
        }
    }
}

fn booleans(members: &mut Map<String, Value>) {
    let words = TRUE.into_iter().chain(FALSE).map(Value::from);
    let all: Vec<Value> = [Value::Bool(true), Value::Bool(false)].into_iter().chain(words).collect();
    members.insert("type".to_owned(), json!(["boolean", "string"]));
    members.insert("enum".to_owned(), Value::Array(all));
}

fn referable(members: &mut Map<String, Value>) {
    let mut plain = Map::new();
    for word in ["type", "enum", "enumDescriptions", "pattern", "minLength"] {
        if let Some(value) = members.remove(word) {
            plain.insert(word.to_owned(), value);
        }
    }
    members.insert("anyOf".to_owned(), json!([plain, {"$ref": format!("#/$defs/{SECRET}")}]));
}
