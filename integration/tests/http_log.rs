//! The plugin `http-log`: entries in batches to a server that may be away.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use serde_json::Value;
use signet_integration::{Conversation, Gateway, Request, Seen, Upstream, wait_until};

fn config(upstream: &Upstream, collector: &Upstream, more: &str) -> String {
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
      - name: http-log
        config:
          http_endpoint: http://me:planted-password@{}/in?tenant=a
          {more}
"#,
        upstream.address(),
        collector.address()
    )
}

/// What the collector has got once it has got so many messages.
fn messages(collector: &Upstream, count: usize, gateway: &Gateway) -> Vec<Seen> {
    let all = std::cell::RefCell::new(Vec::new());
    wait_until(
        || {
            all.borrow_mut().extend(collector.take());
            all.borrow().len() >= count
        },
        || format!("{count} messages:\n{}", gateway.stderr()),
    );
    all.into_inner()
}

fn paths(message: &Seen) -> Vec<String> {
    let body: Value = serde_json::from_slice(&message.body).expect("JSON");
    let entries = match body {
        Value::Array(entries) => entries,
        entry => vec![entry],
    };
    entries.iter().map(|entry| entry["request"]["uri"].as_str().expect("a path").to_owned()).collect()
}

#[test]
fn each_request_is_posted_as_an_object_with_the_credentials_of_the_endpoint() {
    let (upstream, collector) = (Upstream::echo(), Upstream::echo());
    let gateway = Gateway::start(&config(&upstream, &collector, "headers: {X-Source: signet}"));
    gateway.get("/orders/1");
    let messages = messages(&collector, 1, &gateway);
    let message = &messages[0];
    assert_eq!((message.method.as_str(), message.path.as_str()), ("POST", "/in?tenant=a"));
    assert_eq!(message.header("content-type"), Some("application/json"));
    assert_eq!(message.header("x-source"), Some("signet"));
    assert_eq!(message.header("authorization"), Some("Basic bWU6cGxhbnRlZC1wYXNzd29yZA=="));
    assert!(message.body.starts_with(b"{"));
    assert_eq!(paths(message), ["/orders/1"]);
    assert!(!gateway.stderr().contains("planted-password"));
}

#[test]
fn many_requests_are_one_message_and_what_waits_is_sent_when_the_gateway_stops() {
    let (upstream, collector) = (Upstream::echo(), Upstream::echo());
    let batches = "queue: {max_batch_size: 3, max_coalescing_delay: 600}";
    let gateway = Gateway::start(&config(&upstream, &collector, batches));
    for number in 0..4 {
        gateway.get(&format!("/orders/{number}"));
    }
    let first = messages(&collector, 1, &gateway);
    assert!(first[0].body.starts_with(b"["));
    assert_eq!(paths(&first[0]), ["/orders/0", "/orders/1", "/orders/2"]);
    let run = gateway.terminate();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let rest = collector.take();
    assert_eq!(rest.iter().flat_map(paths).collect::<Vec<_>>(), ["/orders/3"]);
}

#[test]
fn a_server_that_fails_is_asked_again() {
    let upstream = Upstream::echo();
    let asked = AtomicUsize::new(0);
    let collector = Upstream::serve(move |conversation: &mut Conversation| -> io::Result<()> {
        while conversation.request()?.is_some() {
            let status = if asked.fetch_add(1, SeqCst) < 2 { "503 Service Unavailable" } else { "200 OK" };
            conversation.write(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))?;
        }
        Ok(())
    });
    let gateway = Gateway::start(&config(&upstream, &collector, "timeout: 5000"));
    assert_eq!(gateway.get("/orders/1").status, 200);
    let messages = messages(&collector, 3, &gateway);
    assert!(messages.iter().all(|message| paths(message) == ["/orders/1"]));
    assert!(gateway.stderr().contains("status 503"), "{}", gateway.stderr());
}

#[test]
fn a_server_that_is_away_stops_no_request_and_what_is_lost_is_counted() {
    let (upstream, collector) = (Upstream::echo(), Upstream::closing());
    let short = "queue: {max_retry_time: 0.05, max_retry_delay: 0.02}";
    let gateway = Gateway::start(&config(&upstream, &collector, short));
    for _ in 0..3 {
        assert_eq!(gateway.send(&Request::get("/orders")).status, 200);
    }
    let lost = || {
        let metrics = gateway.get_status("/metrics").text();
        metrics.lines().any(|line| line == "signet_log_dropped_total{log=\"http-log\"} 3")
    };
    wait_until(lost, || format!("{}\n{}", gateway.get_status("/metrics").text(), gateway.stderr()));
    wait_until(|| gateway.stderr().contains("given up"), || gateway.stderr());
}
