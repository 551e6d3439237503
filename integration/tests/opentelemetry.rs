//! The plugin opentelemetry: the spans of requests at a collector, and the context of traces in and out.

use std::collections::BTreeSet;

use serde_json::json;
use signet_integration::{Collector, Gateway, Request, Span, Upstream, wait_until};

use crate::setup::{CONSUMERS, service, service_with, test_key, x_custom_jwt};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn plugin(endpoint: &str, more: &str) -> String {
    let queue = "queue: {max_batch_size: 200, max_coalescing_delay: 0.05, max_retry_delay: 0.1}";
    format!("{{name: opentelemetry, config: {{traces_endpoint: '{endpoint}', {queue}, sampling_rate: 1{more}}}}}")
}

/// One route `/x` with this plugin.
fn file(upstream: &Upstream, endpoint: &str, more: &str) -> String {
    service(upstream, &format!("- {{name: x, paths: [/x], plugins: [{}]}}", plugin(endpoint, more)))
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// The spans of this kind: 1 of plugins, 2 of requests, 3 of attempts.
fn of_kind(spans: &[Span], kind: u64) -> Vec<&Span> {
    spans.iter().filter(|span| span.number("kind") == kind).collect()
}

/// Waits until so many requests are at the collector.
fn requests(collector: &Collector, count: usize) -> Vec<Span> {
    collector.spans(|spans| of_kind(spans, 2).len() == count)
}

/// The value of a series on /metrics; 0 when there is none.
fn series(gateway: &Gateway, start: &str) -> u64 {
    let text = gateway.get_status("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(start));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn dropped(gateway: &Gateway, reason: &str) -> u64 {
    series(gateway, &format!("signet_otlp_dropped_spans_total{{reason=\"{reason}\"}}"))
}

#[test]
fn a_request_its_plugins_and_its_attempt_are_one_tree_in_the_callers_trace() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let attributes = "resource_attributes: {service.name: edge}, headers: {X-Token: of-the-collector}";
    let plugins = [
        "{name: key-auth}".to_owned(),
        x_custom_jwt("rs256-private-jwk.json", ""),
        plugin(&collector.endpoint(), &format!(", {attributes}, http_response_header_for_traceid: X-Trace-Id")),
    ];
    let routes = format!("- {{name: x, paths: [/x], plugins: [{}]}}", plugins.join(", "));
    let gateway = Gateway::start(&(service(&upstream, &routes) + CONSUMERS));
    let request = Request::get("/x/y?apikey=alice-key&z=1")
        .header("traceparent", &traceparent("01"))
        .header("tracestate", "vendor=1")
        .header("User-Agent", "test/1");
    let answer = gateway.send(&request);
    assert_eq!((answer.status, answer.header("x-trace-id")), (200, Some(TRACE)));
    let spans = requests(&collector, 1);
    assert!(spans.iter().all(|span| span.text("trace") == TRACE && span.resource("service.name") == "edge"));
    assert_eq!(collector.header("x-token").as_deref(), Some("of-the-collector"));
    let server = of_kind(&spans, 2)[0];
    assert_eq!((server.text("name"), server.text("parent"), server.text("state")), ("GET /x", CALLER, "vendor=1"));
    for (name, value) in [
        ("http.request.method", json!("GET")),
        ("url.path", json!("/x/y")),
        ("url.scheme", json!("http")),
        ("server.address", json!("gw.test")),
        ("http.route", json!("/x")),
        ("http.response.status_code", json!(200)),
        ("client.address", json!("127.0.0.1")),
        ("user_agent.original", json!("test/1")),
        ("network.protocol.version", json!("1.1")),
        ("kong.route.name", json!("x")),
        ("kong.service.name", json!("echo")),
        ("kong.consumer.username", json!("alice")),
        ("signet.auth.method", json!("key-auth")),
        ("signet.source", json!("upstream")),
        ("kong.request.id", json!(answer.header("x-kong-request-id"))),
    ] {
        assert_eq!(server.attribute(name), &value, "{name} of {server:#?}");
    }
    let inner: Vec<&Span> = spans.iter().filter(|span| span.text("span") != server.text("span")).collect();
    assert!(inner.iter().all(|span| span.text("parent") == server.text("span")));
    let (began, ended) = server.times();
    assert!(inner.iter().all(|span| began <= span.times().0 && span.times().0 <= span.times().1));
    assert!(inner.iter().all(|span| span.times().1 <= ended), "{spans:#?}");
    let names: Vec<&str> = of_kind(&spans, 1).iter().map(|span| span.text("name")).collect();
    for plugin in ["key-auth", "x-custom-jwt", "opentelemetry"] {
        let wanted = format!("kong.access.plugin.{plugin}");
        assert!(names.contains(&wanted.as_str()), "{wanted}: {names:?}");
    }
    let client = of_kind(&spans, 3)[0];
    assert_eq!(client.attribute("network.peer.port"), &json!(upstream.address().port()));
    assert_eq!(client.attribute("url.full"), &json!(format!("http://{}/base/y", upstream.address())));
    // The upstream is told the span of its attempt, and what others say of the trace.
    let seen = upstream.one();
    assert_eq!(seen.header("traceparent"), Some(format!("00-{TRACE}-{}-01", client.text("span")).as_str()));
    assert_eq!(seen.header("tracestate"), Some("vendor=1"));
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.text("span")).collect();
    assert_eq!(ids.len(), spans.len());
    // Whatever the request had for a credential is in no span.
    let all = format!("{spans:?}");
    let signature = test_key("rs256-private-jwk.json")["d"].as_str().unwrap().to_owned();
    for secret in ["alice-key", "apikey=", seen.header("x-custom-jwt").unwrap(), &signature, "of-the-collector"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn a_request_without_a_trace_or_with_a_bad_one_begins_its_own() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let gateway = Gateway::start(&file(&upstream, &collector.endpoint(), ""));
    let bad = traceparent("01").replace("00-", "ff-");
    for request in [Request::get("/x"), Request::get("/x").header("traceparent", &bad).header("tracestate", "a=1")] {
        assert_eq!(gateway.send(&request).status, 200);
    }
    let spans = requests(&collector, 2);
    let servers = of_kind(&spans, 2);
    assert!(servers.iter().all(|span| span.text("parent").is_empty() && span.text("trace") != TRACE));
    assert_ne!(servers[0].text("trace"), servers[1].text("trace"));
    for seen in upstream.take() {
        assert_eq!(seen.header("tracestate"), None);
        let told = seen.header("traceparent").expect("a trace");
        assert!(
            of_kind(&spans, 3)
                .iter()
                .any(|client| told == format!("00-{}-{}-01", client.text("trace"), client.text("span")))
        );
    }
}

#[test]
fn a_refused_request_is_in_the_callers_trace_as_well_and_a_broken_upstream_is_an_error() {
    let (upstream, collector) = (Upstream::closing(), Collector::start());
    let plugins = format!("{{name: key-auth}}, {}", plugin(&collector.endpoint(), ""));
    let routes = format!("- {{name: x, paths: [/x], plugins: [{plugins}]}}");
    let gateway = Gateway::start(&(service_with(&upstream, "retries: 2", &routes) + CONSUMERS));
    let request = || Request::get("/x").header("traceparent", &traceparent("01"));
    assert_eq!(gateway.send(&request()).status, 401);
    let refused = requests(&collector, 1);
    let server = of_kind(&refused, 2)[0];
    assert_eq!((server.text("trace"), server.text("parent"), server.number("status")), (TRACE, CALLER, 0));
    assert_eq!(server.attribute("http.response.status_code"), &json!(401));
    assert_eq!((server.attribute("signet.source"), of_kind(&refused, 3).len()), (&json!("gateway"), 0));
    assert_eq!(gateway.send(&request().header("apikey", "bob-key")).status, 502);
    let broken = requests(&collector, 2);
    let server = *of_kind(&broken, 2).last().expect("two");
    assert_eq!((server.number("status"), server.attribute("error.type")), (2, &json!("502")));
    let attempts = of_kind(&broken, 3);
    assert!(!attempts.is_empty() && attempts.iter().all(|span| span.number("status") == 2), "{attempts:#?}");
    let ids: BTreeSet<&str> = attempts.iter().map(|span| span.text("span")).collect();
    assert_eq!(ids.len(), attempts.len());
}

#[test]
fn what_is_not_sampled_is_passed_on_and_not_exported() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let endpoint = collector.endpoint();
    let rate = |path: &str, more: &str| {
        let plugin = plugin(&endpoint, "").replace("sampling_rate: 1", more);
        format!("- {{name: {path}, paths: [/{path}], plugins: [{plugin}]}}\n")
    };
    let routes = rate("never", "sampling_rate: 0")
        + &rate("callers", "sampling_rate: 0, sampling_strategy: parent_probability_fallback")
        + &rate("always", "sampling_rate: 1");
    let gateway = Gateway::start(&service(&upstream, &routes));
    let flags = |path: &str, flags: &str| {
        let request = Request::get(path).header("traceparent", &traceparent(flags));
        assert_eq!(gateway.send(&request).status, 200);
        upstream.one().header("traceparent").expect("a trace").rsplit('-').next().unwrap().to_owned()
    };
    assert_eq!(flags("/never", "01"), "00");
    assert_eq!(flags("/callers", "00"), "00");
    assert_eq!(flags("/always", "00"), "00", "the caller does not record it");
    assert_eq!(flags("/callers", "01"), "01");
    assert_eq!(flags("/always", "01"), "01");
    let spans = requests(&collector, 2);
    let routes: BTreeSet<&str> =
        of_kind(&spans, 2).iter().filter_map(|span| span.attribute("kong.route.name").as_str()).collect();
    assert_eq!(routes, BTreeSet::from(["always", "callers"]));
}

#[test]
fn a_collector_that_is_away_harms_nobody_and_gets_what_waited_when_it_is_back() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let file = file(&upstream, &collector.endpoint(), "");
    let gateway = Gateway::start(&file);
    let port = collector.address().port();
    collector.stop();
    for _ in 0..10 {
        assert_eq!(gateway.get("/x").status, 200);
    }
    wait_until(|| gateway.stderr().contains("not taken: it is tried again"), || gateway.stderr());
    // A reload that changes nothing about the export keeps what waits.
    gateway.reload(&file.replace("- {name: x,", "- {name: y, paths: [/y]}\n  - {name: x,"));
    assert_eq!(gateway.get("/y").status, 200);
    assert_eq!(dropped(&gateway, "unreachable"), 0);
    let collector = Collector::at(port);
    let spans = requests(&collector, 10);
    wait_until(
        || series(&gateway, "signet_otlp_exported_spans_total") == spans.len() as u64,
        || gateway.get_status("/metrics").text(),
    );
}

#[test]
fn spans_that_find_no_room_or_no_collector_are_counted() {
    let (upstream, nowhere) = (Upstream::echo(), Upstream::nowhere());
    let queue = "queue: {max_batch_size: 1, max_entries: 20, max_retry_time: 0.2}";
    let plugin = plugin(&format!("http://{nowhere}/v1/traces"), "")
        .replace("queue: {max_batch_size: 200, max_coalescing_delay: 0.05, max_retry_delay: 0.1}", queue);
    let gateway = Gateway::start(&service(&upstream, &format!("- {{name: x, paths: [/x], plugins: [{plugin}]}}")));
    let mut client = gateway.client();
    for _ in 0..30 {
        assert_eq!(client.send(&Request::get("/x")).status, 200);
    }
    wait_until(
        || dropped(&gateway, "queue_full") > 0 && dropped(&gateway, "unreachable") > 0,
        || gateway.get_status("/metrics").text(),
    );
    assert!(gateway.stderr().contains("what waits to be sent was lost"), "{}", gateway.stderr());
}

#[test]
fn answers_of_the_collector_are_taken_as_the_protocol_means_them() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let gateway = Gateway::start(&file(&upstream, &collector.endpoint(), ""));
    collector.behave(&json!({"status": 503, "retryAfter": 1}));
    assert_eq!(gateway.get("/x").status, 200);
    wait_until(|| collector.answered(503) == 1, || "asked".to_owned());
    collector.behave(&json!({"status": 200, "rejected": 1, "message": "one is too old"}));
    let taken = requests(&collector, 1).len() as u64;
    wait_until(|| dropped(&gateway, "refused") == 1, || gateway.get_status("/metrics").text());
    assert_eq!(series(&gateway, "signet_otlp_exported_spans_total"), taken - 1);
    assert_eq!(collector.answered(503), 1, "it was not asked again before its time");
    wait_until(|| gateway.stderr().contains("one is too old"), || gateway.stderr());
    collector.behave(&json!({"status": 400}));
    assert_eq!(gateway.get("/x").status, 200);
    wait_until(|| dropped(&gateway, "refused") > 1, || gateway.stderr());
    assert_eq!(collector.answered(400), 1, "what is refused is not sent again");
}

#[test]
fn a_collector_that_asks_for_an_absurd_pause_ends_no_export() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let gateway = Gateway::start(&file(&upstream, &collector.endpoint(), ""));
    collector.behave(&json!({"status": 503, "retryAfter": 1}));
    assert_eq!(gateway.get("/x").status, 200);
    wait_until(|| collector.answered(503) == 1, || gateway.stderr());
    // Added to the second that has gone by it is more than fits.
    collector.behave(&json!({"status": 503, "retryAfter": u64::MAX.to_string()}));
    wait_until(|| dropped(&gateway, "unreachable") > 0, || gateway.stderr());
    collector.behave(&json!({"status": 200}));
    assert_eq!(gateway.get("/x").status, 200);
    requests(&collector, 1);
}

#[test]
fn what_waits_is_sent_when_its_configuration_goes() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let waits = |text: String| text.replace("max_coalescing_delay: 0.05", "max_coalescing_delay: 600");
    let gateway = Gateway::start(&waits(file(&upstream, &collector.endpoint(), "")));
    assert_eq!(gateway.get("/x").status, 200);
    gateway.reload(&service(&upstream, "- {name: x, paths: [/x]}"));
    requests(&collector, 1);
}

#[test]
fn what_waits_is_sent_when_the_gateway_stops() {
    let (upstream, collector) = (Upstream::echo(), Collector::start());
    let text = file(&upstream, &collector.endpoint(), "");
    let gateway = Gateway::start(&text.replace("max_coalescing_delay: 0.05", "max_coalescing_delay: 600"));
    assert_eq!(gateway.get("/x").status, 200);
    let run = gateway.terminate();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    requests(&collector, 1);
}
