//! `POST /config`: another configuration without a file, in every form in which Kong takes one.

use std::process::Command;

use serde_json::{Value, json};
use signet_integration::{Folder, Gateway, Request, Response};

/// A configuration whose one route answers with this.
fn answering(word: &str) -> String {
    format!(
        "_format_version: '3.0'\nroutes:\n- name: r\n  paths: [/r]\n  plugins: [{{name: request-termination, config: {{message: {word}}}}}]\n"
    )
}

fn as_json(word: &str) -> Value {
    let plugins = json!([{"name": "request-termination", "config": {"message": word}}]);
    json!({"_format_version": "3.0", "routes": [{"name": "r", "paths": ["/r"], "plugins": plugins}]})
}

fn start() -> Gateway {
    Gateway::with(&answering("first")).with_admin().start()
}

fn post(gateway: &Gateway, query: &str, content_type: &str, body: &str) -> Response {
    let request = Request::new("POST", &format!("/config{query}")).header("Content-Type", content_type);
    gateway.send_admin(&request.body(body))
}

fn served(gateway: &Gateway) -> String {
    gateway.get("/r").json()["message"].as_str().unwrap().to_owned()
}

#[test]
fn every_form_of_a_configuration_is_taken() {
    let gateway = start();
    let in_json = |word: &str| json!({"config": answering(word)}).to_string();
    let json_in_json = json!({"config": as_json("five").to_string()}).to_string();
    for (content_type, body, word) in [
        ("text/yaml", answering("two"), "two"),
        ("application/yaml", answering("three"), "three"),
        ("application/json", as_json("four").to_string(), "four"),
        ("application/json; charset=utf-8", json_in_json, "five"),
        // What `curl --data-binary @kong.yml` says of it.
        ("application/x-www-form-urlencoded", answering("seven"), "seven"),
        ("application/json", in_json("eight"), "eight"),
    ] {
        let response = post(&gateway, "", content_type, &body);
        assert_eq!(response.status, 201, "{content_type} {word}: {response:?}");
        assert_eq!(served(&gateway), word);
    }
}

#[test]
fn curl_posts_a_file_in_its_ways() {
    let (gateway, folder) = (start(), Folder::new());
    let file = folder.write("kong.yml", answering("from-a-file")).display().to_string();
    let url = format!("http://{}/config", gateway.admin());
    let ways = [
        ("-F", format!("config=@{file}")),
        ("-F", format!("config=<{file}")),
        ("--data-binary", format!("@{file}")),
        ("--data-urlencode", format!("config@{file}")),
    ];
    for (number, (flag, value)) in ways.into_iter().enumerate() {
        std::fs::write(&file, answering(&format!("by-{number}"))).unwrap();
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", flag, &value, &url])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "201", "{flag} {value}: {output:?}");
        assert_eq!(served(&gateway), format!("by-{number}"));
    }
}

#[test]
fn the_answer_has_the_entities_by_kind_and_id() {
    let gateway = start();
    let entities = post(&gateway, "", "text/yaml", &answering("second")).json();
    let id = gateway.get_admin("/routes/r").json()["id"].as_str().unwrap().to_owned();
    assert_eq!(entities["routes"][&id], gateway.get_admin("/routes/r").json());
    assert_eq!(entities["plugins"].as_object().map(serde_json::Map::len), Some(1), "{entities}");
    assert_eq!(gateway.get_admin("/plugins").json()["data"][0]["config"]["message"], "second");
    assert_eq!(gateway.get_admin("/config/status").json()["last"]["cause"], "posted");
}

#[test]
fn the_same_again_changes_nothing_when_the_hash_is_asked_for() {
    let gateway = start();
    let again = post(&gateway, "?check_hash=1", "text/yaml", &answering("first"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(post(&gateway, "?check_hash=1", "text/yaml", &answering("second")).status, 201);
    assert_eq!(post(&gateway, "?check_hash=1", "text/yaml", &answering("second")).status, 304);
    assert_eq!(post(&gateway, "", "text/yaml", &answering("second")).status, 201);
}

#[test]
fn mistakes_are_told_in_kongs_shape_and_change_nothing() {
    let gateway = start();
    let wrong = answering("second") + "services:\n- {name: s, host: h.test, port: x, tags: [t]}\n";
    let response = post(&gateway, "", "text/yaml", &wrong);
    let body = response.json();
    assert_eq!((response.status, &body["code"]), (400, &json!(14)));
    assert_eq!(body["name"], "invalid declarative configuration");
    assert!(
        body["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("declarative config is invalid: services[0].port: ")),
        "{body}"
    );
    assert_eq!(body["mistakes"][0]["line"], 7, "{body}");
    assert!(body["fields"]["services[0].port"].is_string(), "{body}");
    assert_eq!(served(&gateway), "first");
    let flat = post(&gateway, "?flatten_errors=1", "text/yaml", &wrong).json();
    let entity = &flat["flattened_errors"][0];
    assert_eq!(
        (&entity["entity_type"], &entity["entity_name"], &entity["entity_tags"]),
        (&json!("service"), &json!("s"), &json!(["t"]))
    );
    assert_eq!((&entity["errors"][0]["type"], &entity["errors"][0]["field"]), (&json!("field"), &json!("port")));
    assert_eq!(flat["fields"], json!({}));
    assert_eq!(gateway.get_admin("/config/status").json()["last"]["result"], "failure");
}

#[test]
fn what_is_no_configuration_is_refused() {
    let gateway = start();
    for (content_type, body, status) in [
        ("text/yaml", "", 400),
        ("application/json", "{", 400),
        ("application/json", "{}", 400),
        ("application/xml", "<a/>", 415),
        ("text/yaml", "a: [", 400),
    ] {
        assert_eq!(post(&gateway, "", content_type, body).status, status, "{content_type} {body}");
    }
    let told = post(&gateway, "", "text/yaml", "a: [").json();
    let message = told["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("declarative config is invalid: is not YAML: "), "{told}");
    let request = Request::new("POST", "/config").header("Content-Length", "70000000");
    let refused = gateway.send_admin(&request);
    assert_eq!((refused.status, refused.header("connection")), (413, Some("close")));
    assert_eq!(served(&gateway), "first");
}
