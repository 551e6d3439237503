//! The plugin key-auth.

use signet_integration::{Gateway, Request, Upstream};

use crate::setup::{CONSUMERS, service};

fn gateway(upstream: &Upstream) -> Gateway {
    let routes = "
- {name: plain, paths: [/plain], plugins: [{name: key-auth}]}
- {name: names, paths: [/names], plugins: [{name: key-auth, config: {key_names: [x-key, token], realm: keys}}]}
- {name: hidden, paths: [/hidden], plugins: [{name: key-auth, config: {hide_credentials: true, key_in_body: true}}]}
- {name: header, paths: [/header], plugins: [{name: key-auth, config: {key_in_query: false}}]}
- {name: preflight, paths: [/preflight], plugins: [{name: key-auth, config: {run_on_preflight: false}}]}
- {name: twice, paths: [/twice], plugins: [{name: key-auth}], methods: [GET]}
";
    Gateway::start(&(service(upstream, routes) + CONSUMERS))
}

#[test]
fn a_key_passes_in_a_header_or_in_the_query() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for request in [
        Request::get("/plain").header("apikey", "bob-key"),
        Request::get("/plain").header("ApiKey", "bob-key"),
        Request::get("/plain?apikey=bob-key"),
        Request::get("/plain?a=1&apikey=bob%2Dkey"),
        Request::get("/names").header("X-Key", "bob-key"),
        Request::get("/names?token=bob-key"),
    ] {
        assert_eq!(gateway.send(&request).status, 200, "{request:?}");
        let seen = upstream.one();
        assert_eq!(seen.header("X-Consumer-Username"), Some("bob"));
        assert_eq!(seen.header("X-Credential-Identifier"), Some("aaaaaaaa-0000-4000-8000-000000000002"));
    }
}

#[test]
fn anything_else_is_refused_with_a_challenge() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (request, message) in [
        (Request::get("/plain"), "No API key found in request"),
        (Request::get("/plain?apikey="), "No API key found in request"),
        (Request::get("/plain").header("apikey", "BOB-KEY"), "Unauthorized"),
        (Request::get("/plain").header("apikey", "bob-key-and-more"), "Unauthorized"),
        (Request::get("/header?apikey=bob-key"), "No API key found in request"),
    ] {
        let response = gateway.send(&request);
        assert_eq!(response.status, 401, "{request:?}");
        assert_eq!(response.json()["message"], message, "{request:?}");
        assert_eq!(response.header("WWW-Authenticate"), Some("Key"), "{request:?}");
    }
    assert_eq!(gateway.get("/names").header("WWW-Authenticate"), Some("Key realm=\"keys\""));
    assert!(upstream.take().is_empty());
}

#[test]
fn hidden_keys_stay_here_wherever_they_stood() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(&Request::get("/hidden").header("apikey", "bob-key").header("X-Other", "1")).status, 200);
    let seen = upstream.one();
    assert_eq!((seen.header("apikey"), seen.header("X-Other")), (None, Some("1")));
    assert_eq!(gateway.get("/hidden?a=1&apikey=bob-key&b=2").status, 200);
    assert_eq!(upstream.one().path, "/base?a=1&b=2");
    let form = Request::new("POST", "/hidden")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("a=1&apikey=bob-key");
    assert_eq!(gateway.send(&form).status, 200);
    let seen = upstream.one();
    assert_eq!(String::from_utf8_lossy(&seen.body), "a=1");
    assert_eq!(seen.header("X-Consumer-Username"), Some("bob"));
}

#[test]
fn a_key_in_a_json_body_passes_and_the_rest_of_the_body_arrives() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let request = Request::new("POST", "/hidden")
        .header("Content-Type", "application/json")
        .body("{\"apikey\":\"bob-key\",\"a\":[1]}");
    assert_eq!(gateway.send(&request).status, 200);
    let body: serde_json::Value = serde_json::from_slice(&upstream.one().body).unwrap();
    assert_eq!(body, serde_json::json!({"a": [1]}));
}

#[test]
fn a_preflight_request_passes_only_where_it_may() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(&Request::new("OPTIONS", "/preflight")).status, 200);
    assert_eq!(gateway.send(&Request::new("OPTIONS", "/plain")).status, 401);
    assert_eq!(gateway.get("/preflight").status, 401);
}
