//! Tests of `cors`.

use std::sync::Arc;

use signet_plugin_api::Handler;

use super::NAME;
use crate::testing::{Exchange, World, answered, text, values};

const DEFAULT_METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";
const MULTI: &str = r#"{origins: ["https://a.example", "https://b.example:8443", "http://[a-z]+\\.re\\.example"]}"#;
const CREDENTIALS: &str = "{origins: [https://a.example, https://b.example], credentials: true, exposed_headers: [X-E1, X-E2], headers: [X-H1, X-H2], methods: [GET, PUT], max_age: 60}";
const A: &str = "https://a.example";

fn cors(config: &str) -> Arc<dyn Handler> {
    World::empty().compile(NAME, config)
}

fn preflight(origin: &str) -> Exchange {
    Exchange::new("OPTIONS", "/").header("origin", origin).header("access-control-request-method", "PUT")
}

/// `Access-Control-Allow-Origin`, `Vary` and `Access-Control-Allow-Credentials` of the response to a simple request.
async fn simple(config: &str, origin: Option<&str>) -> [String; 3] {
    let handler = cors(config);
    let exchange = Exchange::get("/");
    let mut exchange = match origin {
        Some(origin) => exchange.header("origin", origin),
        None => exchange,
    };
    exchange.passes(&handler).await;
    let head = exchange.response(&handler, &[]).await;
    ["access-control-allow-origin", "vary", "access-control-allow-credentials"].map(|name| values(&head.headers, name))
}

/// The same of the answer to a preflight, which must not change on its way out.
async fn asked(config: &str, origin: &str) -> [String; 3] {
    let handler = cors(config);
    let mut exchange = preflight(origin);
    let response = exchange.answer(&handler).await;
    assert_eq!((response.status.as_u16(), text(&response)), (200, String::new()));
    assert!(exchange.response(&handler, &[]).await.headers.is_empty());
    ["access-control-allow-origin", "vary", "access-control-allow-credentials"]
        .map(|name| answered(&response, name).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_origin_is_allowed_by_default_and_by_a_star() {
    for config in ["{}", "{origins: ['*']}", "{origins: []}"] {
        for origin in [Some(A), Some("null"), Some("https://A.EXAMPLE"), Some(""), None] {
            assert_eq!(simple(config, origin).await, ["*", "", ""], "{config} {origin:?}");
        }
        assert_eq!(asked(config, A).await, ["*", "", ""]);
    }
}

#[tokio::test]
async fn a_single_origin_is_sent_whatever_the_request_says() {
    let config = "{origins: [https://a.example]}";
    for origin in [Some(A), Some("https://other.example"), None] {
        assert_eq!(simple(config, origin).await, [A, "Origin", ""], "{origin:?}");
    }
    assert_eq!(asked(config, "https://other.example").await, [A, "Origin", ""]);
    assert_eq!(simple("{origins: ['null']}", Some(A)).await, ["null", "Origin", ""]);
}

#[tokio::test]
async fn of_several_origins_only_a_match_is_sent() {
    for (origin, allowed) in [
        (A, A),
        ("https://a.example:443", A),
        ("https://a.example/", A),
        ("https://user@a.example", A),
        ("https://a.example:8443", ""),
        ("http://a.example", ""),
        ("https://A.EXAMPLE", ""),
        ("https://b.example:8443", "https://b.example:8443"),
        ("https://b.example", ""),
        ("http://xx.re.example", "http://xx.re.example"),
        ("http://xx.re.example:80", "http://xx.re.example"),
        ("http://xx.re.example.evil", ""),
        ("http://evil.example/http://xx.re.example", ""),
        ("http://xxxre.example", ""),
        ("null", ""),
        ("://", ""),
        ("\u{e9}", ""),
    ] {
        assert_eq!(simple(MULTI, Some(origin)).await, [allowed, "Origin", ""], "{origin}");
        assert_eq!(asked(MULTI, origin).await, [allowed, "Origin", ""], "{origin}");
    }
    assert_eq!(simple(MULTI, None).await, ["", "Origin", ""]);
}

#[tokio::test]
async fn an_expression_without_a_colon_is_matched_against_the_host() {
    let config = r#"{origins: ["(.+\\.)?a\\.example"]}"#;
    for origin in ["https://a.example:8443", "http://x.a.example"] {
        assert_eq!(simple(config, Some(origin)).await[0], origin);
    }
    assert_eq!(simple(config, Some("https://xa.example")).await[0], "");
}

#[tokio::test]
async fn each_alternative_of_an_expression_must_match_as_a_whole() {
    let config = r#"{origins: ["^https://a\\.example|https://b\\.example$"]}"#;
    assert_eq!(simple(config, Some(A)).await[0], A);
    assert_eq!(simple(config, Some("https://a.example.evil")).await[0], "");
    assert_eq!(simple(config, Some("https://evil.https://b.example")).await[0], "");
}

#[tokio::test]
async fn an_expression_that_backtracks_without_end_does_not_match() {
    let config = r#"{origins: ["http://(?=a)(a+)+\\1b"]}"#;
    assert_eq!(simple(config, Some(&format!("http://{}", "a".repeat(60)))).await[0], "");
}

#[tokio::test]
async fn a_star_among_others_allows_all() {
    let config = "{origins: [https://a.example, '*']}";
    assert_eq!(simple(config, Some("https://other.example")).await, ["*", "Origin", ""]);
    assert_eq!(simple(config, None).await, ["", "Origin", ""]);
}

#[tokio::test]
async fn credentials_turn_the_star_into_the_origin() {
    let config = "{origins: ['*'], credentials: true}";
    assert_eq!(simple(config, Some("https://A.EXAMPLE")).await, ["https://A.EXAMPLE", "Origin", "true"]);
    assert_eq!(asked(config, "null").await, ["null", "Origin", "true"]);
    assert_eq!(simple(config, None).await, ["*", "", ""]);
}

#[tokio::test]
async fn a_simple_response_gets_the_exposed_headers() {
    let handler = cors(CREDENTIALS);
    let mut exchange = Exchange::get("/").header("origin", "https://other.example");
    exchange.passes(&handler).await;
    let head = exchange.response(&handler, &[]).await;
    assert_eq!(values(&head.headers, "access-control-allow-origin"), "");
    assert_eq!(values(&head.headers, "access-control-allow-credentials"), "true");
    assert_eq!(values(&head.headers, "access-control-expose-headers"), "X-E1,X-E2");
}

#[tokio::test]
async fn headers_of_the_upstream_are_replaced_and_its_vary_is_kept() {
    let upstream =
        [("Access-Control-Allow-Origin", "up"), ("Vary", "Accept"), ("Access-Control-Allow-Credentials", "false")];
    let handler = cors(CREDENTIALS);
    for (origin, allowed) in [(A, A), ("https://other.example", "")] {
        let mut exchange = Exchange::get("/").header("origin", origin);
        exchange.passes(&handler).await;
        let head = exchange.response(&handler, &upstream).await;
        assert_eq!(values(&head.headers, "access-control-allow-origin"), allowed);
        assert_eq!(values(&head.headers, "vary"), "Accept|Origin");
        assert_eq!(values(&head.headers, "access-control-allow-credentials"), "true");
    }
}

#[tokio::test]
async fn a_preflight_is_told_what_it_may_do() {
    let response = preflight(A).answer(&cors(CREDENTIALS)).await;
    for (name, value) in [
        ("access-control-allow-origin", Some(A)),
        ("access-control-allow-credentials", Some("true")),
        ("access-control-allow-headers", Some("X-H1,X-H2")),
        ("access-control-allow-methods", Some("GET,PUT")),
        ("access-control-max-age", Some("60")),
        ("access-control-expose-headers", None),
        ("access-control-allow-private-network", None),
    ] {
        assert_eq!(answered(&response, name), value, "{name}");
    }
}

#[tokio::test]
async fn a_preflight_gets_the_headers_that_it_asks_for_when_none_are_configured() {
    let response = preflight(A).header("access-control-request-headers", "X-A, X-B").answer(&cors("{}")).await;
    assert_eq!(answered(&response, "access-control-allow-headers"), Some("X-A, X-B"));
    assert_eq!(answered(&response, "access-control-allow-methods"), Some(DEFAULT_METHODS));
    assert_eq!(answered(&response, "access-control-max-age"), None);

    let response = preflight(A).answer(&cors("{methods: null}")).await;
    assert_eq!(answered(&response, "access-control-allow-headers"), None);
    assert_eq!(answered(&response, "access-control-allow-methods"), Some(DEFAULT_METHODS));
}

#[tokio::test]
async fn options_without_a_request_method_or_an_origin_is_no_preflight() {
    let handler = cors("{}");
    for mut exchange in [
        Exchange::new("OPTIONS", "/").header("origin", A),
        Exchange::new("OPTIONS", "/").header("access-control-request-method", "PUT"),
        preflight(""),
        Exchange::get("/").header("origin", A).header("access-control-request-method", "PUT"),
    ] {
        exchange.passes(&handler).await;
        let head = exchange.response(&handler, &[]).await;
        assert_eq!(values(&head.headers, "access-control-allow-origin"), "*");
    }
}

#[tokio::test]
async fn a_preflight_can_be_left_to_the_upstream() {
    let handler = cors("{preflight_continue: true}");
    let mut exchange = preflight(A);
    exchange.passes(&handler).await;
    let head = exchange.response(&handler, &[("Access-Control-Allow-Origin", "up")]).await;
    assert_eq!(values(&head.headers, "access-control-allow-origin"), "up");
}

#[tokio::test]
async fn private_networks_are_allowed_to_those_who_ask() {
    for (config, asked, allowed) in [
        ("{private_network: true}", "true", Some("true")),
        ("{private_network: true}", "1", None),
        ("{}", "true", None),
    ] {
        let mut exchange = preflight(A).header("access-control-request-private-network", asked);
        let response = exchange.answer(&cors(config)).await;
        assert_eq!(answered(&response, "access-control-allow-private-network"), allowed, "{config} {asked}");
    }
}

#[tokio::test]
async fn responses_to_requests_without_an_origin_can_be_left_alone() {
    for config in [
        "{allow_origin_absent: false}",
        "{allow_origin_absent: false, origins: [https://a.example]}",
        "{allow_origin_absent: false, origins: [https://a.example, https://b.example]}",
    ] {
        assert_eq!(simple(config, None).await, ["", "", ""], "{config}");
        assert_ne!(simple(config, Some(A)).await[0], "", "{config}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (config, mistake) in [
        ("{origins: ['[']}", "origins[0]: not a regular expression"),
        ("{origins: [https://a.example, '(']}", "origins[1]: not a regular expression"),
        ("{origins: ['']}", "origins[0]: must not be empty"),
        ("{methods: [GET, get]}", "methods[1]: `get` is not one of GET, HEAD"),
        ("{headers: [\"a\\nb\"]}", "headers: control characters"),
        ("{exposed_headers: ['']}", "exposed_headers: an item must not be empty"),
        ("{max_age: soon}", "max_age: expected a number"),
        ("{max_age: .inf}", "max_age: must be a number of seconds"),
        ("{origin: '*'}", "did you mean `origins`?"),
    ] {
        let mistakes = World::empty().mistakes(NAME, config);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{config}: {mistakes:?}");
    }
}

#[test]
fn the_example_compiles() {
    assert_eq!(World::load(include_str!("example.yaml")).compile_file(), [NAME, NAME]);
}
