//! The plugin acl.

use signet_integration::{Gateway, Request, Start, Upstream};

use crate::setup::service;

const CONSUMERS: &str = "
consumers:
- username: alice
  keyauth_credentials: [{key: alice-key}]
  acls: [{group: users}, {group: admins}]
- username: bob
  keyauth_credentials: [{key: bob-key}]
  acls: [{group: users}]
- username: carol
  keyauth_credentials: [{key: carol-key}]
- username: guest
  acls: [{group: guests}]
- username: ghost
";

const ROUTES: &str = "
- {name: open, paths: [/open]}
- {name: admin, paths: [/admin], plugins: [{name: key-auth}, {name: acl, config: {allow: [admins]}}]}
- {name: hidden, paths: [/hidden], plugins: [{name: key-auth}, {name: acl, config: {allow: [users], hide_groups_header: true}}]}
- {name: others, paths: [/others], plugins: [{name: key-auth}, {name: acl, config: {deny: [admins]}}]}
- {name: unguarded, paths: [/unguarded], plugins: [{name: acl, config: {allow: [users]}}]}
- {name: lobby, paths: [/lobby], plugins: [{name: key-auth, config: {anonymous: guest}}, {name: acl, config: {allow: [users, guests]}}]}
- {name: desk, paths: [/desk], plugins: [{name: key-auth, config: {anonymous: ghost}}, {name: acl, config: {allow: [users]}}]}
";

fn start(upstream: &Upstream) -> Start {
    Gateway::with(&(service(upstream, ROUTES) + CONSUMERS))
}

fn as_who(path: &str, who: &str) -> Request {
    Request::get(path).header("apikey", &format!("{who}-key"))
}

#[test]
fn the_groups_of_the_consumer_decide_and_go_upstream() {
    let upstream = Upstream::echo();
    let gateway = start(&upstream).start();
    for (path, who, groups) in [
        ("/admin", "alice", Some("users, admins")),
        ("/hidden", "alice", None),
        ("/hidden", "bob", None),
        ("/others", "bob", Some("users")),
        ("/others", "carol", None),
    ] {
        assert_eq!(gateway.send(&as_who(path, who)).status, 200, "{path} as {who}");
        let seen = upstream.one();
        assert_eq!(seen.header("X-Consumer-Groups"), groups, "{path} as {who}");
        assert_eq!(seen.header("X-Consumer-Username"), Some(who));
    }
}

#[test]
fn others_are_refused_before_anything_reaches_the_upstream() {
    let upstream = Upstream::echo();
    let gateway = start(&upstream).start();
    for (path, who) in [("/admin", "bob"), ("/admin", "carol"), ("/hidden", "carol"), ("/others", "alice")] {
        let response = gateway.send(&as_who(path, who));
        assert_eq!(response.status, 403, "{path} as {who}");
        assert_eq!(response.json()["message"], "You cannot consume this service");
    }
    // No key: key-auth has answered before groups are looked at.
    let response = gateway.get("/admin");
    assert_eq!((response.status, response.header("WWW-Authenticate")), (401, Some("Key")));
    assert!(upstream.take().is_empty());
}

#[test]
fn without_an_authentication_plugin_nobody_passes() {
    let upstream = Upstream::echo();
    let gateway = start(&upstream).start();
    for request in [Request::get("/unguarded"), as_who("/unguarded", "alice").header("X-Consumer-Groups", "users")] {
        let response = gateway.send(&request);
        assert_eq!((response.status, &response.json()["message"]), (401, &"Unauthorized".into()));
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn the_anonymous_consumer_passes_by_its_own_groups() {
    let upstream = Upstream::echo();
    let gateway = start(&upstream).start();
    assert_eq!(gateway.get("/lobby").status, 200);
    let seen = upstream.one();
    assert_eq!(seen.header("X-Consumer-Groups"), Some("guests"));
    assert_eq!(seen.header("X-Anonymous-Consumer"), Some("true"));
    assert_eq!(gateway.send(&as_who("/lobby", "bob")).status, 200);
    assert_eq!(upstream.one().header("X-Consumer-Groups"), Some("users"));
    assert_eq!(gateway.send(&as_who("/lobby", "carol")).status, 403);
    // An anonymous caller without groups could still authenticate: 401, not 403.
    assert_eq!(gateway.get("/desk").status, 401);
    assert!(upstream.take().is_empty());
}

#[test]
fn a_clients_own_groups_never_pass() {
    let upstream = Upstream::echo();
    let gateway = start(&upstream).start();
    let forged = |path: &str| {
        ["X-Consumer-Groups", "x-authenticated-groups", "X_Consumer_Groups", "X-Authenticated_Groups"]
            .iter()
            .fold(as_who(path, "alice"), |request, name| request.header(name, "root"))
    };
    for (path, expected) in [("/open", &[][..]), ("/hidden", &[]), ("/admin", &["users, admins"])] {
        assert_eq!(gateway.send(&forged(path)).status, 200, "{path}");
        let seen = upstream.one();
        let groups = seen.headers.0.iter().filter(|(name, _)| name.to_ascii_lowercase().contains("groups"));
        assert_eq!(groups.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), expected, "{path}");
    }
}

#[test]
fn the_name_of_the_header_is_written_as_kong_writes_it_for_upstreams_that_care() {
    let upstream = Upstream::echo();
    let gateway = start(&upstream).setting("preserve_header_case", "on").start();
    assert_eq!(gateway.send(&as_who("/admin", "alice")).status, 200);
    let raw = String::from_utf8(upstream.one().raw).unwrap();
    assert!(raw.contains("\r\nX-Consumer-Groups: users, admins\r\n"), "{raw}");
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let text = "_format_version: '3.0'
plugins:
- name: acl
  config: {allow: [a], deny: [b]}
consumers:
- username: c
  plugins:
  - {name: acl, config: {allow: [a]}}
  acls:
  - group: a
  - group: a
";
    let run = Gateway::with(text).run();
    assert_eq!(run.code, Some(2), "{run:?}");
    for wanted in [
        ":4: plugins[0].config.deny: only one of `allow` and `deny` can be given",
        ":8: consumers[0].plugins[0].consumer: `acl` acts before the caller is known or on all callers alike",
        ":11: consumers[0].acls[1].group: the same `group` as that of `consumers[0].acls[0]` (line 10)",
    ] {
        assert!(run.stderr.contains(wanted), "{wanted}\n{}", run.stderr);
    }
}
