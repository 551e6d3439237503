//! Whole files: what they become, and every mistake that keeps them from it.

use std::{fs, path::Path, sync::Arc};

use serde_yaml::Value;
use signet_plugin_api::{PathHandling, Protocol, Route, Service};

use super::*;

mod keys;
mod schema;

fn known() -> Known {
    Known {
        plugins: ["acl", "basic-auth", "cors", "key-auth", "request-termination", "x-custom-jwt"]
            .map(Cow::Borrowed)
            .to_vec(),
        credentials: [
            ("keyauth_credentials", "key", false),
            ("basicauth_credentials", "username", false),
            ("acls", "group", true),
        ]
        .map(|(name, unique, per_consumer)| Collection { name, unique, per_consumer })
        .to_vec(),
    }
}

fn env(name: &str) -> Option<String> {
    (name == "SOME_HOST").then(|| "secret.test".to_owned())
}

fn load_text(text: &str) -> Result<Loaded, LoadErrors> {
    from_text(text.to_owned(), Path::new("kong.yml"), &known(), &env)
}

fn loaded(text: &str) -> Loaded {
    load_text(&format!("_format_version: '3.0'\n{text}")).unwrap_or_else(|errors| panic!("{:#?}", errors.mistakes))
}

fn mistakes(text: &str) -> Vec<String> {
    let errors = load_text(&format!("_format_version: '3.0'\n{text}")).expect_err("a mistake");
    errors.mistakes.iter().map(ToString::to_string).collect()
}

fn config(plugin: &PluginDecl) -> Value {
    plugin.config.clone().into()
}

#[test]
fn defaults_are_those_of_kong() {
    let model = loaded("services: [{host: h}]\nroutes: [{paths: [/]}]\n").model;
    let service = &model.services[0].service;
    assert_eq!((service.protocol, service.port, service.retries), (Protocol::Http, 80, 5));
    assert_eq!((service.connect_timeout, service.write_timeout, service.read_timeout), (60_000, 60_000, 60_000));
    assert!(service.enabled && service.path.is_none() && service.name.is_none());
    let route = &model.routes[0].route;
    assert_eq!(route.protocols, [Protocol::Http, Protocol::Https]);
    assert_eq!((route.https_redirect_status_code, route.regex_priority), (426, 0));
    assert_eq!((route.strip_path, route.preserve_host, route.path_handling), (true, false, PathHandling::V0));
    assert!(route.request_buffering && route.response_buffering && model.routes[0].service.is_none());
    // Who makes entities without a file gets the same.
    assert_eq!(**service, Service::new(Arc::clone(&service.id), "h"));
    let paths = Some(vec!["/".to_owned()]);
    assert_eq!(**route, Route { paths, ..Route::new(Arc::clone(&route.id)) });
}

#[test]
fn nested_and_flat_entities_become_the_same_model() {
    let nested = loaded(
        "services:\n- {name: s, host: h, routes: [{name: r, paths: [/r], plugins: [{name: key-auth}]}], plugins: [{name: cors}]}\n\
         consumers:\n- {username: c, keyauth_credentials: [{key: k}], plugins: [{name: request-termination, route: r}]}\n",
    );
    let flat = loaded(
        "keyauth_credentials: [{key: k, consumer: {username: c}}]\n\
         plugins: [{name: key-auth, route: r}, {name: cors, service: {name: s}}, {name: request-termination, route: {name: r}, consumer: c}]\n\
         consumers: [{username: c}]\nroutes: [{name: r, paths: [/r], service: s}]\nservices: [{name: s, host: h}]\n",
    );
    let scopes = |loaded: &Loaded| {
        let mut scopes: Vec<_> =
            loaded.model.plugins.iter().map(|p| (p.name.clone(), p.service, p.route, p.consumer)).collect();
        scopes.sort();
        scopes
    };
    assert_eq!(scopes(&nested), scopes(&flat));
    for model in [&nested.model, &flat.model] {
        assert_eq!(model.routes[0].service, Some(0));
        assert_eq!((model.credentials[0].collection, model.credentials[0].consumer), ("keyauth_credentials", 0));
        assert_eq!(Value::from(model.credentials[0].fields.clone())["key"], "k");
    }
    assert_eq!(nested.model.credentials[0].id, flat.model.credentials[0].id);
    assert_eq!(nested.model.plugins[1].at.to_string(), "services[0].routes[0].plugins[0]");
}

#[test]
fn ids_that_are_missing_are_those_of_kong_and_others_are_stable() {
    let text = "services: [{name: main, host: h}, {host: h}, {host: h}]\nroutes: [{name: termEcho, paths: [/]}, {paths: [/]}]\n\
                consumers: [{username: c, keyauth_credentials: [{key: '012345AZERTY!'}]}, {custom_id: x}]\n";
    let (first, second) = (loaded(text).model, loaded(text).model);
    assert_eq!(&*first.services[0].service.id, "8027b672-cb4d-5059-bc59-7d67b683008e");
    assert_eq!(&*first.routes[0].route.id, "7846979c-e83a-51e7-935f-444ff5f40833");
    assert_eq!(&*first.credentials[0].id, "803c2d60-aad8-5036-9cec-f4c089d6bd52");
    assert_ne!(first.services[1].service.id, first.services[2].service.id);
    assert_eq!(first.services[2].service.id, second.services[2].service.id);
    assert_eq!(first.routes[1].route.id, second.routes[1].route.id);
    assert_eq!(first.consumers[1].consumer.id, second.consumers[1].consumer.id);
}

#[test]
fn plugins_on_different_entities_have_different_ids_however_the_entities_are_named() {
    let places = ["route: {name: a}", "route: {name: b}", "consumer: {username: c}", "consumer_group: {name: g}"];
    let plugins = places.map(|place| format!("{{name: request-termination, {place}}}")).join(", ");
    let text = "services: [{host: h, routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]}]\n\
                consumers: [{username: c}]\nconsumer_groups: [{name: g}]\n";
    assert_eq!(loaded(&format!("{text}plugins: [{plugins}]\n")).model.plugins.len(), places.len());
}

#[test]
fn a_credential_that_is_unique_for_its_owner_has_an_id_of_both_as_kong_derives_it() {
    let consumer = "consumers: [{username: c, id: 11111111-1111-4111-8111-111111111111";
    let nested = loaded(&format!(
        "{consumer}, acls: [{{group: g1}}, {{group: g2}}]}}, {{username: d, acls: [{{group: g1}}]}}]\n"
    ));
    let flat = loaded(&format!("{consumer}}}]\nacls: [{{group: g1, consumer: c}}]\n"));
    assert_eq!(&*nested.model.credentials[0].id, "393a7ff5-deef-56c6-9193-dbc1a0759d7e");
    assert_eq!(&*flat.model.credentials[0].id, "1c56cf3a-9445-5667-9528-8375699ba680");
    assert_ne!(nested.model.credentials[0].id, nested.model.credentials[2].id);
    assert_eq!(
        mistakes(&format!("{consumer}, acls: [{{group: g1}}, {{group: g1}}]}}]\n")),
        ["2: consumers[0].acls[1].group: the same `group` as that of `consumers[0].acls[0]` (line 2)"]
    );
}

#[test]
fn a_consumer_is_in_every_group_that_it_or_the_group_or_the_file_names_once_and_by_name() {
    let model = loaded(
        "consumer_groups: [{name: gold, consumers: [{username: c}]}, {name: bronze}, {name: argent, consumers: [c]}, {name: none}]\n\
         consumers: [{username: c, groups: [{name: gold}]}, {username: d}]\n\
         consumer_group_consumers: [{consumer: c, consumer_group: bronze}, {consumer: c, consumer_group: gold}]\n",
    )
    .model;
    let groups = |at: usize| {
        let groups = model.consumers[at].consumer.groups.iter();
        groups.map(|group| &*group.name).collect::<Vec<_>>()
    };
    assert_eq!(groups(0), ["argent", "bronze", "gold"]);
    assert!(groups(1).is_empty());
    assert_eq!(model.consumers[0].consumer.groups[2].id, model.consumer_groups[0].group.id);
}

#[test]
fn ids_that_are_given_are_kept() {
    let id = "11111111-1111-4111-8111-111111111111";
    let model =
        loaded(&format!("services: [{{id: {id}, host: h}}]\nroutes: [{{paths: [/], service: {{id: {id}}}}}]\n")).model;
    assert_eq!((&*model.services[0].service.id, model.routes[0].service), (id, Some(0)));
}

#[test]
fn a_url_stands_for_four_fields_and_beats_them() {
    let loaded = loaded("services: [{url: 'http://a.b:81/x'}, {url: 'http://a.b', port: 81}]\n");
    let service = &loaded.model.services[0].service;
    assert_eq!((service.host.as_str(), service.port, service.path.as_deref()), ("a.b", 81, Some("/x")));
    assert_eq!(loaded.model.services[1].service.port, 80);
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["2: services[1].url: beats `protocol`, `host`, `port` and `path`, which say otherwise"]);
}

#[test]
fn old_files_get_their_regular_expressions_marked() {
    let text = "_format_version: '2.1'\nservices:\n- {host: h, routes: [{paths: ['/a/\\d+', /plain]}]}\n";
    let model = load_text(text).expect("a model").model;
    assert_eq!(model.routes[0].route.paths.as_deref(), Some(&["~/a/\\d+".to_owned(), "/plain".to_owned()][..]));
}

#[test]
fn references_to_vaults_are_resolved_everywhere() {
    let model = loaded(
        "vaults: [{name: env, prefix: my-env, config: {prefix: some_}}]\n\
         services: [{host: '{vault://env/some-host}'}]\n\
         plugins: [{name: cors, config: {origins: ['{vault://my-env/host}'], deep: [{a: '{vault://env/some-host}'}]}}]\n",
    )
    .model;
    assert_eq!(model.services[0].service.host, "secret.test");
    let config = config(&model.plugins[0]);
    assert_eq!((&config["origins"][0], &config["deep"][0]["a"]), (&"secret.test".into(), &"secret.test".into()));
}

#[test]
fn a_plugin_that_is_switched_off_is_kept_without_its_configuration() {
    let model = loaded("plugins: [{name: cors, enabled: no, config: {origins: ['{vault://env/none}']}}]\n").model;
    assert!(!model.plugins[0].enabled);
    assert_eq!(config(&model.plugins[0]), Value::Mapping(Default::default()));
}

#[test]
fn json_is_read_by_the_name_of_the_file() {
    let text = "{\"_format_version\": \"3.0\",\n\t\"services\": [{\"host\": \"h\", \"enabled\": \"no\"}]}";
    let errors = from_text(text.to_owned(), Path::new("a.JSON"), &known(), &env).expect_err("a mistake");
    assert_eq!(errors.mistakes[0].to_string(), "2: services[0].enabled: expected true or false, found a string");
}

#[test]
fn secrets_are_in_no_debug_output_and_no_mistake() {
    let loaded = loaded(
        "services: [{host: h}]\nplugins: [{name: cors, config: {k: p4ss}}]\n\
         consumers: [{username: c, basicauth_credentials: [{username: u, password: p4ss}]}]\n",
    );
    let shown = format!("{loaded:?}{:?}", loaded.model);
    assert!(!shown.contains("p4ss"), "{shown}");
    let told = mistakes("services: [{host: h, path: '{vault://env/some-host}', port: '{vault://env/some-host}'}]\n");
    assert!(told.iter().all(|mistake| !mistake.contains("secret.test")), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[test]
fn what_could_be_read_of_a_file_with_mistakes_is_there_to_look_for_more() {
    let errors = load_text("_format_version: '3.0'\nservices: [{host: h, prot: x}]\nplugins: [{name: cors}]\n")
        .expect_err("a mistake");
    let partial = errors.partial.expect("what could be read");
    assert_eq!((partial.model.services.len(), partial.model.plugins.len()), (1, 1));
    assert_eq!(partial.places.line("plugins[0].config.origins"), Some(3));
}

#[test]
fn what_is_there_to_look_for_more_has_no_name_or_id_twice() {
    let errors = load_text(
        "_format_version: '3.0'\nservices: [{name: a, host: h}, {name: a, host: h}]\nroutes: [{name: r, paths: [/]}, {name: r, paths: [/]}]\n\
         consumers: [{username: c, custom_id: x}, {username: c}, {username: d, custom_id: x, keyauth_credentials: [{key: k}, {key: k}]}]\n",
    )
    .expect_err("mistakes");
    assert_eq!(errors.mistakes.len(), 5, "{:?}", errors.mistakes);
    let model = errors.partial.expect("what could be read").model;
    assert_ne!(model.services[0].service.id, model.services[1].service.id);
    assert_ne!(model.routes[0].route.id, model.routes[1].route.id);
    let mut consumers = signet_plugin_api::Consumers::default();
    assert!(model.consumers.iter().all(|decl| consumers.insert(Arc::clone(&decl.consumer))));
    assert_eq!((model.credentials.len(), model.credentials[0].consumer), (1, 2));
}

#[test]
fn the_hash_is_that_of_the_text() {
    let loaded = load_text("_format_version: '3.0'\n").expect("a model");
    assert_eq!(loaded.hash.len(), 64);
    assert_ne!(loaded.hash, load_text("_format_version: '3.0' \n").expect("a model").hash);
}

#[test]
fn credentials_that_nothing_uses_are_a_warning_once_a_collection() {
    let loaded = loaded(
        "consumers:\n- {username: a, jwt_secrets: [{key: '{vault://env/none}'}], acls: []}\n- {username: b, jwt_secrets: [{}]}\njwt_secrets: [{}]\n",
    );
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "3: consumers[0].jwt_secrets: nothing uses `jwt_secrets` (3 in the file) until the plugin that reads them is there"
        ]
    );
}

/// Every `bad/*.yaml` whose mistakes are found here; those that only `compile` finds load.
#[test]
fn bad_files_have_the_mistakes_that_are_written_next_to_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/bad");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the folder of bad files") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "err") {
            continue;
        }
        let Err(errors) = load(&path, &known(), &|_| None) else { continue };
        let told: String = errors.mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
        let expected = fs::read_to_string(path.with_extension("err")).unwrap_or_default();
        assert!(!expected.is_empty(), "{} has no .err file; it would be:\n{told}", path.display());
        for line in told.lines() {
            assert!(expected.lines().any(|wanted| wanted == line), "{}: not expected: {line}\n{told}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 15, "{seen} bad files");
}

#[test]
fn good_files_load_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/ok");
    for entry in fs::read_dir(folder).expect("the folder of good files") {
        let path = entry.expect("an entry").path();
        let loaded = load(&path, &known(), &env).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
        assert_eq!(loaded.warnings, [], "{}", path.display());
    }
}
