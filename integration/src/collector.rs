//! A collector of OpenTelemetry: a process that reads OTLP with OpenTelemetry's own definition of the messages.

use std::{net::SocketAddr, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{Client, Request, poll::poll, process::Process};

/// A running collector; killed when dropped.
#[derive(Debug)]
pub struct Collector {
    process: Process,
    address: SocketAddr,
}

impl Collector {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::at(0)
    }

    /// Starts one on this port.
    pub fn at(port: u16) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("otlp");
        assert!(
            folder.join("node_modules/@opentelemetry/otlp-transformer").is_dir(),
            "`npm ci --prefix integration/otlp` installs OpenTelemetry's messages; `make test` does that"
        );
        let mut command = Command::new("node");
        let process = Process::spawn(command.arg(folder.join("collector.mjs")).env("PORT", port.to_string()));
        let port = process.line("the collector's port", |line| line.strip_prefix("collector at ")?.parse().ok());
        Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Where traces are sent.
    pub fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; its address is then free.
    pub fn stop(mut self) {
        self.process.signal("KILL");
        self.process.wait();
    }

    /// From now on it answers like this: `{"status", "retryAfter", "rejected", "message"}`.
    pub fn behave(&self, how: &Value) {
        let answer = self.ask(&Request::new("POST", "/behave").body(how.to_string()));
        assert_eq!(answer, json!({}));
    }

    /// The spans that it has taken: waits until they are what is expected.
    pub fn spans(&self, are_there: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        poll(|| {
            let spans = self.ask(&Request::get("/spans"));
            let spans: Vec<Span> = spans.as_array().expect("a list").iter().cloned().map(Span).collect();
            if are_there(&spans) { Ok(spans) } else { Err(format!("{spans:#?}")) }
        })
    }

    /// How often it has answered with this status.
    pub fn answered(&self, status: u16) -> u64 {
        member(&self.requests(), &["answered", &status.to_string()]).as_u64().unwrap_or(0)
    }

    /// A header of the last request.
    pub fn header(&self, name: &str) -> Option<String> {
        member(&self.requests(), &["headers", name]).as_str().map(ToOwned::to_owned)
    }

    fn requests(&self) -> Value {
        self.ask(&Request::get("/requests"))
    }

    fn ask(&self, request: &Request) -> Value {
        Client::connect(self.address).send(request).json()
    }
}

/// A span, as the collector understood it.
#[derive(Debug, Clone)]
pub struct Span(Value);

impl Span {
    /// A member: `name`, `trace`, `span`, `parent`, `state`.
    pub fn text(&self, name: &str) -> &str {
        member(&self.0, &[name]).as_str().unwrap_or_else(|| panic!("no `{name}`: {self:?}"))
    }

    /// A member: `kind`, `status`, `flags`.
    pub fn number(&self, name: &str) -> u64 {
        member(&self.0, &[name]).as_u64().unwrap_or_else(|| panic!("no `{name}`: {self:?}"))
    }

    /// An attribute; null when it is not there.
    pub fn attribute(&self, name: &str) -> &Value {
        member(&self.0, &["attributes", name])
    }

    /// An attribute of its resource.
    pub fn resource(&self, name: &str) -> &Value {
        member(&self.0, &["resource", name])
    }

    /// From when until when, in nanoseconds since 1970.
    pub fn times(&self) -> (u64, u64) {
        let time = |name| self.text(name).parse().expect("a time");
        (time("start"), time("end"))
    }
}

fn member<'v>(value: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().try_fold(value, |value, name| value.get(name)).unwrap_or(&Value::Null)
}
