//! The plugin prometheus, and the series that are there without it.

use signet_integration::{Gateway, Request, Upstream, poll, wait_until};

use crate::setup::{CONSUMERS, service};

/// The lines of `/metrics` with all of these parts.
fn lines(gateway: &Gateway, parts: &[&str]) -> Vec<String> {
    let text = gateway.get_status("/metrics").text();
    let lines = text.lines().filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    lines.map(str::to_owned).collect()
}

/// Waits for a series of this value. The counters are written when a request is over, which the client may learn first.
fn wait_for(gateway: &Gateway, parts: &[&str], value: &str) {
    poll(|| match lines(gateway, parts).as_slice() {
        [line] if line.ends_with(&format!(" {value}")) => Ok(()),
        other => Err(format!("{parts:?} {value}: {other:#?}")),
    });
}

#[test]
fn every_part_of_a_request_is_counted_by_route() {
    let upstream = Upstream::echo();
    let routes = "- {name: open, paths: [/open]}\n- {name: shut, paths: [/shut], plugins: [{name: key-auth}]}";
    let gateway = Gateway::start(&(service(&upstream, routes) + CONSUMERS));
    gateway.send(&Request::new("POST", "/open").header("X-Echo-Body", "four").body("hello"));
    gateway.get("/shut");
    let open = "route=\"open\",service=\"echo\"";
    wait_for(&gateway, &["signet_bandwidth_bytes_total", open, "ingress"], "5");
    wait_for(&gateway, &["signet_bandwidth_bytes_total", open, "egress"], "4");
    for part in ["request", "gateway", "upstream"] {
        wait_for(&gateway, &[&format!("signet_{part}_duration_seconds_count"), open], "1");
        wait_for(&gateway, &[&format!("signet_{part}_duration_seconds_bucket"), open, "+Inf"], "1");
    }
    wait_for(&gateway, &["signet_gateway_duration_seconds_count", "route=\"shut\""], "1");
    assert_eq!(lines(&gateway, &["signet_upstream_duration_seconds", "route=\"shut\""]), [""; 0]);
}

#[test]
fn a_client_that_leaves_is_counted() {
    let upstream = Upstream::silent();
    let gateway = Gateway::start(&service(&upstream, "- {name: open, paths: [/open]}"));
    let mut client = gateway.client();
    client.write(b"GET /open HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(|| !upstream.take().is_empty(), || "the upstream has the request".to_owned());
    drop(client);
    wait_for(&gateway, &["signet_http_requests_total", "code=\"499\"", "route=\"open\"", "gateway"], "1");
    wait_for(&gateway, &["signet_requests_in_flight"], "0");
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&service(&upstream, "- {name: open, paths: [/open]}"));
    let mut clients = [gateway.client(), gateway.client()];
    for client in &mut clients {
        assert_eq!(client.send(&Request::get("/open")).status, 200);
    }
    wait_for(&gateway, &["signet_connections{state=\"open\"}"], "2");
    drop(clients);
    wait_for(&gateway, &["signet_connections{state=\"open\"}"], "0");
    wait_for(&gateway, &["signet_connections_accepted_total"], "2");
}

#[test]
fn what_became_of_callers_is_counted_by_method() {
    let upstream = Upstream::echo();
    let anonymous = "{name: basic-auth, config: {anonymous: bob}}";
    let routes = format!(
        "- {{name: shut, paths: [/shut], plugins: [{{name: key-auth}}]}}\n- {{name: either, paths: [/either], plugins: [{anonymous}]}}"
    );
    let gateway = Gateway::start(&(service(&upstream, &routes) + CONSUMERS));
    let counted = |method: &str, result: &str, value: &str| {
        let (method, result) = (format!("method=\"{method}\""), format!("result=\"{result}\""));
        wait_for(&gateway, &["signet_auth_total", &method, &result], value);
    };
    counted("key-auth", "success", "0");
    gateway.send(&Request::get("/shut").header("apikey", "alice-key"));
    gateway.get("/shut");
    gateway.get("/shut");
    gateway.get("/either");
    gateway.send(&Request::get("/either").basic("alice", "p@ss:word"));
    counted("key-auth", "success", "1");
    counted("key-auth", "failure", "2");
    counted("basic-auth", "anonymous", "1");
    counted("basic-auth", "success", "1");
    counted("basic-auth", "failure", "0");
}

#[test]
fn plugins_are_timed_on_some_requests() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(
        &(service(&upstream, "- {name: shut, paths: [/shut], plugins: [{name: key-auth}]}") + CONSUMERS),
    );
    let series = ["signet_plugin_duration_seconds_count", "plugin=\"key-auth\"", "phase=\"request\""];
    let mut client = gateway.client();
    poll(|| {
        client.send(&Request::get("/shut").header("apikey", "alice-key"));
        let found = lines(&gateway, &series);
        if found.iter().any(|line| !line.ends_with(" 0")) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn the_series_of_a_removed_route_go_and_those_of_others_stay() {
    let upstream = Upstream::echo();
    let both = service(&upstream, "- {name: stays, paths: [/stays]}\n- {name: goes, paths: [/goes]}");
    let gateway = Gateway::start(&both);
    gateway.get("/stays");
    gateway.get("/goes");
    wait_for(&gateway, &["signet_http_requests_total", "route=\"goes\""], "1");
    gateway.reload(&service(&upstream, "- {name: stays, paths: [/stays]}"));
    assert_eq!(lines(&gateway, &["route=\"goes\""]), [""; 0]);
    wait_for(&gateway, &["signet_http_requests_total", "route=\"stays\""], "1");
}

#[test]
fn its_switches_hide_series_and_add_those_of_consumers() {
    let upstream = Upstream::echo();
    let hiding = "{name: prometheus, config: {latency_metrics: false, bandwidth_metrics: false}}";
    let counting = "{name: prometheus, config: {per_consumer: true, max_consumers: 1}}";
    let routes = format!(
        "- {{name: few, paths: [/few], plugins: [{hiding}]}}\n\
         - {{name: shut, paths: [/shut], plugins: [{{name: key-auth}}, {counting}]}}"
    );
    let file = service(&upstream, &routes) + CONSUMERS;
    let gateway = Gateway::start(&file);
    gateway.get("/few");
    for key in ["bob-key", "bob-key", "alice-key"] {
        gateway.send(&Request::get("/shut").header("apikey", key));
    }
    wait_for(&gateway, &["signet_http_requests_total", "route=\"few\""], "1");
    assert_eq!(lines(&gateway, &["route=\"few\""]).len(), 1);
    let of = |consumer: &str| format!("signet_consumer_http_requests_total{{code=\"2xx\",consumer=\"{consumer}\"}}");
    wait_for(&gateway, &[&of("bob")], "2");
    wait_for(&gateway, &[&of("other")], "1");
    gateway.reload(&file);
    gateway.send(&Request::get("/shut").header("apikey", "bob-key"));
    wait_for(&gateway, &[&of("bob")], "3");
    assert_eq!(lines(&gateway, &[&of("alice")]), [""; 0]);
}
