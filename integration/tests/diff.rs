//! `signet diff`: what changes in effect, what does not, and which recorded requests notice.

use std::path::Path;

use serde_json::{Value, json};
use signet_integration::{Folder, Run, signet};

const BEFORE: &str = "_format_version: '3.0'
services:
- name: a
  url: http://a.test/x
  routes:
  - {name: one, paths: [/one, /uno], methods: [GET, POST]}
  - {paths: [/unnamed]}
- name: b
  url: http://b.test
  routes:
  - name: two
    paths: [/two]
    plugins:
    - {name: jwt, config: {key_claim_name: iss}}
    - {name: acl, config: {allow: [staff]}}
plugins:
- {name: cors, consumer: null}
consumers:
- {username: alice, keyauth_credentials: [{key: first}], acls: [{group: staff}]}
- {username: bob}
";

/// The same in another order and form.
const REWRITTEN: &str = r#"{"_format_version": "3.0",
 "consumers": [{"username": "bob"}, {"username": "alice", "acls": [{"group": "staff"}], "keyauth_credentials": [{"key": "first"}]}],
 "plugins": [{"name": "cors", "config": {"credentials": false}},
  {"name": "acl", "route": "two", "config": {"allow": ["staff"]}}, {"name": "jwt", "route": "two"}],
 "routes": [{"name": "two", "service": "b", "paths": ["/two"], "tags": ["new"]},
  {"service": "a", "paths": ["/unnamed"]},
  {"name": "one", "service": {"name": "a"}, "methods": ["POST", "GET"], "paths": ["/uno", "/one"]}],
 "services": [{"name": "b", "host": "b.test"}, {"name": "a", "url": "http://a.test/x", "retries": 5}]}"#;

const AFTER: &str = "_format_version: '3.0'
services:
- name: a
  url: http://a.test/y
  routes:
  - {name: one, paths: [/one], methods: [GET, POST]}
  - {name: new, paths: [/new]}
- name: b
  url: http://b.test
  routes:
  - name: two
    paths: [/two]
    plugins:
    - {name: jwt, config: {key_claim_name: sub}}
    - {name: key-auth}
plugins:
- {name: cors}
- {name: request-termination, consumer: alice, config: {status_code: 403}}
consumers:
- {username: alice, custom_id: a-1, keyauth_credentials: [{key: second}]}
";

fn diff(before: &Path, after: &Path, more: &[&str]) -> Run {
    let start = ["diff".as_ref(), before.as_os_str(), after.as_os_str()];
    signet(start.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

#[test]
fn another_order_and_another_form_are_no_difference() {
    let folder = Folder::new();
    let (before, after) = (folder.write("a.yml", BEFORE), folder.write("b.json", REWRITTEN));
    let run = diff(&before, &after, &["--exit-code"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "no difference in effect\n"), "{run:?}");
}

#[test]
fn what_changes_is_told_by_entity_and_field_without_secrets() {
    let folder = Folder::new();
    let (before, after) = (folder.write("a.yml", BEFORE), folder.write("b.yml", AFTER));
    let run = diff(&before, &after, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    for line in [
        "- consumer bob",
        "~ consumer alice",
        "    + custom_id: \"a-1\"",
        "- route without a name (paths [\"/unnamed\"], protocols [\"http\",\"https\"])",
        "+ route new",
        "~ route one",
        "    ~ paths: [\"/one\",\"/uno\"] -> [\"/one\"]",
        "    ~ service.path: \"/x\" -> \"/y\"",
        "~ route two",
        "    - plugin acl",
        "    + plugin key-auth",
        "    ~ plugin jwt.key_claim_name: \"iss\" -> \"sub\"",
        "+ plugin request-termination on consumer alice",
    ] {
        assert!(lines.contains(&line), "{line}\n{}", run.stdout);
    }
    let credentials = |sign: char| lines.iter().filter(|line| line.starts_with(&format!("{sign} credential "))).count();
    assert_eq!((credentials('+'), credentials('-')), (1, 2), "{}", run.stdout);
    assert!(!run.stdout.contains("first") && !run.stdout.contains("second"), "{}", run.stdout);
    assert_eq!(diff(&before, &after, &["--exit-code"]).code, Some(1));
}

#[test]
fn a_secret_that_changes_is_told_and_not_shown() {
    let folder = Folder::new();
    let with = |secret: &str| {
        format!(
            "_format_version: '3.0'\nservices:\n- {{name: a, host: a, routes: [{{name: r, paths: [/], plugins: [{{name: \
             openid-connect, config: {{issuer: 'http://127.0.0.1:9', auth_methods: [password], client_id: [c], client_secret: ['{secret}']}}}}]}}]}}\n"
        )
    };
    let (before, after) = (folder.write("a.yml", with("hush")), folder.write("b.yml", with("quiet")));
    let run = diff(&before, &after, &[]);
    assert_eq!(run.stdout, "~ route r\n    ~ plugin openid-connect.client_secret: changed\n", "{run:?}");
}

#[test]
fn recorded_requests_that_take_another_way_are_listed_and_counted() {
    let folder = Folder::new();
    let (before, after) = (folder.write("a.yml", BEFORE), folder.write("b.yml", AFTER));
    let line = |path: &str, consumer: Option<&str>| {
        let consumer = consumer.map(|name| json!({ "consumer": name })).unwrap_or_else(|| json!({}));
        let mut line = json!({ "time": "2026-01-01T00:00:00Z", "method": "GET", "host": "gw.test", "path": path, "scheme": "http", "status": 200 });
        line.as_object_mut().unwrap().extend(consumer.as_object().unwrap().clone());
        line.to_string()
    };
    let log = [
        line("/uno", None),
        line("/uno", None),
        line("/nowhere", None),
        line("/two", Some("alice")),
        "no request".to_owned(),
        line("/uno", None).replace("gw.test", "gw.test:99999"),
    ];
    let log = folder.write("access.log", log.join("\n"));
    let replay = ["--replay", log.to_str().unwrap(), "--format", "json"];
    let run = diff(&before, &after, &replay);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("no requests in JSON, and passed over: 2"), "{run:?}");
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    let requests = told["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 2, "{told}");
    let (two, uno) = (&requests[0], &requests[1]);
    assert_eq!((&two["path"], &two["count"]), (&json!("/two"), &json!(1)));
    assert!(two["changes"]["route"].is_null() && two["changes"]["plugins"].is_object(), "{two}");
    assert_eq!((&uno["path"], &uno["count"]), (&json!("/uno"), &json!(2)));
    assert_eq!(uno["changes"]["route"], json!({ "before": "one", "after": null }));
    assert_eq!(uno["changes"]["upstream"], json!({ "before": "http://a.test:80/x", "after": null }));
    let text = diff(&before, &after, &["--replay", log.to_str().unwrap()]);
    assert!(text.stdout.contains("\n3 of 4 recorded requests change\n"), "{text:?}");
}

#[test]
fn a_log_in_text_is_no_proof_that_nothing_changes() {
    let folder = Folder::new();
    let (before, after) = (folder.write("a.yml", BEFORE), folder.write("b.yml", AFTER));
    let log = folder.write("access.log", "127.0.0.1 - - [24/Nov/2026:00:01:04 +0000] \"GET /uno HTTP/1.1\" 200 512\n");
    let run = diff(&before, &after, &["--replay", log.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    assert!(
        run.stderr.contains("access.log: no line is a request in JSON, as `log_format: json` writes it"),
        "{run:?}"
    );
}
