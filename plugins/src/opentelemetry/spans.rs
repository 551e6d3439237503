//! The spans of one request that is over: one for the request, one for each plugin in each phase, one for each attempt to
//! reach the upstream. Names and attributes are OpenTelemetry's for HTTP, and Kong's for what only a gateway has.
//!
//! Nothing here is a credential: no query, no header but `User-Agent`, no value of a claim.

use std::time::{Duration, UNIX_EPOCH};

use http::{Version, header};
use signet_plugin_api::{Context, Phase, PluginRun, Protocol, Record, Source, Try};

use super::{
    ids::SpanId,
    otlp::{ERROR, Encoded, KeyValue, Span, Status, kind},
    propagation::Format,
    trace::Trace,
    tracestate,
};
use crate::shared::names::without_port;

/// As much of a text as is recorded, in bytes: clients choose some of them.
const LONGEST: usize = 1024;

/// W3C's flags, and that it is known whether the parent is on another machine.
const LOCAL: u32 = 0x101;
/// The same: it is.
const REMOTE: u32 = 0x301;

/// All of them, as they are sent.
pub(super) fn encode(trace: &Trace, cx: &Context, record: &Record<'_>) -> Encoded {
    let request = OneRequest { trace, cx, record };
    let mut encoded = Encoded::default();
    encoded.push(&request.server());
    for run in record.runs {
        encoded.push(&request.plugin(run));
    }
    let tries = record.upstream.map_or(&[][..], |upstream| upstream.tries);
    let mut told = trace.attempts.iter();
    for (number, attempt) in tries.iter().enumerate() {
        // One that was not sent has told nobody its id.
        let id = attempt.sent.and_then(|_| told.next().copied()).unwrap_or_else(SpanId::random);
        encoded.push(&request.attempt(number, attempt, tries.get(number + 1), id));
    }
    encoded
}

struct OneRequest<'a> {
    trace: &'a Trace,
    cx: &'a Context,
    record: &'a Record<'a>,
}

impl OneRequest<'_> {
    fn server(&self) -> Span {
        let method = method(self.record.method.as_str());
        let route = self.cx.route().and_then(|route| route.paths.as_ref()?.first());
        let name = match (route, method) {
            (Some(route), "_OTHER") => format!("HTTP {}", bounded(route)),
            (Some(route), method) => format!("{method} {}", bounded(route)),
            (None, "_OTHER") => "HTTP".to_owned(),
            (None, method) => method.to_owned(),
        };
        let mut attributes = Attributes(Vec::with_capacity(24));
        attributes.text("http.request.method", method);
        attributes.optional("http.route", route);
        self.describe_message(&mut attributes);
        self.describe_gateway(&mut attributes);
        let failure = match self.record.status {
            0 => Some("no_response".to_owned()),
            status @ 500.. => Some(status.to_string()),
            _ => None,
        };
        attributes.optional("error.type", failure.as_ref());
        let is_remote = self.trace.caller.span.is_some();
        Span {
            span_id: self.trace.server.bytes().to_vec(),
            parent_span_id: self.trace.caller.span.map(|span| span.bytes().to_vec()).unwrap_or_default(),
            trace_state: self.trace_state(),
            status: failure.map(|_| Status { message: String::new(), code: ERROR }),
            attributes: attributes.0,
            flags: if is_remote { REMOTE } else { LOCAL },
            ..self.span(name, kind::SERVER, Duration::ZERO, self.record.latencies.total)
        }
    }

    fn describe_message(&self, attributes: &mut Attributes) {
        let record = self.record;
        attributes.text("url.path", path(record.path_and_query));
        if let Some(client) = record.client {
            attributes.text("url.scheme", client.scheme.as_str());
            attributes.text("client.address", &client.ip.to_string());
            attributes.number("server.port", client.port);
        }
        attributes.optional("server.address", record.host.map(without_port));
        let agent = record.request_headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        attributes.optional("user_agent.original", agent);
        attributes.text("network.protocol.version", version(record.version));
        attributes.number("http.request.body.size", record.request_body);
        attributes.number("http.response.body.size", record.response_body);
        if record.status != 0 {
            attributes.number("http.response.status_code", record.status);
        }
    }

    fn describe_gateway(&self, attributes: &mut Attributes) {
        attributes.text("kong.request.id", self.cx.request_id().as_str());
        if let Some(route) = self.cx.route() {
            attributes.text("kong.route.id", &route.id);
            attributes.optional("kong.route.name", route.name.as_ref());
        }
        if let Some(service) = self.cx.service() {
            attributes.text("kong.service.id", &service.id);
            attributes.optional("kong.service.name", service.name.as_ref());
        }
        if let Some(consumer) = self.cx.consumer() {
            attributes.text("kong.consumer.id", &consumer.id);
            attributes.optional("kong.consumer.username", consumer.username.as_ref());
        }
        let identity = self.cx.identity().filter(|identity| identity.is_authenticated());
        attributes.optional("signet.auth.method", identity.map(|identity| identity.method));
        attributes.text("signet.source", self.record.source.as_str());
    }

    fn plugin(&self, run: &PluginRun) -> Span {
        let phase = match run.phase {
            Phase::Request => "access",
            Phase::UpstreamRequest => "upstream",
            Phase::Response => "header_filter",
            Phase::ResponseBody => "body_filter",
            Phase::Log => "log",
        };
        let name = format!("kong.{phase}.plugin.{}", run.plugin);
        let mut attributes = Attributes(Vec::new());
        attributes.text("kong.plugin.name", run.plugin);
        Span {
            span_id: SpanId::random().bytes().to_vec(),
            attributes: attributes.0,
            ..self.inner(name, kind::INTERNAL, run.began, run.began + run.took)
        }
    }

    /// An attempt ends where the next one begins; the last one with the response.
    fn attempt(&self, number: usize, attempt: &Try, next: Option<&Try>, id: SpanId) -> Span {
        let method = method(self.record.method.as_str());
        let mut attributes = Attributes(Vec::with_capacity(10));
        attributes.text("http.request.method", method);
        if let Some((service, upstream)) = self.cx.service().zip(self.record.upstream) {
            let scheme = if matches!(service.protocol, Protocol::Https | Protocol::Grpcs | Protocol::Wss) {
                "https"
            } else {
                "http"
            };
            let url = format!("{scheme}://{}:{}{}", service.host, service.port, path(upstream.path_and_query));
            attributes.text("url.full", &url);
            attributes.text("server.address", &service.host);
            attributes.number("server.port", service.port);
        }
        attributes.text("network.peer.address", &attempt.address.ip().to_string());
        attributes.number("network.peer.port", attempt.address.port());
        if number > 0 {
            attributes.number("http.request.resend_count", number);
        }
        let is_answered = next.is_none() && attempt.error.is_none() && self.record.source == Source::Upstream;
        let status = self.record.status;
        if is_answered && status != 0 {
            attributes.number("http.response.status_code", status);
        }
        // To whoever asks, a mistake of its own is an error as well.
        let failure = match attempt.error {
            Some(error) => Some(error.to_owned()),
            None if is_answered => (status >= 400).then(|| status.to_string()),
            None => Some("no_response".to_owned()),
        };
        attributes.optional("error.type", failure.as_ref());
        let ended = next.map_or(self.record.latencies.total, |next| next.began);
        Span {
            span_id: id.bytes().to_vec(),
            status: failure.map(|_| Status { message: attempt.error.unwrap_or_default().to_owned(), code: ERROR }),
            attributes: attributes.0,
            ..self.inner(
                if method == "_OTHER" { "HTTP" } else { method }.to_owned(),
                kind::CLIENT,
                attempt.began,
                ended,
            )
        }
    }

    /// A child of the request's span.
    fn inner(&self, name: String, kind: i32, began: Duration, ended: Duration) -> Span {
        Span { parent_span_id: self.trace.server.bytes().to_vec(), flags: LOCAL, ..self.span(name, kind, began, ended) }
    }

    /// Times are counted from the head of the request.
    fn span(&self, name: String, kind: i32, began: Duration, ended: Duration) -> Span {
        let moment = |offset: Duration| {
            let since = self.record.started.duration_since(UNIX_EPOCH).unwrap_or_default() + offset;
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        };
        Span {
            trace_id: self.trace.id.bytes().to_vec(),
            name,
            kind,
            start_time_unix_nano: moment(began),
            end_time_unix_nano: moment(ended.max(began)),
            ..Span::default()
        }
    }

    fn trace_state(&self) -> String {
        match self.trace.format {
            Some(Format::W3c) => tracestate::kept(self.record.request_headers).unwrap_or_default(),
            _ => String::new(),
        }
    }
}

struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, key: &'static str, value: &str) {
        self.0.push(KeyValue::text(key, bounded(value)));
    }

    fn optional(&mut self, key: &'static str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.text(key, value.as_ref());
        }
    }

    fn number(&mut self, key: &'static str, value: impl TryInto<i64>) {
        self.0.push(KeyValue::number(key, value));
    }
}

fn bounded(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// Clients may call a method whatever they like; the values of an attribute must stay few.
fn method(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT" | "QUERY" => method,
        _ => "_OTHER",
    }
}

fn path(path_and_query: &str) -> &str {
    path_and_query.split('?').next().unwrap_or("")
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(bounded(&"é".repeat(LONGEST)).len(), LONGEST);
        assert_eq!(bounded(&format!("a{}", "é".repeat(LONGEST))).len(), LONGEST - 1);
        assert_eq!(bounded("short"), "short");
    }
}
