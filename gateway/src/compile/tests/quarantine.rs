//! A file with mistakes, of which the rest is served.

use super::*;

/// The names of the routes that are out of service; none when the file is refused.
fn quarantined(text: &str) -> Option<Vec<String>> {
    let prepared = prepare_with(text, InvalidEntities::Quarantine).ok()?;
    assert!(!prepared.quarantined.is_empty(), "there is a mistake to tell: {text}");
    let out = prepared.snapshot.routes.iter().filter(|entry| entry.quarantined);
    assert!(out.clone().all(|entry| entry.upstream.is_none() && entry.chain.names().count() == 0));
    let mut names: Vec<_> = out.filter_map(|entry| entry.route.name.as_deref().map(ToOwned::to_owned)).collect();
    names.sort();
    Some(names)
}

fn services(plugins: &str) -> String {
    format!(
        "services:\n\
         - {{name: a, host: h, routes: [{{name: a1, paths: [/1]}}, {{name: a2, paths: [/2]}}]}}\n\
         - {{name: b, host: h, routes: [{{name: b1, paths: [/3]}}]}}\n\
         consumers: [{{username: c}}]\n{plugins}"
    )
}

#[test]
fn a_wrong_plugin_takes_the_routes_that_it_stands_on_out_of_service() {
    for (plugin, routes) in [
        // Found while compiling, and found while loading.
        ("{name: marker, route: {name: a2}, config: {label: 5}}", &["a2"][..]),
        ("{name: marker, service: {name: a}, config: {label: 5}}", &["a1", "a2"]),
        ("{name: gate, route: {name: b1}, config: {wrong: 1}}", &["b1"]),
        ("{name: marker, route: {name: a1}, config: {label: '{vault://env/not-set}'}}", &["a1"]),
        ("{name: marker, route: {name: a1}, config: {label: x}, ordering: {before: {}}}", &["a1"]),
        ("{name: marker, route: {name: a1}, consumer: {username: c}, config: {label: 5}}", &["a1"]),
    ] {
        let found = quarantined(&services(&format!("plugins: [{plugin}]\n")));
        assert_eq!(found.as_deref(), Some(&routes.iter().map(ToString::to_string).collect::<Vec<_>>()[..]), "{plugin}");
    }
}

#[test]
fn a_nested_plugin_that_is_not_available_takes_only_its_route() {
    let text = "services: [{name: s, host: h, routes: [{name: good, paths: [/]}, {name: bad, paths: [/b], plugins: [{name: nobody-has-it}]}]}]\n";
    assert_eq!(quarantined(text), Some(vec!["bad".to_owned()]));
    let text = "services: [{name: s, host: h, plugins: [{name: nobody-has-it}], routes: [{name: bad, paths: [/b]}]}]\n\
                routes: [{name: good, paths: [/g], plugins: [{name: marker, config: {label: x}}]}]\n";
    assert_eq!(quarantined(text), Some(vec!["bad".to_owned()]));
}

#[test]
fn a_service_that_leads_nowhere_takes_its_routes() {
    let text = "services: [{name: s, port: 70000, host: h, routes: [{name: bad, paths: [/b]}]}, {name: t, host: h, routes: [{name: good, paths: [/]}]}]\n";
    assert_eq!(quarantined(text), Some(vec!["bad".to_owned()]));
}

#[test]
fn what_could_send_requests_elsewhere_or_let_somebody_in_still_refuses_the_file() {
    for text in [
        services("plugins: [{name: marker, config: {label: 5}}]\n"),
        services("plugins: [{name: marker, consumer: {username: c}, config: {label: 5}}]\n"),
        services("plugins: [{name: marker, route: {name: nobody}, config: {label: x}}]\n"),
        services("routes: [{name: r, paths: [/x], methods: 5}]\n"),
        services("routes: [{name: r, paths: ['~/(']}]\n"),
        services("nobody_knows: 1\n"),
        "services: [{name: s, host: h, routes: [5]}]\n".to_owned(),
        "services: [5]\n".to_owned(),
        "consumers: [{tags: 5, username: c}]\n".to_owned(),
        services("consumer_groups: [{name: g, consumers: [{username: nobody}]}]\n"),
        services("consumer_group_consumers: [{consumer: c, consumer_group: g}]\n"),
        services("consumer_groups: [{name: g, plugins: [{name: marker, config: {label: 5}}]}]\n"),
        "consumers: [{username: c, groups: [{name: g}]}]\n".to_owned(),
    ] {
        assert_eq!(quarantined(&text), None, "{text}");
    }
}
