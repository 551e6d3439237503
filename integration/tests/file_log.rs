//! The plugin `file-log`: Kong's entries in files that may be moved away.

use std::{fs, path::Path};

use serde_json::Value;
use signet_integration::{Folder, Gateway, Request, Upstream, wait_until};

fn config(upstream: &Upstream, file: &Path) -> String {
    format!(
        r#"
_format_version: "3.0"
services:
  - name: shop
    url: http://{}
    routes:
      - name: orders
        paths: [/orders]
    plugins:
      - name: key-auth
        config: {{key_names: [x-own-key]}}
      - name: file-log
        config: {{path: {}}}
consumers:
  - username: alice
    keyauth_credentials: [{{key: planted-key}}]
"#,
        upstream.address(),
        file.display()
    )
}

/// The entries of a file once there are so many.
fn entries(file: &Path, count: usize) -> Vec<Value> {
    let text = || fs::read_to_string(file).unwrap_or_default();
    wait_until(|| text().lines().count() >= count, || format!("{count} entries: {}", text()));
    text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn each_request_is_an_entry_in_kongs_form_without_its_credential() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let file = folder.path().join("orders.log");
    let gateway = Gateway::start(&config(&upstream, &file));
    gateway.send(&Request::get("/orders/7?a=b&x-own-key=planted-key").header("Cookie", "planted-cookie"));
    gateway.send(&Request::get("/orders").header("x-own-key", "wrong"));
    let entries = entries(&file, 2);
    let [good, refused] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(good["request"]["uri"], "/orders/7?a=b&x-own-key=REDACTED");
    assert_eq!(good["request"]["querystring"]["x-own-key"], "REDACTED");
    assert_eq!(good["request"]["headers"]["cookie"], "REDACTED");
    assert_eq!((&good["consumer"]["username"], &good["route"]["name"]), (&"alice".into(), &"orders".into()));
    assert_eq!((&good["response"]["status"], &good["source"]), (&200.into(), &"upstream".into()));
    assert_eq!(good["tries"][0]["port"], upstream.address().port());
    assert_eq!((&refused["response"]["status"], &refused["source"]), (&401.into(), &"kong".into()));
    assert!(refused.get("consumer").is_none() && refused["tries"].as_array().is_some_and(Vec::is_empty));
    assert!(!fs::read_to_string(&file).expect("the file").contains("planted"));
}

#[test]
fn usr1_opens_a_file_that_was_moved_away_again_and_so_does_reopen() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let (file, moved) = (folder.path().join("orders.log"), folder.path().join("orders.log.1"));
    let mut gateway = Gateway::start(&config(&upstream, &file));
    let ask = |gateway: &Gateway| gateway.send(&Request::get("/orders").header("x-own-key", "planted-key"));
    ask(&gateway);
    entries(&file, 1);
    fs::rename(&file, &moved).expect("moved");
    ask(&gateway);
    entries(&moved, 2);
    gateway.process().signal("USR1");
    wait_until(|| gateway.stderr().contains("the log files were opened again"), || gateway.stderr());
    ask(&gateway);
    assert_eq!(entries(&file, 1).len(), 1);
    assert_eq!(entries(&moved, 2).len(), 2);

    let reopens = config(&upstream, &file).replace("{path:", "{reopen: true, path:");
    let gateway = Gateway::start(&reopens);
    for _ in 0..2 {
        fs::remove_file(&file).expect("removed");
        ask(&gateway);
        assert_eq!(entries(&file, 1).len(), 1);
    }
}

#[test]
fn a_file_that_cannot_be_written_stops_no_request() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&config(&upstream, Path::new("/no/such/folder/orders.log")));
    let asked = Request::get("/orders").header("x-own-key", "planted-key");
    assert_eq!(gateway.send(&asked).status, 200);
    let lost = || {
        let metrics = gateway.get_status("/metrics").text();
        metrics.lines().any(|line| line == "signet_log_dropped_total{log=\"file\"} 1")
    };
    wait_until(lost, || gateway.get_status("/metrics").text());
    wait_until(|| gateway.stderr().contains("/no/such/folder/orders.log"), || gateway.stderr());
}
