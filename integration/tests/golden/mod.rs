//! Exchanges recorded on a running Kong Gateway 3.9.1, replayed: see `golden/README.md`.

mod compare;
mod differences;
mod explained;
mod mint;
mod record;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signet_integration::{Client, Gateway, NoNames, Request, Response, Seen, Upstream};

use self::{
    compare::Comparison,
    differences::{Want, difference},
    record::Record,
};

/// Which kind of identity x-custom-jwt is told to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Our default.
    Verified,
    /// The reference's.
    Request,
}

/// How many records each test replays. The numbers only grow.
const STOCK: usize = 265;
const TOKENS: usize = 63;
const VARIANTS: usize = 4;

#[test]
fn kong_s_records_of_routing_proxying_errors_and_stock_plugins_hold() {
    replay("stock-plugins-and-routing.json", Mode::Verified, STOCK);
}

#[test]
fn kong_s_records_with_settings_hold() {
    replay("variants.json", Mode::Verified, VARIANTS);
}

#[test]
fn the_reference_s_tokens_are_matched_when_unverified_identities_are_allowed() {
    replay("x-custom-jwt.json", Mode::Request, TOKENS);
}

#[test]
fn without_a_verified_identity_no_record_gets_a_token() {
    replay("x-custom-jwt.json", Mode::Verified, TOKENS);
}

#[test]
fn a_key_that_cannot_be_used_is_one_mistake_at_its_field() {
    let text = record::read("x-custom-jwt-broken.json");
    let config: Value = serde_json::from_str(&text).unwrap();
    let run = signet_integration::signet(["check", &record::path("x-custom-jwt-broken.json")]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let mut wanted = Vec::new();
    for (service, entity) in config["services"].as_array().unwrap().iter().enumerate() {
        broken_plugins(entity, &format!("services[{service}]."), &mut wanted);
    }
    broken_plugins(&config, "", &mut wanted);
    for path in &wanted {
        let found: Vec<&str> = run.stdout.lines().filter(|line| line.contains(&format!(": {path}"))).collect();
        assert_eq!(found.len(), 1, "one mistake at {path}: {found:?}\n{}", run.stdout);
    }
    // Each on a line of its own, and a summary.
    assert_eq!(run.stdout.lines().count(), wanted.len() + 1, "{}", run.stdout);
    assert!(!run.stdout.contains("\"d\""), "no key material: {}", run.stdout);
}

/// The paths of the x-custom-jwt plugins on the routes of a service or of the file.
fn broken_plugins(entity: &Value, prefix: &str, paths: &mut Vec<String>) {
    for (index, route) in entity["routes"].as_array().unwrap().iter().enumerate() {
        let plugins = route["plugins"].as_array().unwrap();
        let position = plugins.iter().position(|plugin| plugin["name"] == "x-custom-jwt").unwrap();
        paths.push(format!("{prefix}routes[{index}].plugins[{position}]"));
    }
}

fn replay(config: &str, mode: Mode, least: usize) {
    let mut groups: BTreeMap<Vec<(String, String)>, Vec<Record>> = BTreeMap::new();
    for record in record::all().into_iter().filter(|record| record.config == config) {
        groups.entry(record.settings.clone()).or_default().push(record);
    }
    let (mut replayed, mut wrong) = (0, Vec::new());
    for (settings, records) in groups {
        let bench = Bench::start(config, &settings, mode);
        for record in records {
            replayed += 1;
            wrong.extend(bench.replay(&record, mode).into_iter().map(|line| format!("{}: {line}", record.name)));
        }
    }
    println!("{replayed} records replayed from {config} ({mode:?})");
    assert!(replayed >= least, "{replayed} of {least} records are left");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// A gateway with the upstreams of the recording.
struct Bench {
    gateway: Gateway,
    echo: Upstream,
    _silent: Upstream,
}

impl Bench {
    fn start(config: &str, settings: &[(String, String)], mode: Mode) -> Self {
        let (echo, silent, names) = (Upstream::echo(), Upstream::silent(), NoNames::start());
        let mut start = Gateway::with(&configuration(config, mode))
            .setting("dns_resolver", &names.address().to_string())
            .resolve("httpbin.test:18100", echo.address())
            .resolve("httpbin.test:18103", silent.address());
        for (key, value) in settings {
            start = start.setting(key, value);
        }
        Self { gateway: start.start(), echo, _silent: silent }
    }

    fn replay(&self, record: &Record, mode: Mode) -> Vec<String> {
        let mut client = Client::connect(self.gateway.proxy());
        client.write(&record.request_bytes());
        let response = client.read(&record.method);
        let seen = self.echo.take();
        match difference(record, mode) {
            Some(Want::Status(status)) => mismatch("status", &status, &response.status).into_iter().collect(),
            Some(Want::Refused) => refused(&response, &seen),
            Some(Want::Token(client_id)) => self.compare(record, &response, seen).token_for(client_id),
            Some(Want::Except(headers)) => self.compare(record, &response, seen).all(headers),
            None => self.compare(record, &response, seen).all(&[]),
        }
    }

    fn compare<'a>(&self, record: &'a Record, response: &'a Response, seen: Vec<Seen>) -> Comparison<'a> {
        Comparison { record, response, seen, port: self.gateway.proxy().port() }
    }
}

/// The configuration of the recording, in the given mode.
fn configuration(name: &str, mode: Mode) -> String {
    let mut config: Value = serde_json::from_str(&record::read(name)).unwrap();
    if mode == Mode::Request {
        for service in config["services"].as_array_mut().unwrap() {
            allow_unverified(service);
            service["routes"].as_array_mut().unwrap().iter_mut().for_each(allow_unverified);
        }
    }
    config.to_string()
}

fn allow_unverified(entity: &mut Value) {
    for plugin in entity.get_mut("plugins").and_then(Value::as_array_mut).into_iter().flatten() {
        if plugin["name"] == "x-custom-jwt" {
            plugin["config"]["identity_source"] = json!("request");
        }
    }
}

/// The answer to who was not authenticated, before anything reached the upstream.
fn refused(response: &Response, seen: &[Seen]) -> Vec<String> {
    let mut wrong: Vec<String> = mismatch("status", &401, &response.status).into_iter().collect();
    let message = serde_json::from_slice::<Value>(&response.body).unwrap_or_default()["ErrorMessage"].clone();
    wrong.extend(mismatch("ErrorMessage", &json!("You are not authorized to access to this service"), &message));
    wrong.extend(mismatch("requests to the upstream", &0, &seen.len()));
    wrong
}

fn mismatch<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, got: &T) -> Option<String> {
    (expected != got).then(|| format!("{what}: expected {expected:?}, got {got:?}"))
}

/// A request with nothing but what the record says.
fn bare(method: &str, path: &str) -> Request {
    Request::new(method, path).without_host()
}
