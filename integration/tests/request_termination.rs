//! The plugin request-termination.

use serde_json::json;
use signet_integration::{Gateway, Request, Upstream};

use crate::setup::service;

fn gateway(upstream: &Upstream) -> Gateway {
    let routes = "
- {name: default, paths: [/default], plugins: [{name: request-termination}]}
- {name: message, paths: [/message], plugins: [{name: request-termination, config: {status_code: 403, message: So long}}]}
- {name: body, paths: [/body], plugins: [{name: request-termination, config: {status_code: 418, body: '<b>x</b>', content_type: text/html}}]}
- {name: trigger, paths: [/trigger], plugins: [{name: request-termination, config: {trigger: x-stop, status_code: 410, message: stopped}}]}
- {name: echo, paths: [/echo], plugins: [{name: request-termination, config: {echo: true, status_code: 200}}]}
- {name: nobody, paths: [/nobody], plugins: [{name: request-termination, config: {status_code: 204}}]}
- {name: 'off', paths: [/off], plugins: [{name: request-termination, enabled: false}]}
";
    Gateway::start(&service(upstream, routes))
}

#[test]
fn the_configured_answer_is_given_and_the_upstream_sees_nothing() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let default = gateway.get("/default");
    assert_eq!((default.status, default.json()), (503, json!({"message": "Service unavailable"})));
    let message = gateway.get("/message");
    assert_eq!((message.status, message.text().as_str()), (403, "{\"message\":\"So long\"}"));
    assert_eq!(message.header("Content-Type"), Some("application/json; charset=utf-8"));
    let body = gateway.get("/body");
    assert_eq!((body.status, body.text().as_str(), body.header("Content-Type")), (418, "<b>x</b>", Some("text/html")));
    assert!(upstream.take().is_empty());
}

#[test]
fn a_trigger_in_a_header_or_in_the_query_ends_the_request_and_others_pass() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.get("/trigger").status, 200);
    assert_eq!(gateway.send(&Request::get("/trigger").header("X-Stop", "1")).status, 410);
    assert_eq!(gateway.get("/trigger?x-stop=1").status, 410);
    assert_eq!(upstream.take().len(), 1);
}

#[test]
fn echo_shows_the_request_and_what_it_matched() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let response =
        gateway.send(&Request::new("POST", "/echo/a?b=1").header("Content-Type", "application/json").body("{\"q\":1}"));
    let echo = response.json();
    assert_eq!(response.status, 200);
    assert_eq!(echo["matched_route"]["name"], "echo");
    assert_eq!(echo["matched_service"]["name"], "echo");
    assert_eq!(echo["request"]["method"], "POST");
    assert_eq!(echo["request"]["path"], "/echo/a");
    assert_eq!(echo["request"]["query"], json!({"b": "1"}));
    assert_eq!(echo["request"]["raw_body"], "{\"q\":1}");
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let mut client = gateway.client();
    let response = client.send(&Request::get("/nobody"));
    assert_eq!((response.status, response.body.len()), (204, 0));
    let response = client.send(&Request::new("HEAD", "/message"));
    assert_eq!((response.status, response.header("Content-Length")), (403, Some("21")));
    assert_eq!(client.send(&Request::get("/off")).status, 200);
}
