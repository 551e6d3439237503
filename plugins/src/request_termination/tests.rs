//! Tests of `request-termination`.

use serde_json::{Value, json};

use super::NAME;
use crate::testing::{Exchange, World, answered, text};

async fn answer(config: &str, mut exchange: Exchange) -> (u16, Option<String>, String) {
    let response = exchange.answer(&World::empty().compile(NAME, config)).await;
    let content_type = answered(&response, "content-type").map(ToOwned::to_owned);
    (response.status.as_u16(), content_type, text(&response))
}

const JSON: &str = "application/json; charset=utf-8";

#[tokio::test]
async fn the_answer_is_what_the_configuration_says() {
    for (config, status, content_type, body) in [
        ("{}", 503, Some(JSON), r#"{"message":"Service unavailable"}"#),
        ("{status_code: 403, message: So long}", 403, Some(JSON), r#"{"message":"So long"}"#),
        ("{message: 'a \"b\"'}", 503, Some(JSON), r#"{"message":"a \"b\""}"#),
        ("{status_code: 418, body: <b>x</b>, content_type: text/html}", 418, Some("text/html"), "<b>x</b>"),
        ("{status_code: 200, body: '{\"a\":1}'}", 200, None, "{\"a\":1}"),
        ("{status_code: 404}", 404, Some(JSON), r#"{"message":"Not found"}"#),
        ("{status_code: 418}", 418, None, ""),
        ("{status_code: 204}", 204, None, ""),
        ("{status_code: 204, message: m}", 204, None, ""),
        ("{status_code: 304, body: b, content_type: text/plain}", 304, None, ""),
        ("{status_code: 599, message: null, trigger: null}", 599, None, ""),
    ] {
        let (got_status, got_type, got_body) = answer(config, Exchange::get("/")).await;
        assert_eq!((got_status, got_type.as_deref(), &*got_body), (status, content_type, body), "{config}");
    }
}

#[tokio::test]
async fn nothing_is_negotiated() {
    let exchange = Exchange::get("/").header("accept", "text/html");
    assert_eq!(answer("{}", exchange).await.1.as_deref(), Some(JSON));
}

#[tokio::test]
async fn a_trigger_is_a_header_or_a_parameter_of_the_query() {
    let handler = World::empty().compile(NAME, "{trigger: X-Term, status_code: 200}");
    for mut exchange in
        [Exchange::get("/").header("x-term", "0"), Exchange::get("/?X-Term=1"), Exchange::get("/?a&X-Term")]
    {
        assert_eq!(exchange.answer(&handler).await.status, 200);
    }
    for mut exchange in [Exchange::get("/"), Exchange::get("/?x-term=1"), Exchange::get("/X-Term")] {
        exchange.passes(&handler).await;
    }
}

async fn echo(config: &str, exchange: Exchange) -> Value {
    let (_, content_type, body) = answer(config, exchange).await;
    assert_eq!(content_type.as_deref(), Some(JSON));
    serde_json::from_str(&body).expect("JSON")
}

#[tokio::test]
async fn echo_shows_the_request_and_what_it_matched() {
    let exchange = Exchange::new("POST", "/demo/a?b=1&c=2&c=3")
        .body("application/json", r#"{"q":1}"#)
        .header("x-two", "a")
        .header("x-two", "b");
    let echo = echo("{echo: true, status_code: 404}", exchange).await;
    assert_eq!(echo["message"], "Not found");
    assert_eq!(
        echo["request"],
        json!({
            "scheme": "http", "host": "gw.test", "port": 8000, "method": "POST", "path": "/demo/a",
            "headers": {"host": "gw.test", "content-type": "application/json", "x-two": ["a", "b"]},
            "query": {"b": "1", "c": ["2", "3"]},
            "body": {"q": 1}, "raw_body": "{\"q\":1}",
            "uri_captures": {"named": {}, "unnamed": []},
        })
    );
    assert_eq!(
        echo["matched_route"],
        json!({
            "id": "7846979c-e83a-51e7-935f-444ff5f40833", "name": "demo", "paths": ["/demo"],
            "protocols": ["http", "https"], "https_redirect_status_code": 426, "regex_priority": 0,
            "strip_path": true, "path_handling": "v0", "preserve_host": false,
            "request_buffering": true, "response_buffering": true,
            "service": {"id": "8027b672-cb4d-5059-bc59-7d67b683008e"},
        })
    );
    assert_eq!(echo["matched_service"]["host"], "httpbin.test");
    assert_eq!(echo["kong"]["worker_pid"], std::process::id());
    assert!(echo["kong"]["node_id"].is_string() && echo["kong"]["hostname"].is_string());
}

#[tokio::test]
async fn echo_shows_forms_and_leaves_out_what_it_cannot_show() {
    let form = Exchange::new("POST", "/").body("application/x-www-form-urlencoded", "a=1&a=2&b=%20");
    assert_eq!(echo("{echo: true}", form).await["request"]["body"], json!({"a": ["1", "2"], "b": " "}));

    let binary = Exchange::new("POST", "/").body("application/json", b"{\xff").header("x-odd", b"\xff");
    let echo = echo("{echo: true, message: m}", binary).await;
    assert_eq!(echo["message"], "m");
    assert_eq!((&echo["request"]["body"], &echo["request"]["raw_body"]), (&Value::Null, &Value::Null));
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (config, mistake) in [
        ("{message: m, body: b}", "message: cannot be used with content_type or body"),
        ("{message: m, content_type: t}", "message: cannot be used with content_type or body"),
        ("{content_type: t}", "content_type: requires a body"),
        ("{echo: true, body: b}", "echo: cannot be used with content_type or body"),
        ("{message: ''}", "message: must not be empty"),
        ("{body: b, content_type: \"a\\nb\"}", "content_type: control characters"),
        ("{status_code: 99}", "status_code: must be between 200 and 599"),
        ("{status_code: 600}", "status_code: must be between 200 and 599"),
        ("{status_code: 101}", "status_code: a status of 1xx"),
        ("{status_code: abc}", "status_code: expected a whole number"),
        ("{trigger: 'a b'}", "trigger: `a b` is not a header name"),
        ("{status: 200}", "status: unknown field `status`"),
    ] {
        let mistakes = World::empty().mistakes(NAME, config);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{config}: {mistakes:?}");
    }
}

#[test]
fn the_example_compiles() {
    assert_eq!(World::load(include_str!("example.yaml")).compile_file(), [NAME, NAME, NAME]);
}
