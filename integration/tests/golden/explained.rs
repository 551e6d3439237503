//! `signet explain` says of every recorded request what the running gateway does with it.

use std::collections::BTreeMap;

use serde_json::{Value, json, value::RawValue};
use signet_integration::{Client, Folder, Response, Seen, wait_until};

use super::{Bench, Mode, STOCK, TOKENS, VARIANTS, configuration, record, record::Record};

/// Requests that are none: no phase sees them, and they cannot be written as a line and headers.
const UNSPEAKABLE: [&str; 2] = ["error/bad request line", "error/bad content-length"];

#[test]
fn explain_agrees_with_the_gateway_on_every_record() {
    let (mut all, mut wrong) = (0, Vec::new());
    for (config, mode, least) in [
        ("stock-plugins-and-routing.json", Mode::Verified, STOCK),
        ("variants.json", Mode::Verified, VARIANTS),
        ("x-custom-jwt.json", Mode::Request, TOKENS),
        ("x-custom-jwt.json", Mode::Verified, TOKENS),
    ] {
        let mut groups: BTreeMap<Vec<(String, String)>, Vec<Record>> = BTreeMap::new();
        for record in record::all().into_iter().filter(|record| record.config == config) {
            groups.entry(record.settings.clone()).or_default().push(record);
        }
        let mut compared = 0;
        for (settings, records) in groups {
            let mut told = Told::new(config, &settings, mode);
            for record in records.iter().filter(|record| !UNSPEAKABLE.contains(&record.name.as_str())) {
                compared += 1;
                wrong
                    .extend(told.compare(record).into_iter().map(|line| format!("{} ({mode:?}): {line}", record.name)));
            }
        }
        assert!(compared + UNSPEAKABLE.len() >= least, "{compared} of {least} records of {config}");
        all += compared;
    }
    println!("{all} records explained");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// A gateway, and the same configuration in files for `explain`.
struct Told {
    bench: Bench,
    folder: Folder,
    counted: BTreeMap<String, u64>,
}

impl Told {
    fn new(config: &str, settings: &[(String, String)], mode: Mode) -> Self {
        let bench = Bench::start(config, settings, mode);
        let folder = Folder::new();
        folder.write("kong.json", configuration(config, mode));
        let settings: BTreeMap<_, _> = settings.iter().cloned().collect();
        folder.write("settings.yml", json!(settings).to_string());
        let counted = counted(&bench);
        Self { bench, folder, counted }
    }

    fn compare(&mut self, record: &Record) -> Vec<String> {
        let explained = self.explained(record);
        let mut client = Client::connect(self.bench.gateway.proxy());
        client.write(&record.request_bytes());
        let response = client.read(&record.method);
        let seen = self.bench.echo.take();
        let mut wrong = Vec::new();
        let route = explained["route"]["name"].as_str().unwrap_or_default().to_owned();
        if self.route() != route {
            wrong.push(format!("the route: explain says `{route}`"));
        }
        match explained["answer"]["by"].as_str() {
            Some("gateway" | "plugin") => answered(&explained, &response, &seen, &mut wrong),
            Some("upstream") => forwarded(&explained, &response, &seen, &mut wrong),
            other => wrong.push(format!("{other:?} answers")),
        }
        wrong
    }

    fn explained(&self, record: &Record) -> Value {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let port = self.bench.gateway.proxy().port();
        let request = format!("{} http://gw.test:{port}{} {}", record.method, record.target(), record.version());
        let mut arguments =
            vec!["explain".to_owned(), "-c".into(), file("kong.json"), "-s".into(), file("settings.yml")];
        arguments.extend(["--format=json".to_owned(), request]);
        let headers = record.sent_headers();
        // No Host comes of a URL without one.
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            arguments.pop();
            arguments.push(format!("{} http://:{port}{} {}", record.method, record.target(), record.version()));
        }
        for (name, value) in headers {
            arguments.push(format!("-H{name}: {value}"));
        }
        if let Some(body) = record.sent_body() {
            arguments.push(format!("-d{body}"));
        }
        let run = signet_integration::signet(&arguments);
        assert_eq!(run.code, Some(0), "{}: {}", record.name, run.stderr);
        // What plugins show may be nested deeper than a parser follows.
        let parts: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&run.stdout).unwrap();
        ["route", "answer", "upstream"].map(|name| (name.to_owned(), parsed(&parts[name]))).into_iter().collect()
    }

    /// The route that the gateway has just counted a request of; empty for none.
    fn route(&mut self) -> String {
        let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let before = std::mem::take(&mut self.counted);
        let mut now = BTreeMap::new();
        let is_counted = || {
            now = counted(&self.bench);
            total(&now) > total(&before)
        };
        wait_until(is_counted, || "the request is counted".to_owned());
        let grown: Vec<String> = now
            .iter()
            .filter(|(route, count)| before.get(*route) != Some(count))
            .map(|(route, _)| route.clone())
            .collect();
        self.counted = now;
        grown.join(" and ")
    }
}

fn parsed(json: &RawValue) -> Value {
    serde_json::from_str(json.get()).unwrap()
}

/// Requests by route.
fn counted(bench: &Bench) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in bench.gateway.get_status("/metrics").text().lines() {
        let Some(labels) = line.strip_prefix("signet_http_requests_total{") else { continue };
        let route = labels.split("route=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let count: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        *counts.entry(route.to_owned()).or_default() += count;
    }
    counts
}

/// The gateway answers, and the upstream is not asked.
fn answered(explained: &Value, response: &Response, seen: &[Seen], wrong: &mut Vec<String>) {
    let status = &explained["answer"]["status"];
    if *status != response.status {
        wrong.push(format!("explain says {status}, the gateway {}", response.status));
    }
    if !seen.is_empty() {
        wrong.push(format!("explain says that {} answers, and the upstream was asked", explained["answer"]));
    }
    if let Some(location) = explained["answer"]["location"].as_str()
        && response.header("location") != Some(location)
    {
        wrong.push(format!("explain sends the client to {location}, the gateway to {:?}", response.header("location")));
    }
}

/// The upstream gets what was said; upstreams that are not there get nothing.
fn forwarded(explained: &Value, response: &Response, seen: &[Seen], wrong: &mut Vec<String>) {
    let upstream = &explained["upstream"];
    let url = upstream["url"].as_str().unwrap();
    let (_, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    if !authority.eq_ignore_ascii_case("httpbin.test:18100") {
        if !seen.is_empty() || response.status < 500 {
            wrong.push(format!("explain says {url}, and {} came with {seen:?}", response.status));
        }
        return;
    }
    let [seen] = seen else { return wrong.push(format!("explain says {url}, the upstream got {seen:?}")) };
    if path != seen.path {
        wrong.push(format!("explain says {url}, the upstream got {}", seen.path));
    }
    for header in upstream["sets"].as_array().unwrap() {
        let name = header["name"].as_str().unwrap();
        match (header["value"].as_str(), seen.header(name)) {
            (_, None) => wrong.push(format!("the upstream got no {name}")),
            (Some(said), Some(got)) if said != got => wrong.push(format!("{name}: explain says {said}, it got {got}")),
            _ => {}
        }
    }
    for name in upstream["removes"].as_array().unwrap().iter().filter_map(Value::as_str) {
        // The engine below adds headers of its own for this one connection.
        if seen.header(name).is_some() && name != "connection" && name != "transfer-encoding" {
            wrong.push(format!("the upstream got {name}"));
        }
    }
}
