//! Consumer groups: plugins that run for their members, and their names in acl.

use signet_integration::{Gateway, Request, Upstream};

use crate::setup::service;

const CONFIG: &str = "
_format_version: '3.0'
services:
- name: s
  host: nowhere.test
  routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}, {name: c, paths: [/c]}]
- {name: t, host: nowhere.test, routes: [{name: e, paths: [/e]}]}
consumer_groups:
- name: gold
  plugins: [{name: request-termination, config: {message: gold}}]
- name: bronze
  consumers: [{username: both}]
- name: strangers
  consumers: [guest]
consumers:
- {username: member, keyauth_credentials: [{key: member}], groups: [{name: gold}]}
- {username: both, keyauth_credentials: [{key: both}]}
- {username: own, keyauth_credentials: [{key: own}], groups: [{name: gold}], plugins: [{name: request-termination, config: {message: own}}]}
- {username: alone, keyauth_credentials: [{key: alone}]}
- {username: guest}
consumer_group_consumers:
- {consumer: both, consumer_group: gold}
plugins:
- {name: key-auth, config: {anonymous: guest}}
- {name: request-termination, config: {message: global}}
- {name: request-termination, route: a, config: {message: route}}
- {name: request-termination, service: s, config: {message: service}}
- {name: request-termination, consumer_group: bronze, config: {message: bronze}}
- {name: request-termination, consumer_group: strangers, service: t, config: {message: strangers}}
- {name: request-termination, consumer_group: gold, route: b, config: {message: gold on route}}
- {name: request-termination, consumer_group: {name: gold}, service: {name: s}, config: {message: gold on service}}
- {name: request-termination, consumer: own, service: s, config: {message: own on service}}
- {name: request-termination, service: s, route: c, config: {message: route of service}}
- {name: request-termination, consumer_group: gold, service: t, route: e, config: {message: gold on both}}
- {name: request-termination, consumer: own, route: e, config: {message: own on route}}
";

#[test]
fn the_most_specific_configuration_counts_with_groups_behind_consumers() {
    let gateway = Gateway::start(CONFIG);
    for (path, key, wanted) in [
        ("/a", "alone", "route"),
        ("/a", "member", "gold on service"),
        ("/a", "own", "own on service"),
        ("/b", "member", "gold on route"),
        ("/b", "own", "own on service"),
        // Two groups, of which one stands on the route.
        ("/b", "both", "gold on route"),
        ("/c", "member", "gold on service"),
        ("/c", "alone", "route of service"),
        ("/e", "alone", "global"),
        ("/e", "member", "gold on both"),
        ("/e", "own", "gold on both"),
        ("/e", "", "strangers"),
    ] {
        let response = gateway.send(&Request::get(path).header("apikey", key));
        assert_eq!(response.json()["message"], wanted, "{path} as `{key}`");
    }
}

#[test]
fn of_two_groups_in_the_same_kind_of_place_the_first_by_name_counts() {
    let config =
        CONFIG.replace("nowhere.test, routes: [{name: e", "nowhere.test, routes: [{name: f, paths: [/f]}, {name: e");
    let gateway = Gateway::start(&config);
    for (key, wanted) in
        [("both", "bronze"), ("member", "gold"), ("own", "own"), ("alone", "global"), ("", "strangers")]
    {
        let response = gateway.send(&Request::get("/f").header("apikey", key));
        assert_eq!(response.json()["message"], wanted, "as `{key}`");
    }
}

#[test]
fn acl_knows_the_names_of_consumer_groups_where_it_is_told_to() {
    let upstream = Upstream::echo();
    let routes = "
- {name: with, paths: [/with], plugins: [{name: key-auth}, {name: acl, config: {allow: [gold], include_consumer_groups: true}}]}
- {name: without, paths: [/without], plugins: [{name: key-auth}, {name: acl, config: {allow: [gold]}}]}
- {name: barred, paths: [/barred], plugins: [{name: key-auth}, {name: acl, config: {deny: [gold], include_consumer_groups: true}}]}
";
    let consumers = "
consumer_groups: [{name: gold}, {name: early}]
consumers:
- {username: member, keyauth_credentials: [{key: member}], groups: [{name: gold}, {name: early}], acls: [{group: users}]}
- {username: alone, keyauth_credentials: [{key: alone}], acls: [{group: users}]}
";
    let gateway = Gateway::start(&(service(&upstream, routes) + consumers));
    let status = |path: &str, key: &str| gateway.send(&Request::get(path).header("apikey", key)).status;
    assert_eq!(status("/with", "member"), 200);
    assert_eq!(upstream.one().header("X-Consumer-Groups"), Some("users, early, gold"));
    assert_eq!(status("/with", "alone"), 403);
    assert_eq!(status("/without", "member"), 403);
    assert_eq!(status("/barred", "member"), 403);
    assert!(upstream.take().is_empty());
    assert_eq!(status("/barred", "alone"), 200);
    assert_eq!(upstream.one().header("X-Consumer-Groups"), Some("users"));
}
