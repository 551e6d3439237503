//! The access log and the error log of a gateway, as an operator finds them.

use serde_json::Value;
use signet_integration::{Folder, Gateway, Request, Upstream, wait_until};

fn config(upstream: &Upstream) -> String {
    let address = upstream.address();
    format!(
        r#"
_format_version: "3.0"
services:
  - name: shop
    url: http://{address}/base
    routes:
      - name: open
        paths: [/open]
      - name: guarded
        paths: [/guarded]
        plugins:
          - name: key-auth
            config: {{key_names: [x-own-key]}}
consumers:
  - username: alice
    keyauth_credentials:
      - {{id: 2b6c1c3a-6f0f-4c6e-9d5c-0a4d2b1f7e11, key: planted-key}}
"#
    )
}

/// The lines of a log once there are so many.
fn lines(count: usize, log: impl Fn() -> String) -> Vec<String> {
    let lines = || log().lines().map(str::to_owned).collect::<Vec<_>>();
    wait_until(|| lines().len() >= count, || format!("{count} lines:\n{}", log()));
    lines()
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
}

#[test]
fn every_request_is_a_line_on_standard_output() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&config(&upstream));
    let mut client = gateway.client();
    client
        .send(&Request::get("/open/a?apikey=planted-key").header("User-Agent", "te\"st\\").header("Host", "a.test:80"));
    client.send(&Request::get("/guarded").header("x-own-key", "planted-key"));
    client.send(&Request::get("/guarded").header("x-own-key", "wrong-key"));
    client.send(&Request::get("/nowhere"));
    let lines = lines(4, || gateway.stdout());
    assert_eq!(lines.len(), 4);
    let [open, guarded, refused, nowhere] = lines.as_slice() else { panic!("{lines:?}") };
    let to = upstream.address();
    for (line, parts) in [
        (
            open,
            vec![
                "127.0.0.1 - - [",
                r#""GET /open/a?... HTTP/1.1" 200 "#,
                r#" "-" "te\x22st\x5C" request_id="#,
                r#" host="a.test:80" scheme=http request_bytes=0 source=upstream service="shop" route="open" total_ms="#,
                &format!(" upstream={to} retries=0"),
            ],
        ),
        (
            guarded,
            vec![
                "127.0.0.1 - alice [",
                r#""GET /guarded HTTP/1.1" 200 "#,
                r#" auth="key-auth" consumer_id=""#,
                r#" credential_id="2b6c1c3a-6f0f-4c6e-9d5c-0a4d2b1f7e11" "#,
            ],
        ),
        (refused, vec!["127.0.0.1 - - [", r#" 401 "#, r#"source=gateway service="shop" route="guarded" total_ms="#]),
        (nowhere, vec![r#""GET /nowhere HTTP/1.1" 404 "#, " source=gateway total_ms="]),
    ] {
        parts.iter().for_each(|part| assert!(line.contains(part), "{part}\n{line}"));
        assert!(!line.contains("planted-key") && !line.contains("wrong-key"), "{line}");
    }
}

#[test]
fn a_log_in_json_goes_to_a_file_and_its_last_line_is_there_when_the_gateway_has_ended() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let file = folder.path().join("access.log");
    let start = Gateway::with(&config(&upstream)).setting("log_format", "json");
    let gateway = start.setting("proxy_access_log", &file.display().to_string()).start();
    gateway.send(&Request::new("POST", "/guarded/x?y").header("x-own-key", "planted-key").body("abc"));
    let run = gateway.terminate();
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
    let text = std::fs::read_to_string(file).expect("the log");
    let entry = object(text.trim_end());
    for (name, value) in [
        ("client_ip", "127.0.0.1"),
        ("method", "POST"),
        ("path", "/guarded/x"),
        ("query", "..."),
        ("protocol", "HTTP/1.1"),
        ("host", "gw.test"),
        ("source", "upstream"),
        ("service", "shop"),
        ("route", "guarded"),
        ("consumer", "alice"),
        ("auth", "key-auth"),
    ] {
        assert_eq!(entry[name], value, "{text}");
    }
    assert_eq!((&entry["status"], &entry["request_bytes"], &entry["retries"]), (&200.into(), &3.into(), &0.into()));
    let times = ["total_ms", "gateway_ms", "upstream_ms"].map(|name| entry[name].as_f64().expect("a number"));
    assert!(times[0] >= times[1] && times[0] >= times[2], "{text}");
    assert!(!text.contains("planted-key") && text.ends_with("}\n"));
}

#[test]
fn a_log_that_is_off_says_nothing() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&config(&upstream)).setting("proxy_access_log", "off").start();
    assert_eq!(gateway.get("/open").status, 200);
    assert_eq!(gateway.terminate().stdout, "");
}

#[test]
fn a_full_disk_stops_no_request_and_is_counted_and_told() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&config(&upstream)).setting("proxy_access_log", "/dev/full").start();
    for _ in 0..3 {
        assert_eq!(gateway.get("/open").status, 200);
    }
    let lost = || {
        let metrics = gateway.get_status("/metrics").text();
        metrics.lines().any(|line| line == "signet_log_dropped_total{log=\"access\"} 3")
    };
    wait_until(lost, || gateway.get_status("/metrics").text());
    assert!(gateway.stderr().contains("lines of the log are lost"), "{}", gateway.stderr());
}

#[test]
fn a_log_that_cannot_be_opened_is_told_before_anything_serves() {
    let run = Gateway::unconfigured().setting("proxy_access_log", "/no/such/folder/access.log").run();
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("proxy_access_log: cannot open /no/such/folder/access.log: "), "{}", run.stderr);
}

#[test]
fn the_level_of_the_error_log_changes_for_a_while() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&config(&upstream)).with_admin().setting("log_level", "error").start();
    let ask = |method: &str, path: &str| {
        let answer = gateway.send_admin(&Request::new(method, &format!("/debug/node/log-level{path}")));
        (answer.status, answer.json()["message"].as_str().expect("a message").to_owned())
    };
    let level = |name: &str| (200, format!("log level: {name}"));
    assert_eq!(ask("GET", ""), level("error"));
    assert_eq!(ask("PUT", "/loud").0, 400);
    assert_eq!(ask("PUT", "/loud").1, "unknown log level: loud");
    assert_eq!(ask("PUT", "/debug?timeout=-1"), (400, "timeout must be greater than or equal to 0".to_owned()));
    assert_eq!(ask("PUT", "/debug?timeout=0"), (200, "log level changed".to_owned()));
    assert_eq!(ask("GET", ""), level("debug"));
    wait_until(|| gateway.stderr().contains("the log level was changed"), || gateway.stderr());
    assert_eq!(ask("PUT", "/debug"), (200, "log level is already debug".to_owned()));
    assert_eq!(ask("PUT", "/notice?timeout=1"), (200, "log level changed".to_owned()));
    assert_eq!(ask("GET", ""), level("notice"));
    wait_until(|| ask("GET", "") == level("error"), || gateway.stderr());
}

#[test]
fn that_the_level_of_the_error_log_is_the_usual_one_again_is_logged() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&config(&upstream)).with_admin().start();
    gateway.send_admin(&Request::new("PUT", "/debug/node/log-level/debug?timeout=1"));
    wait_until(
        || gateway.stderr().contains("the log level is that of the settings again to=\"notice\""),
        || gateway.stderr(),
    );
}

/// What every gateway of these tests looks for when it ends.
#[test]
fn a_secret_in_a_log_is_found() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&config(&upstream));
    gateway.send(&Request::get("/guarded").header("x-own-key", "planted-key"));
    lines(1, || gateway.stdout());
    assert_eq!(gateway.leaked(), None);
    // A path is shown: what stands there and is a credential, too, is a secret in a log. It is in the very last line.
    gateway.send(&Request::get("/open/planted-in-path-1").header("Authorization", "Bearer planted-in-path-1"));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(gateway)));
    let told = ended.expect_err("the end of a gateway whose log shows a secret");
    let told = told.downcast_ref::<String>().expect("a message");
    assert!(told.starts_with("a log shows the secret `planted-in-path-1`"), "{told}");
}
