//! The plugin cors.

use signet_integration::{Gateway, Request, Response, Upstream};

use crate::setup::{CONSUMERS, service};

fn gateway(upstream: &Upstream) -> Gateway {
    let routes = "
- {name: star, paths: [/star], plugins: [{name: cors, config: {origins: ['*']}}]}
- {name: one, paths: [/one], plugins: [{name: cors, config: {origins: ['https://a.example']}}]}
- {name: two, paths: [/two], plugins: [{name: cors, config: {origins: ['https://a.example', 'https://[a-z]+[.]b[.]example'], credentials: true, max_age: 60, methods: [GET, PUT], headers: [X-H], exposed_headers: [X-E]}}]}
- {name: starcred, paths: [/starcred], plugins: [{name: cors, config: {origins: ['*'], credentials: true}}]}
- {name: keyed, paths: [/keyed], plugins: [{name: cors, config: {origins: ['*']}}, {name: key-auth}]}
- {name: on, paths: [/on], plugins: [{name: cors, config: {origins: ['*'], preflight_continue: true}}]}
";
    Gateway::start(&(service(upstream, routes) + CONSUMERS))
}

fn from(path: &str, origin: &str) -> Request {
    Request::get(path).header("Origin", origin)
}

fn preflight(path: &str, origin: &str) -> Request {
    Request::new("OPTIONS", path).header("Origin", origin).header("Access-Control-Request-Method", "PUT")
}

fn allowed(response: &Response) -> Option<&str> {
    response.header("Access-Control-Allow-Origin")
}

#[test]
fn a_preflight_is_answered_here() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let response = gateway.send(&preflight("/two", "https://a.example"));
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert_eq!(allowed(&response), Some("https://a.example"));
    assert_eq!(response.header("Access-Control-Allow-Methods"), Some("GET,PUT"));
    assert_eq!(response.header("Access-Control-Allow-Headers"), Some("X-H"));
    assert_eq!(response.header("Access-Control-Max-Age"), Some("60"));
    assert_eq!(response.header("Access-Control-Allow-Credentials"), Some("true"));
    assert!(upstream.take().is_empty());
}

#[test]
fn an_origin_is_allowed_by_name_by_pattern_or_not_at_all() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (path, origin, wanted) in [
        ("/star", "https://x.example", Some("*")),
        ("/one", "https://a.example", Some("https://a.example")),
        ("/one", "https://evil.example", Some("https://a.example")),
        ("/two", "https://a.example", Some("https://a.example")),
        ("/two", "https://shop.b.example", Some("https://shop.b.example")),
        ("/two", "https://a.example.evil.example", None),
        ("/two", "https://shop.b.example.evil.example", None),
        ("/two", "null", None),
        ("/starcred", "https://x.example", Some("https://x.example")),
    ] {
        let response = gateway.send(&from(path, origin));
        assert_eq!(response.status, 200);
        assert_eq!(allowed(&response), wanted, "{path} from {origin}");
    }
}

#[test]
fn the_upstream_s_own_headers_are_overruled() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let response =
        gateway.send(&from("/two", "https://a.example").header("X-Echo-Resp", "Access-Control-Allow-Origin: *"));
    let values: Vec<&str> = response.headers.all("Access-Control-Allow-Origin").collect();
    assert_eq!(values, ["https://a.example"]);
    assert_eq!(response.header("Access-Control-Expose-Headers"), Some("X-E"));
    assert!(response.headers.lists("Vary", "Origin"), "{response:?}");
}

#[test]
fn refusals_of_other_plugins_can_be_read_by_the_page() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let response = gateway.send(&from("/keyed", "https://x.example"));
    assert_eq!((response.status, allowed(&response)), (401, Some("*")));
    assert_eq!(gateway.send(&preflight("/keyed", "https://x.example")).status, 200);
}

#[test]
fn preflight_continue_leaves_the_answer_to_the_upstream() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(&preflight("/on", "https://x.example")).text(), "{\"ok\":true}");
    assert_eq!(upstream.one().method, "OPTIONS");
}
