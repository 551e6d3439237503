//! The fields of a plugin's configuration, as people may see them, and what tells two of them apart.

use std::collections::BTreeMap;

use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::{Map, Value};
use signet_plugin_api::RawConfig;
use zeroize::Zeroizing;

use crate::schema::shown_raw;

/// One field of a configuration.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(crate) struct Field {
    /// What it is, without secrets.
    pub value: Value,
    /// Whether the file says so; else it is the default.
    #[serde(rename = "from_file")]
    pub given: bool,
    /// SHA-256 of what it is, secrets and all: what changed, even where nothing may be shown of it.
    #[serde(skip)]
    pub digest: [u8; 32],
}

/// The fields of a configuration by the schema of its plugin. Kong's fields that can only have their default are none.
pub(crate) fn fields(config: &RawConfig, schema: &Value) -> BTreeMap<String, Field> {
    let content = Zeroizing::new(config.content());
    let (given, nulls) = serde_json::from_str::<(Map<String, Value>, Vec<String>)>(&content).unwrap_or_default();
    let property = |name: &str| schema.get("properties")?.get(name);
    let Value::Object(shown) = shown_raw(config, schema) else { return BTreeMap::new() };
    let free = shown.into_iter().filter(|(name, _)| property(name).is_none_or(|of| of.get("const").is_none()));
    free.map(|(name, value)| {
        let raw = given.get(&name);
        let secret = raw.filter(|_| property(&name).is_some_and(has_secret)).map(ToString::to_string);
        let digest = digest(&value, secret.map(Zeroizing::new));
        let given = raw.is_some() || nulls.contains(&name);
        (name, Field { value, given, digest })
    })
    .collect()
}

fn digest(shown: &Value, secret: Option<Zeroizing<String>>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(shown.to_string().as_bytes());
    if let Some(secret) = secret {
        context.update(secret.as_bytes());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

fn has_secret(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.get("writeOnly") == Some(&Value::Bool(true)) || members.values().any(has_secret)
        }
        Value::Array(items) => items.iter().any(has_secret),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AB: &str = r#"{"key": "a", "nested": {"key": "b"}}"#;

    fn of(json: &str) -> BTreeMap<String, Field> {
        let schema = json!({ "properties": {
            "plain": { "default": [1] },
            "key": { "writeOnly": true },
            "nested": { "properties": { "key": { "writeOnly": true }, "n": { "default": 3 } } },
            "old": { "const": 60, "default": 60 },
        } });
        fields(&RawConfig::new(serde_json::from_str(json).expect("JSON")), &schema)
    }

    #[test]
    fn a_default_that_is_spelled_out_is_the_same_value() {
        let (short, long) = (of("{}"), of(r#"{"plain": [1], "old": 60}"#));
        assert_eq!(short["plain"].digest, long["plain"].digest);
        assert_eq!((short["plain"].given, long["plain"].given), (false, true));
        assert!(!long.contains_key("old"));
        assert_ne!(short["plain"].digest, of(r#"{"plain": [2]}"#)["plain"].digest);
    }

    #[test]
    fn a_secret_that_changes_is_another_one_and_is_not_shown() {
        let (one, other) = (of(AB), of(r#"{"key": "b", "nested": {"key": "c"}}"#));
        assert_eq!((&one["key"].value, &one["nested"].value), (&json!("***"), &json!({ "key": "***", "n": 3 })));
        for field in ["key", "nested"] {
            assert_eq!(one[field].value, other[field].value);
            assert_ne!(one[field].digest, other[field].digest);
            assert_eq!(one[field].digest, of(AB)[field].digest);
        }
    }
}
