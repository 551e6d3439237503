//! The JSON Schema of a configuration, in the one form that everything which shows schemas reads.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::config::from_yaml;

/// The words under which parts of a schema stand that are schemas themselves, one each.
const INNER: [&str; 2] = ["items", "additionalProperties"];
/// The same, by name.
const INNER_BY_NAME: [&str; 3] = ["properties", "patternProperties", "$defs"];
/// The same, as a list.
const INNER_LISTS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// How the formats begin that no other tool knows.
const RUST: [&str; 4] = ["int", "uint", "float", "double"];

/// The schema of `T` with Kong's fields that it lacks: see [`crate::Registration::schema`].
pub(crate) fn of<T: JsonSchema>(at_default: &[(&str, &str)], null_is_meant: &[&str]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    if let Value::Object(members) = &mut schema {
        members.remove("title");
        let properties = members.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(properties) = properties {
            for field in null_is_meant {
                properties.get_mut(*field).map(nullable);
            }
            properties.extend(at_default.iter().map(|(field, default)| ((*field).to_owned(), only(default))));
        }
    }
    schema
}

/// A field that is accepted at `default`, which is YAML.
fn only(default: &str) -> Value {
    let value = from_yaml(default);
    json!({"description": "Not implemented: Kong's default alone is accepted.", "const": value, "default": value})
}

/// Mentions null as one of the types.
fn nullable(property: &mut Value) {
    if let Some(kind) = property.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(words)) = property.get_mut("enum") {
        words.push(Value::Null);
    }
}

/// Brings what `schemars` writes into one form, at any depth.
fn simplify(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    words(members);
    // One of Rust's types, whose bounds stand beside it.
    if members
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| RUST.iter().any(|kind| format.starts_with(kind)))
    {
        members.remove("format");
    }
    if let Some(default) = members.get_mut("default") {
        plain(default);
    }
    INNER.iter().filter_map(|word| members.get_mut(*word).map(simplify)).for_each(drop);
    for word in INNER_LISTS {
        if let Some(Value::Array(inner)) = members.get_mut(word) {
            inner.iter_mut().for_each(simplify);
        }
    }
    for word in INNER_BY_NAME {
        if let Some(Value::Object(inner)) = members.get_mut(word) {
            inner.values_mut().for_each(simplify);
        }
    }
    nulls(members);
}

/// Words with a description each are an enumeration like any other; what describes them stands beside them.
fn words(members: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = members.get("oneOf") else { return };
    let (mut all, mut told) = (Vec::new(), Vec::new());
    for option in options {
        let description = option.get("description").cloned().unwrap_or_else(|| json!(""));
        match (option.get("const"), option.get("enum")) {
            (Some(word), _) => {
                all.push(word.clone());
                told.push(description);
            }
            (None, Some(Value::Array(words))) => {
                all.extend(words.iter().cloned());
                told.extend(words.iter().map(|_| description.clone()));
            }
            _ => return,
        }
    }
    members.remove("oneOf");
    members.insert("type".to_owned(), json!("string"));
    members.insert("enum".to_owned(), Value::Array(all));
    members.insert("enumDescriptions".to_owned(), Value::Array(told));
}

/// A property that may be null may be left out: its default says so, its type does not.
fn nulls(members: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = members.get_mut("properties") else { return };
    for property in properties.values_mut() {
        let Value::Object(property) = property else { continue };
        let before = property.clone();
        match property.get_mut("type") {
            Some(Value::Array(kinds)) => {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    property.insert("type".to_owned(), kind);
                }
            }
            _ => one_of_two(property),
        }
        if let Some(Value::Array(words)) = property.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
        if *property != before {
            property.entry("default").or_insert(Value::Null);
        }
    }
}

/// `anyOf` of something and null is that something.
fn one_of_two(property: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = property.get_mut("anyOf") else { return };
    let before = options.len();
    options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
    if options.len() == before {
        return;
    }
    property.entry("default").or_insert(Value::Null);
    if let Some(Value::Array(options)) = property.get("anyOf")
        && let [Value::Object(only)] = options.as_slice()
    {
        let only = only.clone();
        property.remove("anyOf");
        // What the field says of itself beats what its type says.
        for (word, value) in only {
            property.entry(word).or_insert(value);
        }
    }
}

/// As somebody would write it: 30000 for 30000.0, and without what is null.
fn plain(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(plain);
        }
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)
                && float.abs() < 9e15
            {
                *value = json!(float as i64);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    /// A sample.
    #[derive(Deserialize, Serialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        /// What it is called.
        name: String,
        port: Option<u16>,
        mode: Option<Mode>,
        wait: f64,
        inner: Vec<Inner>,
        #[serde(skip_serializing)]
        #[schemars(extend("writeOnly" = true))]
        password: Option<String>,
    }

    #[derive(Deserialize, Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        /// Quick.
        Fast,
        Safe,
    }

    #[derive(Deserialize, Serialize, JsonSchema)]
    struct Inner {
        on: Option<bool>,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { name: "a".into(), port: None, mode: None, wait: 30.0, inner: Vec::new(), password: None }
        }
    }

    #[test]
    fn what_can_be_left_out_has_a_default_and_null_is_not_a_type() {
        let schema = of::<Sample>(&[("old", "[a, 1]")], &["port"]);
        let expected = json!({
            "type": "object",
            "description": "A sample.",
            "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "default": "a", "description": "What it is called."},
                "port": {"type": ["integer", "null"], "minimum": 0, "maximum": 65535, "default": null},
                "mode": {"type": "string", "enum": ["safe", "fast"], "enumDescriptions": ["", "Quick."], "default": null},
                "wait": {"type": "number", "default": 30},
                "inner": {"type": "array", "default": [], "items": {
                    "type": "object", "properties": {"on": {"type": "boolean", "default": null}},
                }},
                "password": {"type": "string", "writeOnly": true, "default": null},
                "old": {
                    "description": "Not implemented: Kong's default alone is accepted.",
                    "const": ["a", 1],
                    "default": ["a", 1],
                },
            },
        });
        assert_eq!(schema, expected, "{schema:#}");
    }
}
