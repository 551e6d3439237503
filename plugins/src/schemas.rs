//! Tests: the schema of every plugin and credential says what the decoder does.

use serde_json::{Map, Value, json};
use signet_plugin_api::{RawConfig, Registration, Scope};

use crate::{
    builtin,
    testing::{World, mapping},
};

/// What stands where a value is needed to look at another field.
fn required(name: &str) -> Value {
    match name {
        "acl" => json!({"allow": ["a"]}),
        "file-log" => json!({"path": "a.log"}),
        "http-log" => json!({"http_endpoint": "http://a"}),
        "jwks" => json!({"key_set": "a"}),
        "mtls-auth" => json!({"ca_certificates": ["a"]}),
        _ => json!({}),
    }
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().expect("properties")
}

/// The mistakes that name `field`: others may be about what a test leaves out.
fn mistakes(plugin: &Registration, field: &str, value: &Value) -> Vec<String> {
    let world = World::empty();
    let mut config = required(plugin.name);
    config[field] = value.clone();
    let mapping = mapping(&config.to_string());
    match plugin.compile(RawConfig::new(mapping), &Scope::new(&world.resources)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).filter(|error| error.starts_with(field)).collect(),
    }
}

#[test]
fn every_property_is_known_to_the_decoder_and_no_other_is() {
    for plugin in builtin().iter() {
        let schema = plugin.schema();
        assert_eq!(schema["additionalProperties"], false, "{}", plugin.name);
        for field in properties(&schema).keys() {
            let told = mistakes(plugin, field, &json!({"no": "such value"}));
            assert!(
                !told.iter().any(|told| told.contains(&format!("unknown field `{field}`"))),
                "{}: {told:?}",
                plugin.name
            );
        }
        let told = mistakes(plugin, "nobody_knows", &json!(1));
        assert!(told.iter().any(|told| told.contains("unknown field")), "{}: {told:?}", plugin.name);
    }
}

#[test]
fn every_default_is_accepted_and_is_valid_by_its_own_schema() {
    for plugin in builtin().iter() {
        for (field, property) in properties(&plugin.schema()) {
            let Some(default) = property.get("default") else { continue };
            if default.is_null() {
                continue;
            }
            let judge = jsonschema::validator_for(property).expect("a schema");
            assert!(judge.is_valid(default), "{}: {field}: {default}", plugin.name);
            // A message of this kind is about the value; others are about what it needs beside it.
            let told = mistakes(plugin, field, default);
            assert!(!told.iter().any(|told| told.contains("expected")), "{}: {told:?}", plugin.name);
        }
    }
}

#[test]
fn what_can_be_left_out_has_a_default_and_everything_has_a_description() {
    let registry = builtin();
    let credentials =
        registry.iter().flat_map(|plugin| plugin.credentials).map(|kind| (kind.collection, kind.schema()));
    for (name, schema) in registry.iter().map(|plugin| (plugin.name, plugin.schema())).chain(credentials) {
        complete(name, &schema);
    }
}

fn complete(name: &str, schema: &Value) {
    let empty = Vec::new();
    let required = schema.get("required").and_then(Value::as_array).unwrap_or(&empty);
    for (field, property) in properties(schema) {
        let is_required = required.iter().any(|known| known == field);
        assert_eq!(property.get("default").is_none(), is_required, "{name}: {field}: {property}");
        assert!(property.get("description").is_some(), "{name}: {field} has no documentation");
        if property.get("properties").is_some() {
            complete(&format!("{name}: {field}"), property);
        }
    }
}

#[test]
fn the_words_of_an_enumeration_are_accepted_and_others_are_not() {
    let mut seen = 0;
    for plugin in builtin().iter() {
        for (field, property) in properties(&plugin.schema()) {
            let of_list = property.pointer("/items/enum");
            let Some(words) = property.get("enum").or(of_list).and_then(Value::as_array) else { continue };
            let value = |word: &Value| if of_list.is_some() { json!([word]) } else { word.clone() };
            let refused = |word: &Value| {
                let told = mistakes(plugin, field, &value(word));
                told.iter().any(|told| {
                    ["unknown value", "there is no", "is not one of"].iter().any(|words| told.contains(words))
                })
            };
            for word in words {
                assert!(!refused(word), "{}: {field}: {word}", plugin.name);
            }
            assert!(refused(&json!("nonsense")), "{}: {field}", plugin.name);
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen} enumerations");
}

#[test]
fn every_secret_of_the_built_in_plugins_is_marked() {
    let registry = builtin();
    let marked = |schema: &Value, field: &str| {
        let property = &schema["properties"][field];
        property["writeOnly"] == true || property["items"]["writeOnly"] == true
    };
    for (plugin, fields) in [
        ("openid-connect", ["client_secret", "client_jwk", "token_post_args_values", "cache_tokens_salt"].as_slice()),
        ("x-custom-jwt", &["private_jwk"]),
        ("http-log", &["http_endpoint"]),
    ] {
        let schema = registry.get(plugin).expect("a plugin").schema();
        fields.iter().for_each(|field| assert!(marked(&schema, field), "{plugin}: {field}: {schema:#}"));
    }
    for (collection, field) in
        [("keyauth_credentials", "key"), ("basicauth_credentials", "password"), ("jwt_secrets", "secret")]
    {
        let mut kinds = registry.iter().flat_map(|plugin| plugin.credentials);
        let schema = kinds.find(|kind| kind.collection == collection).expect("a kind").schema();
        assert!(marked(&schema, field), "{collection}: {schema:#}");
    }
}
