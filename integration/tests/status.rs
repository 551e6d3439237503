//! The status listener, and what the process says of itself.

use std::{collections::BTreeSet, fs};

use signet_integration::{Certificate, Gateway, Request, Upstream, wait_until};

use crate::setup::{CONSUMERS, repository, service};

#[test]
fn status_shows_what_is_served() {
    let upstream = Upstream::echo();
    let routes = "- {name: a, paths: [/a], plugins: [{name: key-auth}]}\n- {name: b, paths: [/b]}";
    let gateway = Gateway::start(&(service(&upstream, routes) + CONSUMERS));
    assert!(
        gateway.serving().starts_with("serving 1 service, 2 routes, 1 plugin, 2 consumers from "),
        "{}",
        gateway.serving()
    );
    let status = gateway.get_status("/status");
    assert_eq!(status.status, 200);
    assert!(status.json()["version"].is_string(), "{status:?}");
    assert_eq!(gateway.get_status("/status/ready").status, 200);
    assert_eq!(gateway.get_status("/nothing").status, 404);
}

#[test]
fn the_status_listener_is_not_the_proxy() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&service(&upstream, "- {name: all, paths: [/]}"));
    assert_eq!(gateway.get("/metrics").text(), "{\"ok\":true}");
    assert_eq!(upstream.one().path, "/base/metrics");
    assert_eq!(gateway.get_status("/x").status, 404);
}

#[test]
fn metrics_count_requests_by_service_route_and_code() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(
        &(service(
            &upstream,
            "- {name: open, paths: [/open]}\n- {name: shut, paths: [/shut], plugins: [{name: key-auth}]}",
        ) + CONSUMERS),
    );
    for _ in 0..3 {
        gateway.get("/open");
    }
    gateway.send(&Request::get("/open").header("X-Echo-Status", "404 Not Found"));
    gateway.get("/shut");
    gateway.get("/nowhere");
    // The counters are written when a request is over, which the client may learn first.
    let mut response = gateway.get_status("/metrics");
    for _ in 0..500 {
        if response.text().lines().any(|line| line.contains("code=\"404\"") && line.contains("source=\"gateway\"")) {
            break;
        }
        response = gateway.get_status("/metrics");
    }
    let text = response.text();
    assert!(response.header("content-type").unwrap().starts_with("text/plain"), "{response:?}");
    let count = |labels: &[&str]| {
        let line = text.lines().find(|line| {
            line.starts_with("signet_http_requests_total{") && labels.iter().all(|label| line.contains(label))
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    assert_eq!(
        count(&["service=\"echo\"", "route=\"open\"", "code=\"200\"", "source=\"upstream\""]),
        Some(3.0),
        "{text}"
    );
    assert_eq!(count(&["route=\"open\"", "code=\"404\"", "source=\"upstream\""]), Some(1.0), "{text}");
    assert_eq!(count(&["route=\"shut\"", "code=\"401\"", "source=\"gateway\""]), Some(1.0), "{text}");
    assert_eq!(count(&["code=\"404\"", "source=\"gateway\""]), Some(1.0), "{text}");
    assert!(text.contains("signet_build_info{"), "{text}");
    assert!(text.contains("signet_request_duration_seconds_bucket{"), "{text}");
}

#[test]
fn the_page_of_metrics_has_every_series_and_no_other() {
    let upstream = Upstream::echo();
    let config = "{iss: 'https://gw.test', jku: 'https://gw.test/jwks', key_set: signing, reuse_for: 60}";
    let traces = format!("{{traces_endpoint: 'http://{}'}}", Upstream::nowhere());
    let plugins = format!(
        "{{name: key-auth}}, {{name: x-custom-jwt, config: {config}}}, {{name: opentelemetry, config: {traces}}}"
    );
    let routes = format!("- {{name: x, paths: [/x], plugins: [{plugins}]}}");
    let counting = "\nplugins: [{name: prometheus, config: {per_consumer: true}}]\n";
    let key_sets = "\nkey_sets: [{name: signing, directory: keys, algorithm: ES256, rotate_every: 86400}]\n";
    let certificate = Certificate::named("gw.test").self_signed();
    let certificates = format!("certificates:\n-\n{}  snis: [{{name: gw.test}}]\n", certificate.yaml(2));
    let gateway = Gateway::start(&(service(&upstream, &routes) + CONSUMERS + counting + key_sets + &certificates));
    gateway.send(&Request::get("/x").header("apikey", "alice-key"));
    let page = fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let is_row = |line: &&str| line.starts_with("| `signet_") || line.starts_with("| `process_");
    let cells = page.lines().filter(is_row).filter_map(|line| line.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let told: BTreeSet<&str> = names.filter_map(|name| name.split('{').next()).collect();
    assert!(told.len() > 10, "{told:?}");
    let shown = || -> BTreeSet<String> {
        let text = gateway.get_status("/metrics").text();
        text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split(' ').next()?.to_owned())).collect()
    };
    // The next key is made, and a request counted, a moment later.
    let same = || shown().iter().map(String::as_str).eq(told.iter().copied());
    wait_until(same, || format!("told: {told:#?}\nshown: {:#?}", shown()));
}

#[test]
fn without_a_configuration_the_gateway_serves_nothing_and_says_so() {
    let gateway = Gateway::unconfigured().start();
    assert_eq!(gateway.get("/x").status, 404);
    assert_eq!(gateway.get_status("/status/ready").status, 503);
    assert_eq!(gateway.get_status("/status").status, 200);
}

#[test]
fn requests_that_match_nothing_get_kong_s_404() {
    let gateway = Gateway::start("_format_version: '3.0'\n");
    let response = gateway.get("/x");
    assert_eq!(response.status, 404);
    assert_eq!(response.json()["message"], "no Route matched with those values");
    assert_eq!(response.json()["request_id"].as_str(), response.header("X-Kong-Request-Id"));
}

#[test]
fn a_signal_ends_the_process_at_once_when_nothing_is_in_flight() {
    let upstream = Upstream::echo();
    let gateway =
        Gateway::with(&service(&upstream, "- {name: all, paths: [/]}")).setting("drain_timeout", "600").start();
    assert_eq!(gateway.get("/x").status, 200);
    let run = gateway.terminate();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
