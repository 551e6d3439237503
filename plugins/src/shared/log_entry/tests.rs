//! Tests: Kong's entry, and what is not in it.

use std::{net::SocketAddr, sync::Arc};

use http::HeaderValue;
use serde_json::json;
use signet_plugin_api::{
    Client, Identity, Latencies, Proof, RequestHeader, RequestId, Scheme, TlsConnection, UpstreamRecord,
};

use super::*;

fn head(target: &str, headers: &[(&'static str, &'static str)]) -> RequestHeader {
    let mut head = RequestHeader::build("GET", target.as_bytes(), None).expect("a head");
    for (name, value) in headers {
        head.append_header(*name, *value).expect("a header");
    }
    head
}

fn written(cx: &Context, record: &Record<'_>, concealed: &Concealed) -> Value {
    serde_json::from_slice(&log_entry(cx, record, concealed).expect("JSON")).expect("JSON")
}

fn alice() -> Identity {
    let consumer = Consumer::new("c-1", Some("alice"), None, vec!["gold".to_owned()]).expect("a consumer");
    Identity { credential_id: Some("k-1".into()), ..Identity::new("key-auth", Some(Arc::new(consumer)), Proof::Key) }
}

#[test]
fn an_entry_has_kongs_members() {
    let service = Service { name: Some("shop".into()), ..Service::new("s-1", "shop.test") };
    let route = Route { name: Some("orders".into()), ..Route::new("r-1") };
    let id = RequestId::new(HeaderValue::from_static("abc"));
    let mut cx = Context::new(id, Some(Arc::new(route)), Some(Arc::new(service)));
    cx.authenticate(alice());
    let head = head("/up?a=1", &[("accept", "a"), ("accept", "b"), ("user-agent", "curl")]);
    let tls = TlsConnection { sni: None, version: "TLSv1.3", certificate: ClientCertificate::NotAsked };
    let client = Client {
        scheme: Scheme::Https,
        tls: Some(Arc::new(tls)),
        ..Client::plain(std::net::Ipv4Addr::new(192, 0, 2, 1), 8443)
    };
    let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
    let ms = Duration::from_millis;
    let tries = [
        Try { address: at(80), began: ms(1), sent: None, error: Some("refused") },
        Try { address: at(81), began: ms(2), sent: Some(ms(5)), error: None },
    ];
    let response = self::head("/", &[("x-a", "b"), ("set-cookie", "s3cret"), ("location", "/x?code=s3cret&b=1")]);
    let record = Record {
        started: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        path_and_query: "/orders?a=1&a=x%20y&b",
        host: Some("api.test:9999"),
        client: Some(&client),
        response_headers: Some(&response.headers),
        response_body: 7,
        request_body: 3,
        source: Source::Upstream,
        latencies: Latencies { total: ms(30), gateway: ms(5), upstream: Some(ms(20)) },
        upstream: Some(UpstreamRecord { path_and_query: "/up?a=1", tries: &tries }),
        ..Record::of(&head, 200)
    };
    let mut entry = written(&cx, &record, &Concealed::default());
    let (route, service) = (entry["route"].take(), entry["service"].take());
    assert_eq!(
        (&route["name"], &route["service"]["id"], &service["host"]),
        (&json!("orders"), &json!("s-1"), &json!("shop.test"))
    );
    let expected = json!({
        "request": {
            "id": "abc", "method": "GET", "uri": "/orders?a=1&a=x%20y&b", "size": 3,
            "url": "https://api.test:8443/orders?a=1&a=x%20y&b", "querystring": {"a": ["1", "x y"], "b": true},
            "headers": {"accept": ["a", "b"], "user-agent": "curl"},
            "tls": {"version": "TLSv1.3", "client_verify": "NONE"},
        },
        "response": {
            "status": 200, "size": 7,
            "headers": {"x-a": "b", "set-cookie": "REDACTED", "location": "/x?code=REDACTED&b=1"},
        },
        "upstream_uri": "/up?a=1", "upstream_status": "200",
        "latencies": {"request": 30, "kong": 5, "proxy": 20, "receive": 5},
        "tries": [
            {"ip": "10.0.0.1", "port": 80, "balancer_start": 1_700_000_000_124_u64, "balancer_latency": 0, "state": "failed"},
            {"ip": "10.0.0.1", "port": 81, "balancer_start": 1_700_000_000_125_u64, "balancer_latency": 3},
        ],
        "authenticated_entity": {"id": "k-1", "consumer_id": "c-1"},
        "route": null, "service": null,
        "consumer": {"id": "c-1", "username": "alice", "tags": ["gold"]},
        "client_ip": "192.0.2.1", "started_at": 1_700_000_000_123_u64, "source": "upstream",
        "workspace": WORKSPACE.0, "workspace_name": "default",
    });
    assert_eq!(entry, expected);
}

#[test]
fn a_request_that_was_never_sent_has_no_upstream() {
    let head = head("/", &[]);
    let entry = written(&Context::default(), &Record::of(&head, 0), &Concealed::default());
    assert_eq!((&entry["source"], &entry["upstream_uri"], &entry["tries"]), (&json!("kong"), &json!(""), &json!([])));
    assert_eq!((&entry["latencies"]["proxy"], &entry["response"]["status"]), (&json!(-1), &json!(499)));
    assert!(entry.get("consumer").is_none() && entry.get("upstream_status").is_none());
}

#[test]
fn no_credential_is_in_it_wherever_a_plugin_looks_for_one() {
    let concealed = Concealed::default();
    concealed.add("X-Our-Key");
    let head = head(
        "/up?x-our-key=s3cret",
        &[
            ("authorization", "Bearer s3cret"),
            ("proxy-authorization", "Basic s3cret"),
            ("cookie", "a=s3cret"),
            ("x-our-key", "s3cret"),
            ("referer", "https://me:s3cret@x.test/?access_token=s3cret"),
        ],
    );
    let record = Record {
        path_and_query: "/?x-our-key=s3cret&%61pikey=s3cret&b=shown",
        upstream: Some(UpstreamRecord { path_and_query: "/up?x-our-key=s3cret", tries: &[] }),
        ..Record::of(&head, 200)
    };
    let text = String::from_utf8(log_entry(&Context::default(), &record, &concealed).expect("JSON")).expect("UTF-8");
    assert!(!text.contains("s3cret") && text.contains("shown"), "{text}");
    assert_eq!(text.matches(REDACTED).count(), 4 + 1 + 2 * 3 + 1, "{text}");
}

#[test]
fn a_host_with_an_address_keeps_it() {
    let head = head("/", &[]);
    let client = Client::plain(std::net::Ipv6Addr::LOCALHOST, 8000);
    for (host, url) in [("[::1]:80", "http://[::1]:8000/"), ("[::1]", "http://[::1]:8000/"), ("a", "http://a:8000/")] {
        let record = Record { host: Some(host), client: Some(&client), ..Record::of(&head, 200) };
        assert_eq!(written(&Context::default(), &record, &Concealed::default())["request"]["url"], url);
    }
}
