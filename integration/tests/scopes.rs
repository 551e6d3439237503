//! Which of several configurations of one plugin counts: the most specific, in Kong's order.

use signet_integration::{Gateway, Request};

const CONFIG: &str = "
_format_version: '3.0'
services:
- {name: s, host: nowhere.test, routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}, {name: c, paths: [/c]}, {name: d, paths: [/d]}]}
- {name: t, host: nowhere.test, routes: [{name: e, paths: [/e]}]}
consumers:
- {username: alice, keyauth_credentials: [{key: alice}]}
- {username: bob, keyauth_credentials: [{key: bob}]}
- {username: guest}
plugins:
- {name: key-auth, config: {anonymous: guest}}
- {name: request-termination, config: {message: global}}
- {name: request-termination, service: s, config: {message: service}}
- {name: request-termination, route: a, config: {message: route}}
- {name: request-termination, consumer: alice, config: {message: consumer}}
- {name: request-termination, route: b, consumer: alice, config: {message: route and consumer}}
- {name: request-termination, service: s, consumer: bob, config: {message: service and consumer}}
- {name: request-termination, route: d, enabled: false, config: {message: disabled}}
";

#[test]
fn the_most_specific_configuration_counts() {
    let gateway = Gateway::start(CONFIG);
    for (path, key, wanted) in [
        ("/e", "", "global"),
        ("/e", "bob", "global"),
        ("/e", "alice", "consumer"),
        ("/c", "", "service"),
        ("/c", "alice", "consumer"),
        ("/c", "bob", "service and consumer"),
        ("/a", "", "route"),
        ("/a", "alice", "consumer"),
        ("/a", "bob", "service and consumer"),
        ("/b", "", "service"),
        ("/b", "alice", "route and consumer"),
        ("/d", "", "service"),
    ] {
        let response = gateway.send(&Request::get(path).header("apikey", key));
        assert_eq!(response.json()["message"], wanted, "{path} as `{key}`");
    }
}

#[test]
fn a_global_plugin_also_acts_where_no_service_is() {
    let config = "
_format_version: '3.0'
routes: [{name: a, paths: [/a]}]
plugins: [{name: request-termination, config: {status_code: 418, message: global}}]
";
    assert_eq!(Gateway::start(config).get("/a").status, 418);
}

#[test]
fn a_route_that_needs_tls_is_not_served_in_plain_text() {
    let config = "
_format_version: '3.0'
services:
- name: s
  host: nowhere.test
  routes:
  - {name: upgrade, paths: [/upgrade], protocols: [https], plugins: [{name: request-termination}]}
  - {name: redirect, paths: [/redirect], protocols: [https], https_redirect_status_code: 308, plugins: [{name: request-termination}]}
";
    let gateway = Gateway::start(config);
    let upgrade = gateway.get("/upgrade");
    assert_eq!((upgrade.status, upgrade.header("Upgrade")), (426, Some("TLS/1.2, HTTP/1.1")));
    let redirect = gateway.send(&Request::get("/redirect/a?b=1").header("Host", "gw.test:8000"));
    assert_eq!((redirect.status, redirect.header("Location")), (308, Some("https://gw.test/redirect/a?b=1")));
}
