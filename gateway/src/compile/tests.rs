//! Whole files through a registry of plugins that only these tests have.

mod plugins;
mod precedence;
mod quarantine;

use std::path::Path;

use signet_plugin_api::Registry;

use self::plugins::{First, Gate, Marker, Needy};
use super::Engine;
use crate::{
    config::{self, Known, LoadErrors, Mistake},
    prepare::{Prepared, settle},
    runtime::RouteEntry,
    settings::InvalidEntities,
};

const ONE_ROUTE: &str = "services: [{name: s, host: h, routes: [{name: r, paths: [/]}]}]\n";

/// Loads and compiles a text; `_format_version` is its first line.
fn prepare(text: &str) -> Result<Prepared, LoadErrors> {
    prepare_with(text, InvalidEntities::Reject)
}

fn prepare_with(text: &str, invalid_entities: InvalidEntities) -> Result<Prepared, LoadErrors> {
    let registry = Registry::new().with::<Marker>().with::<Gate>().with::<Needy>().with::<First>();
    let engine = Engine { invalid_entities, ..Engine::at_rest(&registry).expect("a resolver") };
    let text = format!("_format_version: '3.0'\n{text}");
    settle(config::from_text(text, Path::new("kong.yml"), &Known::of(&registry), &|_| None), &engine)
}

fn prepared(text: &str) -> Prepared {
    prepare(text).unwrap_or_else(|errors| panic!("{:#?}", errors.mistakes))
}

fn mistakes(text: &str) -> Vec<String> {
    told(&prepare(text).err().unwrap_or_else(|| panic!("this compiles: {text}")).mistakes)
}

fn told(mistakes: &[Mistake]) -> Vec<String> {
    mistakes.iter().map(ToString::to_string).collect()
}

/// The names in the chain of a route.
fn chain(prepared: &Prepared, route: usize) -> Vec<&'static str> {
    prepared.snapshot.routes[route].chain.names().collect()
}

#[test]
fn a_chain_is_in_the_order_of_priorities_whatever_the_order_of_the_file() {
    let prepared = prepared(
        "plugins: [{name: marker, config: {label: m}}, {name: gate}, {name: needy}, {name: first}]\n\
         services: [{host: h, routes: [{paths: [/a]}, {paths: [/b]}]}]\n",
    );
    for route in [0, 1] {
        assert_eq!(chain(&prepared, route), ["first", "gate", "marker", "needy"]);
    }
}

#[test]
fn a_route_has_only_the_plugins_whose_scope_it_is_in() {
    let prepared = prepared(
        "services:\n\
         - {name: a, host: h, plugins: [{name: gate}], routes: [{paths: [/1]}, {paths: [/2], plugins: [{name: first}]}]}\n\
         - {name: b, host: h, routes: [{paths: [/3]}]}\n\
         routes: [{paths: [/4], plugins: [{name: marker, config: {label: x}}]}]\n",
    );
    let chain = |entry: &RouteEntry| {
        let path = entry.route.paths.clone().unwrap_or_default().concat();
        (path, entry.chain.names().collect::<Vec<_>>().join(" "))
    };
    let mut chains: Vec<_> = prepared.snapshot.routes.iter().map(chain).collect();
    chains.sort();
    let expected = [("/1", "gate"), ("/2", "first gate"), ("/3", ""), ("/4", "marker")];
    assert_eq!(chains, expected.map(|(path, names)| (path.to_owned(), names.to_owned())));
}

#[test]
fn a_plugin_that_needs_a_service_is_a_mistake_where_a_route_without_one_would_run_it() {
    let text = "plugins:\n- name: needy\nservices: [{name: s, host: h}]\nroutes:\n- {name: with, paths: [/a], service: s}\n- {name: bare, paths: [/b]}\n";
    assert_eq!(mistakes(text), ["3: plugins[0]: `needy` needs a service, and route `bare` (routes[1]) has none"]);
    let of_consumer = "consumers:\n- {username: c, plugins: [{name: needy}]}\nroutes: [{name: bare, paths: [/b]}]\n";
    assert_eq!(
        mistakes(of_consumer),
        ["3: consumers[0].plugins[0]: `needy` needs a service, and route `bare` (routes[0]) has none"]
    );
    let on_service =
        "services: [{host: h, routes: [{paths: [/a]}], plugins: [{name: needy}]}]\nroutes: [{paths: [/b]}]\n";
    assert!(prepare(on_service).is_ok());
    assert!(prepare(&text.replace("name: needy", "{name: needy, enabled: false}")).is_ok());
}

#[test]
fn a_plugin_that_finds_out_who_calls_cannot_stand_on_a_consumer_or_a_group() {
    let reason = "`gate` acts before the caller is known or on all callers alike: it cannot stand on some";
    let text = "consumers:\n- username: c\n  plugins:\n  - name: gate\n";
    assert_eq!(mistakes(text), [format!("5: consumers[0].plugins[0].consumer: {reason}")]);
    let flat = "consumers: [{username: c}]\nplugins:\n- name: gate\n  consumer: c\n";
    assert_eq!(mistakes(flat), [format!("5: plugins[0].consumer: {reason}")]);
    let group = "consumer_groups:\n- name: g\n  plugins:\n  - name: gate\n";
    assert_eq!(mistakes(group), [format!("5: consumer_groups[0].plugins[0].consumer_group: {reason}")]);
}

#[test]
fn a_plugin_that_is_switched_off_does_not_run_and_is_not_read() {
    let prepared =
        prepared(&format!("{ONE_ROUTE}plugins: [{{name: marker, enabled: false, config: {{nonsense: 1}}}}]\n"));
    assert!(chain(&prepared, 0).is_empty());
    assert_eq!(prepared.snapshot.counts.plugins, 0);
}

#[test]
fn the_routes_of_a_service_that_is_switched_off_are_not_served() {
    let prepared = prepared(
        "services:\n\
         - {host: h, enabled: false, routes: [{name: off, paths: [/off]}]}\n\
         - {host: h, routes: [{name: on, paths: [/on], plugins: [{name: first}]}]}\n",
    );
    let names: Vec<_> = prepared.snapshot.routes.iter().filter_map(|entry| entry.route.name.as_deref()).collect();
    assert_eq!(names, ["on"]);
    // Positions shift when a route is left out: the plugin has to stay on its own.
    assert_eq!(chain(&prepared, 0), ["first"]);
}

#[test]
fn protocols_only_tell_requests_from_streams() {
    for (protocols, runs) in
        [("[https]", true), ("[http]", true), ("[grpc, grpcs]", true), ("[tcp]", false), ("[tls, udp]", false)]
    {
        let prepared = prepared(&format!("{ONE_ROUTE}plugins: [{{name: first, protocols: {protocols}}}]\n"));
        assert_eq!(!chain(&prepared, 0).is_empty(), runs, "{protocols}");
    }
}

#[test]
fn every_mistake_of_every_plugin_is_told_with_its_line() {
    let text = "services:\n\
                - host: h\n  plugins:\n  - name: marker\n    config:\n      label: 5\n      colour: red\n\
                routes:\n- paths: [/]\n  plugins:\n  - name: gate\n    config: {anonymous: nobody}\n\
                plugins:\n- name: marker\n";
    assert_eq!(
        mistakes(text),
        [
            "7: services[0].plugins[0].config.label: expected a string, found integer `5`; put it in quotes",
            "8: services[0].plugins[0].config.colour: unknown field `colour`, expected `label`",
            "13: routes[0].plugins[0].config.anonymous: no consumer has the id or username `nobody`",
            "15: plugins[0].config: missing field `label`",
        ]
    );
}

#[test]
fn every_mistake_of_every_credential_is_told_with_its_line() {
    let text = "consumers:\n- username: a\n  passes:\n  - {word: open, extra: 1}\n  - word: fine\n  - word: ''\n\
                plugins:\n- name: gate\n  config: {anonymous: nobody}\n";
    assert_eq!(
        mistakes(text),
        [
            "5: consumers[0].passes[0].extra: unknown field `extra`, expected `word`",
            "7: consumers[0].passes[2].word: must not be empty",
            "10: plugins[0].config.anonymous: no consumer has the id or username `nobody`",
        ]
    );
}

#[test]
fn a_credential_that_stands_twice_is_told_with_both_places() {
    let text = "consumers:\n- {username: a, passes: [{word: open}]}\n- {username: b, passes: [{word: open}]}\n";
    assert_eq!(
        mistakes(text),
        ["4: consumers[1].passes[0].word: the same `word` as that of `consumers[0].passes[0]` (line 3)"]
    );
}

#[test]
fn mistakes_of_reading_routing_and_plugins_are_told_in_one_run_in_the_order_of_the_file() {
    let text = "services:\n- host: h\n  port: many\n  routes:\n  - name: r\n    paths: ['~/(']\n  - paths: [/ok]\n    plugins:\n    - name: marker\n";
    let told = mistakes(text);
    let places: Vec<_> =
        told.iter().map(|mistake| mistake.splitn(3, ": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        places,
        ["4 services[0].port", "7 services[0].routes[0].paths[0]", "10 services[0].routes[1].plugins[0].config"],
        "{told:#?}"
    );
}

#[test]
fn warnings_of_plugins_have_lines_and_keep_nothing_from_running() {
    let prepared = prepared(&format!("{ONE_ROUTE}plugins:\n- name: gate\n  config:\n    open: true\n"));
    assert_eq!(told(&prepared.warnings), ["6: plugins[0].config.open: everybody passes"]);
    assert_eq!(chain(&prepared, 0), ["gate"]);
}

#[test]
fn what_is_served_is_counted() {
    let prepared = prepared(&format!(
        "{ONE_ROUTE}plugins: [{{name: first}}, {{name: gate, enabled: false}}]\nconsumers: [{{username: a}}, {{username: b}}]\n"
    ));
    assert_eq!(prepared.snapshot.counts.to_string(), "1 service, 1 route, 1 plugin, 2 consumers");
    assert_eq!(prepared.snapshot.hash.len(), 64);
}

#[test]
fn a_host_header_names_the_port_unless_it_is_the_protocols_own() {
    let prepared =
        prepared("services: [{host: a, routes: [{paths: [/a]}]}, {host: b, port: 81, routes: [{paths: [/b]}]}]\n");
    let hosts: Vec<_> = prepared.snapshot.routes.iter().filter_map(|entry| entry.upstream.as_ref()).collect();
    assert_eq!((&hosts[0].host_header, &hosts[1].host_header), (&"a".parse().expect("a"), &"b:81".parse().expect("b")));
}

#[test]
fn a_plugin_on_a_route_of_another_service_is_remarked_on() {
    let text = |service: &str| {
        format!(
            "services:\n- {{name: a, host: h, routes: [{{name: r, paths: [/], plugins: [{{name: gate, service: {{name: {service}}}}}]}}]}}\n- {{name: b, host: h}}\n"
        )
    };
    assert_eq!(told(&prepared(&text("a")).warnings), [""; 0]);
    let warnings = told(&prepared(&text("b")).warnings);
    assert_eq!(
        warnings,
        [
            "3: services[0].routes[0].plugins[0].service: its route belongs to another service, so it never runs, as in Kong"
        ]
    );
    assert_eq!(chain(&prepared(&text("b")), 0), [""; 0]);
}
