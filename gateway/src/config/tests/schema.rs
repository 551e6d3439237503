//! The schema of the entities says what the loader does: the same fields, bounds, words and defaults.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{super::Trace, env, known};
use crate::{
    config::{LoadErrors, Loaded, Text, traced},
    schema::ENTITIES,
};

/// One good entity of each kind, as JSON, and where it stands.
const SAMPLES: [(&str, &str, &str); 13] = [
    ("service", "services", r#"{"id": "5c9e8a4e-2a7b-4d6f-8c2e-1f3f5f7f9f10", "host": "h", "protocol": "https"}"#),
    ("route", "routes", r#"{"id": "5c9e8a4e-2a7b-4d6f-8c2e-1f3f5f7f9f11", "paths": ["/"]}"#),
    ("consumer", "consumers", r#"{"username": "u"}"#),
    ("consumer_group", "consumer_groups", r#"{"name": "g"}"#),
    ("consumer_group_consumer", "consumer_group_consumers", r#"{"consumer": "u", "consumer_group": "g"}"#),
    (
        "certificate",
        "certificates",
        r#"{"id": "5c9e8a4e-2a7b-4d6f-8c2e-1f3f5f7f9f1f", "cert": "c", "key": "k", "cert_alt": "c", "key_alt": "k"}"#,
    ),
    ("sni", "snis", r#"{"name": "a.test", "certificate": "5c9e8a4e-2a7b-4d6f-8c2e-1f3f5f7f9f1f"}"#),
    ("ca_certificate", "ca_certificates", r#"{"cert": "c"}"#),
    ("key_set", "key_sets", r#"{"name": "s"}"#),
    ("key", "keys", r#"{"jwk": "{}"}"#),
    ("vault", "vaults", r#"{"name": "env", "prefix": "other"}"#),
    ("plugin", "plugins", r#"{"name": "cors"}"#),
    ("file", "", "{}"),
];

fn schema(kind: &str) -> Value {
    serde_json::from_str::<Map<String, Value>>(ENTITIES).expect("JSON").remove(kind).expect("a kind of entity")
}

/// A file with all samples, one of them changed.
fn file(changed: &str, change: &Value) -> String {
    let mut file = json!({"_format_version": "3.0"});
    for (kind, collection, sample) in SAMPLES {
        let mut entity: Value = serde_json::from_str(sample).expect("JSON");
        let target = if kind == "file" { &mut file } else { &mut entity };
        if kind == changed {
            for (name, value) in change.as_object().expect("members") {
                target[name] = value.clone();
            }
        }
        if kind != "file" {
            file[collection] = json!([entity]);
        }
    }
    file.to_string()
}

fn load(text: String, trace: Option<&Trace>) -> Result<Loaded, LoadErrors> {
    traced(&Text::of(text, "kong.json".as_ref()), &known(), crate::config::Vaults::new(&env), trace)
}

/// The mistakes in one field of one sample.
fn mistakes(kind: &str, field: &str, value: &Value) -> Vec<String> {
    let collection = SAMPLES.iter().find(|(known, ..)| *known == kind).expect("a sample").1;
    let path = if kind == "file" { field.to_owned() } else { format!("{collection}[0].{field}") };
    let result = load(file(kind, &json!({field: value})), None);
    let told = result.err().map_or_else(Vec::new, |errors| errors.mistakes);
    told.into_iter().filter(|mistake| mistake.path.starts_with(&path)).map(|mistake| mistake.reason).collect()
}

fn properties(kind: &str) -> Map<String, Value> {
    schema(kind)["properties"].as_object().expect("properties").clone()
}

#[test]
fn every_entity_has_the_fields_that_the_loader_asks_for_and_no_other() {
    let trace = Trace::default();
    let errors = load(file("", &json!({})), Some(&trace)).err().map(|errors| errors.mistakes);
    assert_eq!(errors, None);
    let found = trace.into_found();
    // What plugins declare is in the schema of the plugins.
    let credentials = super::super::CREDENTIALS;
    for (kind, collection, _) in SAMPLES {
        let path = if kind == "file" { String::new() } else { format!("{collection}[0]") };
        let entity = found.entities.iter().find(|entity| entity.at.to_string() == path).expect("the entity");
        let asked: BTreeSet<_> = entity.known.iter().copied().filter(|name| !credentials.contains(name)).collect();
        let properties = properties(kind);
        let described: BTreeSet<_> = properties.keys().map(String::as_str).collect();
        assert_eq!(asked, described, "{kind}");
    }
}

#[test]
fn the_bounds_of_numbers_are_those_of_the_loader() {
    let mut seen = 0;
    for (kind, ..) in SAMPLES {
        for (field, property) in properties(kind) {
            let (Some(from), Some(to)) = (property["minimum"].as_i64(), property["maximum"].as_i64()) else { continue };
            let out_of_bounds = |value: i64| {
                mistakes(kind, &field, &json!(value)).iter().any(|told| told.contains("expected a number from"))
            };
            assert!(!out_of_bounds(from) && !out_of_bounds(to), "{kind}.{field}");
            assert!(out_of_bounds(from - 1), "{kind}.{field}");
            assert!(to == i64::MAX || out_of_bounds(to + 1), "{kind}.{field}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} numbers");
}

#[test]
fn the_words_of_a_field_are_those_of_the_loader() {
    let mut seen = 0;
    for (kind, ..) in SAMPLES {
        for (field, property) in properties(kind) {
            let of_list = property.pointer("/items/enum");
            let words = property.get("enum").or(of_list).and_then(Value::as_array);
            let Some(words) = words.filter(|words| words.iter().all(|word| word.is_string() || word.is_number()))
            else {
                continue;
            };
            let told = |word: &Value| {
                let value = if of_list.is_some() { json!([word]) } else { word.clone() };
                let told = mistakes(kind, &field, &value);
                told.into_iter().any(|told| ["expected", "not one of"].iter().any(|words| told.contains(words)))
            };
            words.iter().for_each(|word| assert!(!told(word), "{kind}.{field}: {word}"));
            let other = if words.iter().all(Value::is_number) { json!(303) } else { json!("nonsense") };
            assert!(told(&other), "{kind}.{field}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} fields with words");
}

#[test]
fn a_field_that_is_not_implemented_is_accepted_where_the_schema_says_so() {
    for (kind, ..) in SAMPLES {
        for (field, property) in properties(kind) {
            let is_not_implemented =
                property["description"].as_str().is_some_and(|text| text.starts_with("Not implemented:"));
            let told = mistakes(kind, &field, &json!({"some": "value"}));
            let refused = told.iter().any(|told| told.contains("is not implemented yet"));
            assert_eq!(is_not_implemented, refused, "{kind}.{field}: {told:?}");
            if is_not_implemented {
                let accepted = property["enum"].as_array().expect("values");
                accepted.iter().for_each(|value| assert!(mistakes(kind, &field, value).is_empty(), "{kind}.{field}"));
            }
        }
    }
}

#[test]
fn a_default_changes_nothing() {
    let default = load(file("", &json!({})), None).expect("a file").model;
    for (kind, ..) in SAMPLES {
        for (field, property) in properties(kind) {
            let Some(value) = property.get("default").filter(|value| !value.is_null()) else { continue };
            if (kind, field.as_str()) == ("service", "protocol") {
                // The sample has another.
                continue;
            }
            let written = load(file(kind, &json!({field.as_str(): value})), None).expect("a file").model;
            assert_eq!(written.services[0].service, default.services[0].service, "{kind}.{field}");
            assert_eq!(written.routes[0].route, default.routes[0].route, "{kind}.{field}");
            let rest = |model: &super::Model| {
                let (plugin, set) = (&model.plugins[0], &model.key_sets[0]);
                (plugin.enabled, plugin.protocols.clone(), set.publish_before, set.retire_after)
            };
            assert_eq!(rest(&written), rest(&default), "{kind}.{field}");
        }
    }
}

#[test]
fn secrets_are_marked() {
    for (kind, field) in [("certificate", "key"), ("certificate", "key_alt"), ("key", "jwk")] {
        assert_eq!(properties(kind)[field]["writeOnly"], true, "{kind}.{field}");
    }
    assert_eq!(properties("key")["pem"]["properties"]["private_key"]["writeOnly"], true);
}
