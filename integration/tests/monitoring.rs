//! What Prometheus and Grafana make of the metrics: the text, the alerts and the dashboard, by their own tools.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use signet_integration::{Certificate, Gateway, Prometheus, Request, Upstream, poll};

use crate::setup::{CONSUMERS, printed, repository, service};

/// A gateway whose every series of a dashboard has something to say.
fn gateway(upstream: &Upstream) -> Gateway {
    let config = "{iss: 'https://gw.test', jku: 'https://gw.test/jwks', key_set: signing, reuse_for: 60}";
    let plugins = format!("{{name: key-auth}}, {{name: x-custom-jwt, config: {config}}}");
    let routes = format!("- {{name: token, paths: [/token], plugins: [{plugins}]}}\n- {{name: open, paths: [/open]}}");
    let quoted = "- {username: 'a \"b\"', keyauth_credentials: [{key: quoted-key}]}\n";
    let global = "\nplugins: [{name: prometheus, config: {per_consumer: true}}]\n";
    let key_sets = "key_sets: [{name: signing, directory: keys, algorithm: ES256, rotate_every: 86400}]\n";
    let certificate = Certificate::named("gw.test").self_signed();
    let certificates = format!("certificates:\n-\n{}  snis: [{{name: gw.test}}]\n", certificate.yaml(2));
    Gateway::start(
        &(service(upstream, &routes) + CONSUMERS.trim_end() + "\n" + quoted + global + key_sets + &certificates),
    )
}

fn some_traffic(gateway: &Gateway) {
    let mut client = gateway.client();
    client.send(&Request::get("/token").header("apikey", "alice-key"));
    client.send(&Request::get("/token").header("apikey", "quoted-key"));
    client.send(&Request::new("POST", "/open").body("hello"));
    client.send(&Request::get("/token"));
    client.send(&Request::get("/nowhere"));
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics_of_a_busy_gateway() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for _ in 0..8 {
        some_traffic(&gateway);
    }
    // The counters are written when a request is over, which the client may learn first.
    let text = poll(|| {
        let text = gateway.get_status("/metrics").text();
        if text.contains("code=\"404\"") { Ok(text) } else { Err(text) }
    });
    assert_eq!(printed("promtool", &["check", "metrics"], &text), "");
    assert!(text.contains(r#"consumer="a \"b\"""#), "{text}");
}

#[test]
fn the_dashboard_and_the_alerts_work_in_a_real_prometheus() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let prometheus = Prometheus::scraping(gateway.status(), &repository("conf/prometheus/alerts.yaml"));
    let queries = queries();
    assert!(queries.len() > 30, "{queries:#?}");
    for query in &queries {
        poll(|| {
            let series = prometheus.query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
            if series.is_empty() {
                some_traffic(&gateway);
                return Err(format!("nothing answers {query}"));
            }
            Ok(())
        });
    }
    let rules = poll(|| {
        let rules = prometheus.rules()?;
        let waits = rules.iter().find(|rule| rule["health"] == "unknown");
        waits.map_or(Ok(rules.clone()), |rule| Err(format!("{rule} was not evaluated")))
    });
    assert!(rules.len() >= 15, "{rules:?}");
    for rule in &rules {
        assert!(rule["health"] == "ok" && rule["state"] != "firing", "{rule}");
    }
}

#[test]
fn every_alert_comes_when_it_should() {
    let tests = repository("conf/prometheus/alerts-test.yaml");
    let output = printed("promtool", &["test", "rules", tests.to_str().unwrap()], "");
    assert!(output.contains("SUCCESS"), "{output}");
    let names = |text: &str, before: &str| -> BTreeSet<String> {
        let after = text.split(before).skip(1);
        after.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()
    };
    let rules = fs::read_to_string(repository("conf/prometheus/alerts.yaml")).unwrap();
    let (alerts, tested) = (names(&rules, "- alert: "), names(&fs::read_to_string(&tests).unwrap(), "alertname=\""));
    assert_eq!(alerts, tested);
}

/// Every query of the dashboard, with all that can be chosen in it chosen.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(repository("conf/grafana/signet.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries = targets.map(|target| {
        let mut query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            query = query.replace(&format!("${}", variable["name"].as_str().unwrap()), ".*");
        }
        assert!(!query.contains('$'), "{query}");
        query
    });
    queries.collect()
}
