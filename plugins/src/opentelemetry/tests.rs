//! The plugin as a whole, without a socket: what the upstream is told, and what a collector would get.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use prost::Message;
use signet_plugin_api::{Handler, Latencies, Phase, PluginRun, Record, Source, Try, UpstreamRecord};

use super::{
    Opentelemetry,
    ids::{SpanId, TraceId},
    otlp::{Encoded, Frame, KeyValue, Resource, Span},
    spans,
    trace::Trace,
};
use crate::testing::{Exchange, World};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const ENDPOINT: &str = "traces_endpoint: http://127.0.0.1:4318/v1/traces";

fn parent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

fn compile(more: &str) -> Arc<dyn Handler> {
    World::empty().compile(super::NAME, &format!("{{{ENDPOINT}, sampling_rate: 1{more}}}"))
}

fn mistakes(config: &str) -> Vec<String> {
    World::empty().mistakes(super::NAME, config)
}

/// The head that the upstream gets.
async fn sent(handler: &Arc<dyn Handler>, headers: &[(&str, &str)]) -> Exchange {
    let mut exchange = headers.iter().fold(Exchange::get("/demo"), |ex, (name, value)| ex.header(name, value));
    exchange.passes(handler).await;
    exchange.sends(handler).await;
    exchange
}

#[tokio::test]
async fn a_trace_goes_on_and_the_upstream_is_told_the_span_of_its_attempt() {
    let handler = compile("");
    let exchange = sent(&handler, &[("traceparent", &parent()), ("tracestate", "a=1")]).await;
    let told = exchange.upstream("traceparent").expect("a traceparent");
    let trace = exchange.cx.get::<Trace>().expect("a trace");
    let mut span = Vec::new();
    trace.attempts[0].write_hex(8, &mut span);
    assert_eq!(told, format!("00-{TRACE}-{}-01", String::from_utf8(span).expect("digits")));
    assert_ne!(told, parent());
    assert_eq!(exchange.upstream("tracestate"), Some("a=1"));
}

#[tokio::test]
async fn a_bad_header_begins_a_new_trace_and_takes_its_state_along() {
    let handler = compile("");
    let bad = parent().replace("00-", "ff-");
    let exchange = sent(&handler, &[("traceparent", &bad), ("tracestate", "a=1")]).await;
    let told = exchange.upstream("traceparent").expect("a traceparent");
    assert!(told.starts_with("00-") && told.ends_with("-01") && !told.contains(TRACE), "{told}");
    assert_eq!(exchange.upstream("tracestate"), None);
}

#[tokio::test]
async fn what_is_not_recorded_says_so() {
    let handler = World::empty().compile(super::NAME, &format!("{{{ENDPOINT}, sampling_rate: 0}}"));
    let told = sent(&handler, &[]).await.upstream("traceparent").expect("a traceparent").to_owned();
    assert!(told.ends_with("-00"), "{told}");
}

#[tokio::test]
async fn the_callers_format_is_kept_and_others_are_added_or_taken_away() {
    let handler = compile("");
    let exchange = sent(&handler, &[("b3", &format!("{TRACE}-{SPAN}-1"))]).await;
    assert!(exchange.upstream("b3").expect("b3").starts_with(TRACE));
    assert_eq!(exchange.upstream("traceparent"), None);
    let handler = compile(", header_type: jaeger");
    let exchange = sent(&handler, &[("traceparent", &parent())]).await;
    assert!(exchange.upstream("uber-trace-id").expect("jaeger").starts_with(TRACE));
    assert!(exchange.upstream("traceparent").expect("w3c").contains(TRACE));
    let handler = compile(", header_type: ignore");
    let exchange = sent(&handler, &[("traceparent", &parent())]).await;
    assert!(!exchange.upstream("traceparent").expect("w3c").contains(TRACE));
    let handler = compile(", propagation: {extract: [w3c], clear: [traceparent, X-Old], inject: [datadog, gcp, aws]}");
    let exchange = sent(&handler, &[("traceparent", &parent()), ("x-old", "1")]).await;
    assert_eq!((exchange.upstream("traceparent"), exchange.upstream("x-old")), (None, None));
    let number = 0x8448_eb21_1c80_319c_u64.to_string();
    assert_eq!(exchange.upstream("x-datadog-trace-id"), Some(number.as_str()));
    assert!(exchange.upstream("x-cloud-trace-context").expect("gcp").starts_with(TRACE));
    let aws = exchange.upstream("x-amzn-trace-id").expect("aws");
    assert!(aws.starts_with("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent="), "{aws}");
    let handler = compile(", propagation: {extract: [w3c]}");
    let exchange = sent(&handler, &[("traceparent", &parent())]).await;
    assert_eq!(exchange.upstream("traceparent"), Some(parent().as_str()), "nothing is written");
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    for format in ["w3c", "b3", "b3-single", "jaeger", "ot", "datadog", "aws", "gcp", "instana"] {
        let writer = compile(&format!(", propagation: {{extract: [w3c], clear: [traceparent], inject: [{format}]}}"));
        let reader = compile(&format!(", propagation: {{extract: [{}]}}", format.trim_end_matches("-single")));
        let written = sent(&writer, &[("traceparent", &parent())]).await;
        let ours = written.cx.get::<Trace>().expect("a trace").attempts[0];
        let mut next = Exchange::get("/demo");
        next.head = written.head;
        next.passes(&reader).await;
        let read = next.cx.get::<Trace>().expect("a trace");
        assert_eq!((read.id.number(), read.caller.span), (0x8448_eb21_1c80_319c, Some(ours)), "{format}");
        assert_eq!(read.caller.sampled, Some(true), "{format}");
    }
}

#[tokio::test]
async fn the_client_is_told_the_trace_where_that_is_configured() {
    let handler = compile(", http_response_header_for_traceid: X-Trace-Id");
    let mut exchange = sent(&handler, &[("traceparent", &parent())]).await;
    assert_eq!(exchange.response(&handler, &[]).await.headers["x-trace-id"], TRACE);
}

#[test]
fn mistakes_are_told_with_their_field() {
    for (config, mistake) in [
        ("{}", "traces_endpoint: must say where"),
        ("{traces_endpoint: collector:4318}", "traces_endpoint: must begin with http"),
        ("{traces_endpoint: 'http://a:b@c/v1'}", "traces_endpoint: must hold no credentials"),
        ("{traces_endpoint: 'http://a/', endpoint: 'http://b/'}", "endpoint: is the old name"),
        ("{traces_endpoint: 'http://a/', logs_endpoint: 'http://b/'}", "logs_endpoint: this field of Kong's is not"),
        ("{endpoint: 'http://a/', sampling_rate: 1.5}", "sampling_rate: must be from 0 to 1"),
        ("{endpoint: 'http://a/', sampling_strategy: always}", "sampling_strategy: unknown value `always`"),
        ("{endpoint: 'http://a/', resource_attributes: {a: ''}}", "resource_attributes.a: must not be empty"),
        ("{endpoint: 'http://a/', resource_attributes: {a: '$(b)'}}", "resource_attributes.a: templates"),
        ("{endpoint: 'http://a/', headers: {Host: a}}", "headers.Host: `Host` is a header of HTTP itself"),
        ("{endpoint: 'http://a/', headers: {Content-Type: a}}", "headers.Content-Type: is set by the plugin"),
        ("{endpoint: 'http://a/', propagation: {extract: [b3-single]}}", "propagation.extract: `b3` reads both"),
        ("{endpoint: 'http://a/', propagation: {inject: [zipkin]}}", "propagation.inject[0]: unknown value `zipkin`"),
        ("{endpoint: 'http://a/', queue: {max_entries: 0}}", "queue.max_entries: must be from 1"),
        ("{endpoint: 'http://a/', queue: {concurrency_limit: -1}}", "queue.concurrency_limit: this field of Kong's"),
        ("{endpoint: 'http://a/', connect_timeout: 3000000000}", "connect_timeout: must be from 0"),
    ] {
        let told = mistakes(config);
        assert!(told.len() == 1 && told[0].starts_with(mistake), "{config}: {told:?}");
    }
    let secret = mistakes("{endpoint: 'http://a/', headers: {X-Token: \"hunter2\\n\"}}");
    assert!(secret.len() == 1 && !secret[0].contains("hunter2"), "{secret:?}");
}

#[test]
fn a_dump_of_kongs_defaults_is_accepted() {
    let dump =
        "{batch_flush_delay: null, batch_span_count: null, connect_timeout: 1000, header_type: preserve, headers: null,
        http_response_header_for_traceid: null, logs_endpoint: null, propagation: {clear: null, default_format: w3c,
        extract: null, inject: null}, queue: {concurrency_limit: 1, initial_retry_delay: 0.01, max_batch_size: 200,
        max_bytes: null, max_coalescing_delay: 1, max_entries: 10000, max_retry_delay: 60, max_retry_time: 60},
        read_timeout: 5000, resource_attributes: null, sampling_rate: null,
        sampling_strategy: parent_drop_probability_fallback, send_timeout: 5000,
        traces_endpoint: 'http://collector:4318/v1/traces'}";
    let told = World::empty().warnings(super::NAME, dump);
    assert!(told.len() == 1 && told[0].starts_with("sampling_rate: is not set"), "{told:?}");
}

#[test]
fn a_reload_keeps_the_queue_unless_something_about_sending_changes() {
    let world = World::empty();
    let exporter = |config: &str| {
        let config = serde_yaml::from_str(config).expect("a configuration");
        let scope = signet_plugin_api::Scope::new(&world.resources);
        <Opentelemetry as signet_plugin_api::Plugin>::compile(config, &scope).expect("a plugin")
    };
    let first = exporter("{traces_endpoint: 'http://a/', headers: {X-Token: one}}");
    let sampled = exporter("{traces_endpoint: 'http://a/', headers: {X-Token: one}, sampling_rate: 1}");
    let other = exporter("{traces_endpoint: 'http://a/', headers: {X-Token: two}}");
    assert!(first.feeder.shares(&sampled.feeder));
    assert!(!first.feeder.shares(&other.feeder));
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

fn decoded(batch: Vec<Encoded>) -> (Resource, Vec<Span>) {
    let resource = Resource { attributes: vec![KeyValue::text("service.name", "edge")] };
    let batch: Vec<Bytes> = batch.into_iter().map(|part| part.bytes.into()).collect();
    let request = Frame::new(&resource).request(&batch);
    let mut request = ExportRequest::decode(&*request).expect("a request");
    assert_eq!(request.resource_spans.len(), 1);
    let mut spans = request.resource_spans.pop().expect("one");
    assert_eq!(spans.scope_spans.len(), 1);
    (spans.resource.expect("a resource"), spans.scope_spans.pop().expect("one").spans)
}

fn shown(span: &Span) -> String {
    format!("{:?}", span.attributes)
}

#[tokio::test]
async fn a_batch_holds_the_request_its_plugins_and_its_attempts() {
    let handler = compile("");
    let mut exchange = sent(&handler, &[("traceparent", &parent()), ("user-agent", "curl/8")]).await;
    exchange.sends(&handler).await;
    let address = SocketAddr::from(([127, 0, 0, 1], 9000));
    let at = |milliseconds| Duration::from_millis(milliseconds);
    let attempt = |began, sent, error| Try { address, began: at(began), sent, error };
    let tries = [
        attempt(1, None, Some("connection refused")),
        attempt(2, Some(at(3)), Some("connection closed")),
        attempt(4, Some(at(5)), None),
    ];
    let runs = [PluginRun { plugin: "key-auth", phase: Phase::Request, began: at(1), took: at(1) }];
    let record = Record {
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1000),
        path_and_query: "/demo?apikey=secret",
        source: Source::Upstream,
        latencies: Latencies { total: at(10), gateway: at(5), upstream: Some(at(4)) },
        upstream: Some(UpstreamRecord { path_and_query: "/base?apikey=secret", tries: &tries }),
        runs: &runs,
        ..Record::of(&exchange.head, 503)
    };
    let trace = exchange.cx.get::<Trace>().expect("a trace");
    let (resource, spans) = decoded(vec![spans::encode(trace, &exchange.cx, &record), Encoded::default()]);
    assert_eq!(resource.attributes, [KeyValue::text("service.name", "edge")]);
    let names: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.kind)).collect();
    assert_eq!(names, [("GET /demo", 2), ("kong.access.plugin.key-auth", 1), ("GET", 3), ("GET", 3), ("GET", 3)]);
    let trace_id = TraceId::from_hex(TRACE).expect("an id").bytes().to_vec();
    assert!(spans.iter().all(|span| span.trace_id == trace_id));
    assert_eq!(spans[0].parent_span_id, SpanId::from_hex(SPAN).expect("an id").bytes());
    assert!(spans[1..].iter().all(|span| span.parent_span_id == spans[0].span_id));
    assert_eq!([&spans[3].span_id, &spans[4].span_id], [trace.attempts[0].bytes(), trace.attempts[1].bytes()]);
    let errors: Vec<_> = spans.iter().map(|span| span.status.as_ref().map(|status| status.message.as_str())).collect();
    assert_eq!(errors, [Some(""), None, Some("connection refused"), Some("connection closed"), Some("")]);
    let nanos = |milliseconds: u64| 1_000_000_000_000 + milliseconds * 1_000_000;
    assert_eq!((spans[0].start_time_unix_nano, spans[0].end_time_unix_nano), (nanos(0), nanos(10)));
    assert_eq!((spans[3].start_time_unix_nano, spans[3].end_time_unix_nano), (nanos(2), nanos(4)));
    for (at, parts) in [
        (0, &["\"/demo\"", "\"curl/8\"", "http.response.status_code", "Number(503)", "7846979c", "\"upstream\""][..]),
        (4, &["\"http://httpbin.test:18100/base\"", "\"127.0.0.1\"", "Number(9000)", "resend_count"]),
    ] {
        assert!(parts.iter().all(|part| shown(&spans[at]).contains(part)), "{}", shown(&spans[at]));
    }
    assert!(spans.iter().all(|span| !shown(span).contains("secret") && !shown(span).contains("apikey")));
}
