//! The plugin basic-auth.

use signet_integration::{Gateway, Request, Upstream};

use crate::setup::{CONSUMERS, service};

fn gateway(upstream: &Upstream) -> Gateway {
    let routes = "
- {name: plain, paths: [/plain], plugins: [{name: basic-auth}]}
- {name: hidden, paths: [/hidden], plugins: [{name: basic-auth, config: {hide_credentials: true, realm: the vault}}]}
- {name: either, paths: [/either], plugins: [{name: basic-auth, config: {anonymous: bob}}]}
- {name: both, paths: [/both], plugins: [{name: basic-auth}, {name: key-auth}]}
";
    Gateway::start(&(service(upstream, routes) + CONSUMERS))
}

#[test]
fn the_right_password_passes_and_names_the_consumer() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(&Request::get("/plain").basic("alice", "p@ss:word")).status, 200);
    let seen = upstream.one();
    assert_eq!(seen.header("X-Consumer-Username"), Some("alice"));
    assert_eq!(seen.header("X-Consumer-Custom-ID"), Some("alice-at-home"));
    assert_eq!(seen.header("X-Credential-Identifier"), Some("alice"));
    assert!(seen.header("Authorization").is_some());
}

#[test]
fn anything_else_is_refused_with_a_challenge() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let plain = || Request::get("/plain");
    let without = gateway.send(&plain());
    assert_eq!(without.json()["message"], "Unauthorized");
    for request in [
        plain(),
        plain().basic("alice", "p@ss"),
        plain().basic("alice", ""),
        plain().basic("nobody", "p@ss:word"),
        plain().basic("", ""),
        plain().header("Authorization", "Basic !!!"),
        plain().header("Authorization", "Basic"),
        plain().header("Authorization", ""),
        plain().header("Authorization", "Bearer a.b.c"),
    ] {
        let response = gateway.send(&request);
        assert_eq!(response.status, 401, "{request:?}");
        assert_eq!(response.header("WWW-Authenticate"), Some("Basic realm=\"service\""), "{request:?}");
    }
    assert_eq!(gateway.get("/hidden").header("WWW-Authenticate"), Some("Basic realm=\"the vault\""));
    assert!(upstream.take().is_empty());
}

#[test]
fn hidden_credentials_stay_here() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(&Request::get("/hidden").basic("alice", "p@ss:word")).status, 200);
    assert_eq!(upstream.one().header("Authorization"), None);
}

#[test]
fn the_anonymous_consumer_stands_in_for_who_cannot_prove_anything() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for request in [Request::get("/either"), Request::get("/either").basic("alice", "wrong")] {
        assert_eq!(gateway.send(&request).status, 200);
        let seen = upstream.one();
        assert_eq!(seen.header("X-Consumer-Username"), Some("bob"));
        assert_eq!(seen.header("X-Anonymous-Consumer"), Some("true"));
        assert_eq!(seen.header("X-Credential-Identifier"), None);
    }
    assert_eq!(gateway.send(&Request::get("/either").basic("alice", "p@ss:word")).status, 200);
    let seen = upstream.one();
    assert_eq!((seen.header("X-Consumer-Username"), seen.header("X-Anonymous-Consumer")), (Some("alice"), None));
}

#[test]
fn two_plugins_without_anonymous_must_both_be_satisfied() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let both = || Request::get("/both");
    assert_eq!(gateway.send(&both().basic("alice", "p@ss:word")).status, 401);
    assert_eq!(gateway.send(&both().header("apikey", "bob-key")).status, 401);
    assert_eq!(gateway.send(&both().basic("alice", "p@ss:word").header("apikey", "bob-key")).status, 200);
    // basic-auth runs last, so it has the last word on who this is.
    assert_eq!(upstream.one().header("X-Consumer-Username"), Some("alice"));
}
