//! What is shown of a configuration, and schemas in Kong's shape.

use serde_json::json;
use signet_plugin_api::{
    ConfigError, Handler, JsonSchema, Phase, Plugin, RawConfig, Registry, Scope,
    schemars::{self},
};

use super::{entity_fields, file, plugin_fields, shown_raw};

/// Holds secrets at all depths.
struct Keeper;

/// `config` of [`Keeper`].
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Config {
    /// How many.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 9))]
    count: u8,
    /// Which.
    names: Vec<String>,
    mode: Option<Mode>,
    #[schemars(extend("writeOnly" = true))]
    password: Option<String>,
    inner: Option<Inner>,
    #[serde(default)]
    by_name: std::collections::BTreeMap<String, Inner>,
    meant: Option<bool>,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Quickly.
    Fast,
    /// Slowly.
    Safe,
}

#[derive(serde::Deserialize, serde::Serialize, JsonSchema)]
struct Inner {
    #[schemars(extend("writeOnly" = true))]
    key: String,
    #[serde(default)]
    on: bool,
}

fn three() -> u8 {
    3
}

impl Plugin for Keeper {
    const NAME: &'static str = "keeper";
    const PRIORITY: u32 = 7;
    const PHASES: &'static [Phase] = &[];
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[("old", "60")];
    const NULL_IS_MEANT: &'static [&'static str] = &["meant"];
    type Config = Config;

    fn compile(_: Config, _: &Scope<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Handler for Keeper {}

fn registry() -> Registry {
    Registry::new().with::<Keeper>()
}

#[test]
fn defaults_are_filled_in_and_secrets_are_hidden_at_any_depth() {
    let yaml =
        "{names: [a], password: hunter2, inner: {key: hunter3}, by_name: {x: {key: hunter4, on: true}}, meant: null}";
    let raw = RawConfig::new(serde_yaml::from_str(yaml).expect("YAML"));
    let schema = registry().get("keeper").expect("the plugin").schema();
    let expected = json!({
        "names": ["a"],
        "count": 3,
        "mode": null,
        "password": "***",
        "inner": {"key": "***", "on": false},
        "by_name": {"x": {"key": "***", "on": true}},
        "meant": null,
        "old": 60,
    });
    assert_eq!(shown_raw(&raw, &schema), expected);
}

#[test]
fn what_the_schema_does_not_know_is_not_shown() {
    let raw = RawConfig::new(serde_yaml::from_str("{names: [], pasword: hunter2}").expect("YAML"));
    let schema = registry().get("keeper").expect("the plugin").schema();
    assert!(!shown_raw(&raw, &schema).to_string().contains("hunter2"));
}

#[test]
fn a_plugin_has_the_shape_of_kongs() {
    let shape = plugin_fields(&registry(), "keeper").expect("the plugin");
    let fields = shape["fields"].as_array().expect("fields");
    let config = &fields.iter().find_map(|field| field.get("config")).expect("config");
    assert_eq!((&config["type"], &config["required"]), (&json!("record"), &json!(true)));
    let field = |name: &str| {
        let fields = config["fields"].as_array().expect("fields");
        fields.iter().find_map(|field| field.get(name)).unwrap_or_else(|| panic!("{name}")).clone()
    };
    let count =
        json!({"type": "integer", "default": 3, "required": true, "between": [1, 9], "description": "How many."});
    assert_eq!(field("count"), count);
    let names = json!({"type": "array", "elements": {"type": "string"}, "required": true, "description": "Which."});
    assert_eq!(field("names"), names);
    assert_eq!(field("mode"), json!({"type": "string", "one_of": ["fast", "safe"]}));
    assert_eq!(field("password"), json!({"type": "string", "encrypted": true, "referenceable": true}));
    assert_eq!(field("inner")["type"], "record");
    assert_eq!(field("old")["eq"], 60);
    assert!(fields.iter().any(|field| field["service"]["reference"] == "services"), "{shape:#}");
    assert!(plugin_fields(&registry(), "nobody").is_none());
}

#[test]
fn entities_have_the_shape_of_kongs() {
    let shape = entity_fields(&registry(), "services").expect("services");
    let field = |name: &str| shape["fields"].as_array()?.iter().find_map(|field| field.get(name).cloned());
    let port = field("port").expect("a port");
    assert_eq!(
        (&port["type"], &port["default"], &port["between"]),
        (&json!("integer"), &json!(80), &json!([0, 65535]))
    );
    assert_eq!(field("client_certificate").expect("a reference")["reference"], "certificates");
    let routes = entity_fields(&registry(), "routes").expect("routes");
    let destinations = routes["fields"].as_array().expect("fields").iter().find_map(|field| field.get("destinations"));
    assert_eq!(destinations, Some(&json!({"type": "any", "description": "Not implemented: accepted empty."})));
    // What is nested in a file is no field of the entity.
    assert_eq!((field("routes"), field("plugins")), (None, None));
    for plural in
        ["routes", "consumers", "plugins", "certificates", "ca_certificates", "snis", "key_sets", "keys", "vaults"]
    {
        assert!(entity_fields(&registry(), plural).is_some(), "{plural}");
    }
    assert!(entity_fields(&registry(), "files").is_none() && entity_fields(&registry(), "nobody").is_none());
}

#[test]
fn the_file_has_the_plugins_of_the_registry() {
    let judge = jsonschema::draft7::new(&file(&registry())).expect("a schema");
    let with = |plugin: serde_json::Value| judge.is_valid(&json!({"_format_version": "3.0", "plugins": [plugin]}));
    assert!(with(json!({"name": "keeper", "config": {"names": ["a"], "mode": "fast"}})));
    assert!(with(json!({"name": "keeper", "config": {"names": ["a"], "mode": "{vault://env/mode}", "count": null}})));
    assert!(with(json!({"name": "keeper", "enabled": false})));
    assert!(!with(json!({"name": "keeper", "config": {"names": ["a"], "mode": "quick"}})));
    assert!(!with(json!({"name": "keeper", "config": {"names": ["a"], "other": 1}})));
    assert!(!with(json!({"name": "keeper", "config": {"names": ["a"], "old": 61}})));
    assert!(!with(json!({"name": "keeper"})), "names are required");
    assert!(!with(json!({"name": "nobody"})));
}
