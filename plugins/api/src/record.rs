//! A request that is over, as those see it who log, count and trace.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, Version};
use pingora_http::RequestHeader;

use crate::{Client, Phase, requested_host};

/// What a request was, what became of it, and how long it took. Everything is borrowed from the exchange. What the client
/// sent is as it sent it: whoever writes it down escapes it, and leaves credentials out.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When its head had arrived.
    pub started: SystemTime,
    /// The method.
    pub method: &'a Method,
    /// Path and query, as the client sent them.
    pub path_and_query: &'a str,
    /// The host that the client asked for, with its port.
    pub host: Option<&'a str>,
    /// The version of the client's message.
    pub version: Version,
    /// The request's headers, as they went upstream; as they came, where nothing did.
    pub request_headers: &'a HeaderMap,
    /// Bytes of the request's body that were read.
    pub request_body: u64,
    /// Who asked; none where the request was refused before anybody looked.
    pub client: Option<&'a Client>,
    /// The status; 0 when nothing was sent.
    pub status: u16,
    /// The headers that were sent to the client.
    pub response_headers: Option<&'a HeaderMap>,
    /// Bytes of the response's body that were sent.
    pub response_body: u64,
    /// Who made the response.
    pub source: Source,
    /// How long it took.
    pub latencies: Latencies,
    /// Where it was sent; none for what was never sent.
    pub upstream: Option<UpstreamRecord<'a>>,
    /// Which plugins ran, for a plugin that is [`crate::Plugin::TIMED`]: otherwise it is empty.
    pub runs: &'a [PluginRun],
}

impl<'a> Record<'a> {
    /// A request with this head that got a status and took no time: for tests, and to begin with.
    pub fn of(head: &'a RequestHeader, status: u16) -> Self {
        Self {
            started: SystemTime::UNIX_EPOCH,
            method: &head.method,
            path_and_query: head.uri.path_and_query().map_or("", |target| target.as_str()),
            host: requested_host(head),
            version: head.version,
            request_headers: &head.headers,
            request_body: 0,
            client: None,
            status,
            response_headers: None,
            response_body: 0,
            source: Source::Gateway,
            latencies: Latencies::default(),
            upstream: None,
            runs: &[],
        }
    }
}

/// Who made a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The gateway: a plugin, or an error of its own.
    Gateway,
    /// The upstream.
    Upstream,
}

/// Parts of the time that a request took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latencies {
    /// From the head of the request to the end of the response (Kong: `request`).
    pub total: Duration,
    /// Until the request was sent upstream; all of it when it was not (Kong: `kong`).
    pub gateway: Duration,
    /// From then to the head of the upstream's response (Kong: `proxy`).
    pub upstream: Option<Duration>,
}

/// A request's way upstream.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamRecord<'a> {
    /// The path and query that it was asked for.
    pub path_and_query: &'a str,
    /// Each attempt, in their order; the last one is the one that counted.
    pub tries: &'a [Try],
}

/// One attempt to reach the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// The address.
    pub address: SocketAddr,
    /// When it began, since the head of the request.
    pub began: Duration,
    /// When the request's head was sent.
    pub sent: Option<Duration>,
    /// Why it failed, in a word of the engine's; none when it did not.
    pub error: Option<&'static str>,
}

/// One plugin in one phase of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginRun {
    /// Its name.
    pub plugin: &'static str,
    /// The phase.
    pub phase: Phase,
    /// When it began, since the head of the request.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
}

impl Source {
    /// `gateway` or `upstream`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}
