//! `signet explain` and `POST /explain`: what is said, and what is not.

use std::path::PathBuf;

use serde_json::{Value, json};
use signet_integration::{Folder, Gateway, Request, Run, Upstream, signet};

use crate::setup::{CONSUMERS, service, service_with, x_custom_jwt};

/// The file that most tests ask about, on lines that they know.
fn file(folder: &Folder) -> PathBuf {
    let token = x_custom_jwt("hs256-jwk.json", "");
    folder.write(
        "kong.yml",
        format!(
            "_format_version: '3.0'
services:
- name: echo
  url: http://echo.test:8080/base
  plugins:
  - {token}
  routes:
  - name: orders
    paths: [/orders]
    plugins:
    - name: key-auth
      instance_name: orders-keys
      config: {{hide_credentials: true}}
    - {{name: cors, enabled: false}}
  - name: one-order
    paths: ['~/orders/(?<id>\\d+)$']
    methods: [GET]
    plugins:
    - {{name: request-termination, config: {{status_code: 410, message: gone}}}}
  - {{name: secure, hosts: [tls.test], protocols: [https], https_redirect_status_code: 301}}
- name: off
  url: http://off.test
  enabled: false
  routes:
  - {{name: never, paths: [/orders]}}
plugins:
- name: key-auth
- name: request-termination
  route: orders
  consumer: bob
{CONSUMERS}"
        ),
    )
}

fn explain(file: &std::path::Path, arguments: &[&str]) -> Run {
    let start: [&std::ffi::OsStr; 3] = ["explain".as_ref(), "-c".as_ref(), file.as_os_str()];
    signet(start.into_iter().chain(arguments.iter().map(AsRef::as_ref)))
}

fn explained(file: &std::path::Path, arguments: &[&str]) -> Value {
    let run = explain(file, &[&["--format", "json"], arguments].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_request_is_explained_from_its_route_to_its_upstream() {
    let folder = Folder::new();
    let told = explained(&file(&folder), &["GET http://gw.test/orders/new?x=1", "-H", "apikey: alice-key"]);
    assert_eq!((&told["route"]["name"], &told["route"]["line"]), (&json!("orders"), &json!(8)));
    assert_eq!(told["answer"]["by"], "upstream");
    assert_eq!(told["upstream"]["url"], "http://echo.test:8080/base/new?x=1");
    let sets = told["upstream"]["sets"].as_array().unwrap();
    let value = |name: &str| sets.iter().find(|header| header["name"] == name).unwrap()["value"].clone();
    assert_eq!(value("x-consumer-username"), "alice");
    assert_eq!(value("x-forwarded-path"), "/orders/new");
    assert_eq!(value("x-custom-jwt"), Value::Null);
    assert_eq!(told["upstream"]["removes"], json!(["apikey"]));

    let plugins = told["plugins"].as_array().unwrap();
    let names: Vec<_> = plugins.iter().map(|plugin| (&plugin["name"], &plugin["outcome"])).collect();
    assert_eq!(
        json!(names),
        json!([["key-auth", "passes"], ["x-custom-jwt", "passes"], ["request-termination", "not for this caller"]])
    );
    let keys = &plugins[0];
    assert_eq!((&keys["scope"], &keys["instance_name"]), (&json!("route orders"), &json!("orders-keys")));
    assert_eq!(keys["config"]["hide_credentials"], json!({ "value": true, "from_file": true }));
    assert_eq!(keys["config"]["key_names"], json!({ "value": ["apikey"], "from_file": false }));
    assert_eq!(keys["outranks"][0]["scope"], "global");
    let token = &plugins[1];
    assert_eq!(token["config"]["private_jwk"]["value"], "***");
    let claims = &token["shows"]["claims"];
    assert_eq!((&claims["act"]["client_id"], &claims["client_id"]), (&json!("alice-at-home"), &json!("***")));
    assert_eq!(claims["aud"], "http://echo.test:8080/base");
    assert_eq!(token["shows"]["at_signing"]["exp"], "iat + 1800");
}

#[test]
fn every_other_route_has_its_reason() {
    let folder = Folder::new();
    let told = explained(&file(&folder), &["http://gw.test/orders/12"]);
    assert_eq!(told["route"]["name"], "one-order");
    assert_eq!(told["route"]["captures"], json!([["id", "12"]]));
    assert_eq!((&told["answer"]["plugin"], &told["answer"]["status"]), (&json!("key-auth"), &json!(401)));
    assert_eq!(told["plugins"].as_array().unwrap().last().unwrap()["outcome"], "not reached");
    let others = told["others"].as_array().unwrap();
    let reasons: Vec<_> =
        others.iter().map(|other| (&other["name"], &other["matches"], &other["reasons"][0])).collect();
    let rule = "also matches, but comes later: the winner has more kinds of conditions (2, not 1)";
    let host = "hosts: host `gw.test` is none of `tls.test`";
    let off = "its service is switched off (`enabled: false`)";
    assert_eq!(json!(reasons), json!([["orders", true, rule], ["secure", false, host], ["never", null, off]]));
}

#[test]
fn plain_requests_to_a_secure_route_are_sent_elsewhere() {
    let folder = Folder::new();
    let told = explained(&file(&folder), &["GET http://tls.test:8000/a?b"]);
    assert_eq!(
        told["answer"],
        json!({
            "by": "gateway", "plugin": null, "status": 301, "message": null, "location": "https://tls.test/a?b"
        })
    );
    let told = explained(&file(&folder), &["GET http://gw.test/nothing"]);
    assert_eq!((&told["route"], &told["answer"]["status"]), (&Value::Null, &json!(404)));
}

#[test]
fn a_caller_can_be_assumed() {
    let folder = Folder::new();
    let told = explained(&file(&folder), &["http://gw.test/orders", "--consumer", "alice"]);
    let outcomes: Vec<_> = told["plugins"].as_array().unwrap().iter().map(|plugin| &plugin["outcome"]).collect();
    assert_eq!(json!(outcomes), json!(["assumed", "passes", "not for this caller"]));
    assert_eq!(told["plugins"][1]["shows"]["claims"]["act"]["client_id"], "alice-at-home");
    let nobody = explain(&file(&folder), &["http://gw.test/orders", "--consumer", "carol"]);
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.stderr.contains("no consumer has the id, username or custom_id `carol`"), "{nobody:?}");
}

#[test]
fn people_get_text_that_tells_no_secret() {
    let folder = Folder::new();
    let file = file(&folder);
    let run =
        explain(&file, &["GET http://gw.test/orders", "-H", "apikey: alice-key", "-H", "Authorization: Bearer s3cret"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for line in [
        "Route     orders  (line 8)",
        "  key-auth             passes",
        "    route orders (orders-keys)  (line 11)",
        "    comes before the one on global  (line 27)",
        "    hide_credentials = true",
        "    key_names = [\"apikey\"]  (default)",
        "  cors                 route orders  (line 14): switched off (`enabled: false`)",
        "Upstream  http://echo.test:8080/base",
        "Answer    the upstream's",
    ] {
        assert!(run.stdout.lines().any(|one| one == line), "{line}\n{}", run.stdout);
    }
    let jwk = crate::setup::test_key("hs256-jwk.json")["k"].as_str().unwrap().to_owned();
    for secret in ["alice-key", "s3cret", jwk.as_str()] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret} in {run:?}");
    }
}

#[test]
fn what_is_no_request_or_no_file_is_said_and_ends_with_2() {
    let folder = Folder::new();
    let file = file(&folder);
    for (arguments, words) in [
        (&["FETCH ftp://x/"][..], "it must begin with http://"),
        (&["GET http://x/ HTTP/3"], "not a version of HTTP"),
        (&["GET http://x/", "-H", "no colon"], "'name: value'"),
        (&["GET http://x:99999/"], "no port that exists"),
    ] {
        let run = explain(&file, arguments);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(words), "{run:?}");
    }
    let broken = folder.write("broken.yml", "_format_version: '3.0'\nservices: [{name: s, hots: h}]\n");
    let run = explain(&broken, &["http://x/"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("broken.yml:2: services[0].hots: "), "{run:?}");
}

#[test]
fn what_only_an_identity_provider_knows_is_unknown_and_so_is_what_rests_on_it() {
    let folder = Folder::new();
    let token = x_custom_jwt("hs256-jwk.json", "");
    let upstream = Upstream::echo();
    let yaml = service(
        &upstream,
        &format!(
            "- {{name: r, paths: [/], plugins: [{{name: openid-connect, config: {{issuer: 'http://127.0.0.1:9', auth_methods: [bearer]}}}}, {token}]}}"
        ),
    );
    let file = folder.write("kong.yml", yaml);
    let told = explained(&file, &["http://gw.test/", "-H", "Authorization: Bearer a.b.c"]);
    assert_eq!((&told["answer"]["by"], &told["answer"]["plugin"]), (&json!("unknown"), &json!("openid-connect")));
    let outcomes: Vec<_> = told["plugins"].as_array().unwrap().iter().map(|plugin| &plugin["outcome"]).collect();
    assert_eq!(json!(outcomes), json!(["unknown", "unknown"]));
    let told = explained(&file, &["http://gw.test/"]);
    assert_eq!((&told["answer"]["by"], &told["answer"]["status"]), (&json!("plugin"), &json!(401)));
}

#[test]
fn the_gateway_explains_what_it_serves() {
    let upstream = Upstream::echo();
    let routes = "- {name: keyed, paths: [/keyed], plugins: [{name: key-auth}]}";
    let gateway = Gateway::with(&(service_with(&upstream, "retries: 2", routes) + CONSUMERS)).with_admin().start();
    let post = |body: Value| {
        let request = Request::new("POST", "/explain").header("Content-Type", "application/json");
        gateway.send_admin(&request.body(body.to_string()))
    };
    let response = post(json!({ "url": "http://gw.test/keyed/x", "headers": { "apikey": "bob-key" } }));
    assert_eq!(response.status, 200, "{response:?}");
    let told: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(told["upstream"]["url"], format!("http://{}/base/x", upstream.address()));
    assert_eq!((&told["upstream"]["retries"], &told["route"]["line"]), (&json!(2), &json!(7)));
    assert_eq!(told["plugins"][0]["config"]["key_names"]["value"], json!(["apikey"]));
    assert_eq!(upstream.take().len(), 0);
    assert!(!response.text().contains("bob-key"));
    gateway.reload(&service(&upstream, "- {name: open, paths: [/keyed]}"));
    let told: Value = serde_json::from_slice(&post(json!({ "url": "http://gw.test/keyed" })).body).unwrap();
    assert_eq!(told["route"]["name"], "open");
    for body in [json!({}), json!({ "url": "gopher://x" }), json!({ "url": "http://x/", "consumer": "carol" })] {
        assert_eq!(post(body).status, 400);
    }
    assert_eq!(gateway.get_admin("/explain").status, 405);
}

#[test]
fn a_path_alone_is_a_request_without_a_host_and_the_text_says_so() {
    let folder = Folder::new();
    let run = explain(&file(&folder), &["GET /orders"]);
    assert!(
        run.stdout.starts_with("GET /orders  from 127.0.0.1, without a Host, which HTTP/1.1 asks for\n"),
        "{run:?}"
    );
    assert!(run.stdout.ends_with("Answer    400 by the gateway: Bad request\n"), "{run:?}");
    let run = explain(&file(&folder), &["GET /orders", "-H", "Host: gw.test"]);
    assert!(run.stdout.starts_with("GET /orders  from 127.0.0.1\n"), "{run:?}");
}

#[test]
fn why_a_jwt_is_refused_is_told_by_the_check_that_failed() {
    let folder = Folder::new();
    let file = folder.write(
        "kong.yml",
        "_format_version: '3.0'\nroutes:\n- {name: r, paths: [/], plugins: [{name: jwt}, {name: request-termination}]}\n\
         consumers:\n- {username: partner, jwt_secrets: [{key: iss-1, secret: for-tests-only-0123456789abcdef}]}\n",
    );
    // {"alg":"HS256","typ":"JWT"}.{"iss":"iss-1"}, signed by nobody.
    let forged = "Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJpc3MtMSJ9.AAAA";
    for (header, reason) in [(forged, "Invalid signature"), ("Authorization: Bearer a.b", "Bad token; ")] {
        let run = explain(&file, &["GET http://gw.test/", "-H", header]);
        assert!(run.stdout.contains("answers 401"), "{run:?}");
        assert!(run.stdout.contains(&format!("message: \"{reason}")), "{run:?}");
    }
}
