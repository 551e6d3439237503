//! Tests: what a line says, and what nobody can make it say.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use signet_plugin_api::{
    Client, Consumer, Latencies, Proof, RequestHeader, RequestId, Route, Service, Source, Try, UpstreamRecord,
};

use super::*;

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_793_491_264_007)
}

fn head(target: &str, headers: &[(&'static str, &[u8])]) -> RequestHeader {
    let mut head = RequestHeader::build("GET", target.as_bytes(), None).expect("a head");
    for (name, value) in headers {
        head.append_header(*name, HeaderValue::from_bytes(value).expect("a value")).expect("a header");
    }
    head
}

fn alice() -> Identity {
    let consumer = Arc::new(Consumer::new("c-1", Some("alice b"), None, Vec::new()).expect("a consumer"));
    Identity { credential_id: Some("k-1".into()), ..Identity::new("key-auth", Some(consumer), Proof::Key) }
}

fn routed(identity: Option<Identity>) -> Context {
    let route = Route { name: Some("ro\"ute".into()), ..Route::new("r-1") };
    let service = Service::new("s-1", "upstream.test");
    let id = RequestId::new(HeaderValue::from_static("abc"));
    let mut cx = Context::new(id, Some(Arc::new(route)), Some(Arc::new(service)));
    if let Some(identity) = identity {
        cx.authenticate(identity);
    }
    cx
}

fn both(cx: &Context, record: &Record<'_>) -> (String, serde_json::Value) {
    let entry = Entry::of(cx, record, Some(Ipv4Addr::new(192, 0, 2, 7).into()));
    let (mut text, mut json) = (Line::new(), Line::new());
    entry.text(&mut text);
    entry.json(&mut json);
    let text = String::from_utf8(text.to_vec()).expect("UTF-8");
    (text, serde_json::from_slice(&json).expect("JSON"))
}

#[test]
fn a_request_is_written_with_all_that_is_known_of_it() {
    let head = head("/a/b?apikey=s3cret", &[("user-agent", b"curl/8"), ("referer", b"https://x.test/p?code=s3cret")]);
    let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
    let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
    let tried = |port| Try { address: at(port), began: Duration::ZERO, sent: None, error: None };
    let tries = [tried(80), tried(81)];
    let record = Record {
        started: time(),
        host: Some("gw.test"),
        client: Some(&client),
        response_body: 512,
        request_body: 3,
        source: Source::Upstream,
        latencies: Latencies {
            total: Duration::from_micros(12_345),
            gateway: Duration::from_micros(45),
            upstream: Some(Duration::from_millis(12)),
        },
        upstream: Some(UpstreamRecord { path_and_query: "/b", tries: &tries }),
        ..Record::of(&head, 200)
    };
    let (text, json) = both(&routed(Some(alice())), &record);
    assert_eq!(
        text,
        r#"127.0.0.1 - alice\x20b [01/Nov/2026:00:01:04 +0000] "GET /a/b?... HTTP/1.1" 200 512 "https://x.test/p" "curl/8" request_id=abc host="gw.test" scheme=http request_bytes=3 source=upstream service="s-1" route="ro\x22ute" auth="key-auth" consumer_id="c-1" credential_id="k-1" total_ms=12.345 gateway_ms=0.045 upstream_ms=12.000 upstream=10.0.0.1:81 retries=1"#
    );
    let expected = serde_json::json!({
        "time": "2026-11-01T00:01:04.007Z", "client_ip": "127.0.0.1", "method": "GET", "path": "/a/b", "query": "...",
        "protocol": "HTTP/1.1", "status": 200, "response_bytes": 512, "referer": "https://x.test/p", "user_agent": "curl/8",
        "consumer": "alice b", "request_id": "abc", "host": "gw.test", "scheme": "http", "request_bytes": 3,
        "source": "upstream", "service": "s-1", "route": "ro\"ute", "auth": "key-auth", "consumer_id": "c-1",
        "credential_id": "k-1", "total_ms": 12.345, "gateway_ms": 0.045, "upstream_ms": 12.0, "upstream": "10.0.0.1:81",
        "retries": 1,
    });
    assert_eq!(json, expected);
}

#[test]
fn what_is_not_known_is_left_out_and_a_client_that_left_has_nginxs_status() {
    let head = head("/", &[]);
    let (text, json) = both(&Context::default(), &Record { started: time(), ..Record::of(&head, 0) });
    let line = r#"192.0.2.7 - - [01/Nov/2026:00:01:04 +0000] "GET / HTTP/1.1" 499 0 "-" "-" request_id= request_bytes=0 source=gateway total_ms=0.000 gateway_ms=0.000"#;
    assert_eq!(text, line);
    assert_eq!((&json["status"], &json["client_ip"]), (&499.into(), &"192.0.2.7".into()));
    assert!(json.get("query").is_none() && json.get("consumer").is_none() && json.get("upstream").is_none());
}

#[test]
fn a_consumer_whom_nobody_verified_is_nobody() {
    let head = head("/", &[]);
    let consumer = alice().consumer.expect("a consumer");
    let (text, json) = both(&routed(Some(Identity::anonymous("key-auth", consumer))), &Record::of(&head, 200));
    assert!(!text.contains("alice") && !text.contains("key-auth"), "{text}");
    assert!(json.get("consumer").is_none() && json.get("auth").is_none());
}

#[test]
fn nothing_that_a_client_sends_ends_a_field_or_a_line() {
    let evil = b"x\" status=200\t\xff\xe2\x80\xa8\\";
    let head = head("/", &[("user-agent", evil), ("referer", b"https://me:pw@x.test/")]);
    let record = Record { host: Some("a\" b"), path_and_query: "/\"\n?s3cret", ..Record::of(&head, 400) };
    let (text, json) = both(&Context::default(), &record);
    assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
    assert!(
        text.contains(r#""GET /\x22\x0A?... HTTP/1.1" 400 0 "..." "x\x22 status=200\x09\xFF\xE2\x80\xA8\x5C" "#),
        "{text}"
    );
    assert!(text.contains(r#"host="a\x22 b""#) && !text.contains("pw"), "{text}");
    assert_eq!(json["user_agent"], "x\" status=200\t\u{fffd}\u{2028}\\");
}
