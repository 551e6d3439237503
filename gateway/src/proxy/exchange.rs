//! The state of one request, from its first byte to the log.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Instant, SystemTime},
};

use http::{HeaderValue, StatusCode, Uri};
use pingora_proxy::Session;
use signet_plugin_api::{Client, Context, Latencies, Record, RequestId, Source, Try, UpstreamRecord, requested_host};
use smallvec::SmallVec;
use tracing::error;
use uuid::Uuid;

use super::body::RequestBody;
use crate::logging::AccessLog;
use crate::runtime::{
    RouteEntry, Snapshot, Upstream,
    chain::{Failure, Progress, Times},
};

/// Pingora's per-request context.
pub(crate) struct Exchange {
    /// What plugins share.
    pub cx: Context,
    /// How far the chain came.
    pub progress: Progress,
    /// The path to ask the upstream for, without the query.
    pub upstream_path: String,
    /// `X-Forwarded-Prefix`: the part of the path that the route matched.
    pub prefix: Option<HeaderValue>,
    /// The request body.
    pub body: RequestBody,
    /// Who asks, once it was looked at.
    pub client: Option<Client>,
    /// What the client asked for, once the head is the upstream's.
    pub asked: Option<Asked>,
    /// The client speaks plain HTTP to a port for TLS.
    pub plain_on_tls: bool,
    /// What to answer when the upstream cannot be used, set by whoever found out.
    pub failure: Option<(StatusCode, &'static str)>,
    started: Instant,
    sent: Option<Instant>,
    answered: Option<Instant>,
    snapshot: Option<Arc<Snapshot>>,
    position: Option<u32>,
    tries: SmallVec<[Try; 1]>,
    _in_flight: InFlight,
}

/// What the rewriting of a head took out of it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The target.
    pub target: Uri,
    /// `Host`.
    pub host: Option<HeaderValue>,
}

impl Asked {
    fn host(&self) -> Option<&str> {
        let authority = || Some(self.target.authority()?.as_str());
        authority().or_else(|| self.host.as_ref()?.to_str().ok())
    }
}

impl Exchange {
    /// The head of a request is here: from now on it takes time, and a stop waits for its end.
    pub(crate) fn begin(in_flight: Arc<AtomicUsize>) -> Self {
        Self {
            cx: Context::default(),
            progress: Progress::default(),
            upstream_path: String::new(),
            prefix: None,
            body: RequestBody::default(),
            client: None,
            asked: None,
            plain_on_tls: false,
            failure: None,
            started: Instant::now(),
            sent: None,
            answered: None,
            snapshot: None,
            position: None,
            tries: SmallVec::new(),
            _in_flight: InFlight::enter(in_flight),
        }
    }

    /// The request sees this configuration until its end.
    pub(crate) fn pin(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshot = Some(snapshot);
        self.cx = Context::new(new_request_id(), None, None);
    }

    /// The configuration of this request.
    pub(crate) fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// The router's choice.
    pub(crate) fn routed(&mut self, position: u32) {
        self.position = Some(position);
        if let Some(entry) = self.snapshot.as_ref().and_then(|snapshot| snapshot.entry(position)) {
            let service = entry.upstream.as_ref().map(|upstream| Arc::clone(&upstream.service));
            self.cx = Context::new(self.cx.request_id().clone(), Some(Arc::clone(&entry.route)), service);
            let timed = entry.chain.is_timed() || (is_sample(self.cx.request_id()) && !entry.chain.is_empty());
            self.progress.times = timed.then(|| Box::new(Times::since(self.started)));
        }
    }

    /// The route, with what it takes to run its chain: disjoint borrows of one exchange.
    pub(crate) fn chain_parts(&mut self) -> (Option<&RouteEntry>, &mut Context, &mut Progress) {
        let entry = entry(self.snapshot.as_ref(), self.position);
        (entry, &mut self.cx, &mut self.progress)
    }

    /// The router's choice, if it made one.
    pub(crate) fn position(&self) -> Option<u32> {
        self.position
    }

    /// The route that was chosen.
    pub(crate) fn entry(&self) -> Option<&RouteEntry> {
        entry(self.snapshot.as_ref(), self.position)
    }

    /// The upstream of the route.
    pub(crate) fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.entry()?.upstream.as_ref()
    }

    /// One more try to reach the upstream, at this address.
    pub(crate) fn begin_attempt(&mut self, address: Option<SocketAddr>) {
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        self.tries.push(Try { address, began: self.started.elapsed(), sent: None, error: None });
        self.body.rewind();
    }

    /// The last try came to nothing.
    pub(crate) fn attempt_failed(&mut self, why: &'static str) {
        if let Some(last) = self.tries.last_mut() {
            last.error = Some(why);
        }
    }

    /// Whether the route allows another try.
    pub(crate) fn may_try_again(&self) -> bool {
        self.upstream().is_some_and(|upstream| self.tries.len() < upstream.attempts() as usize)
    }

    /// The request is on its way upstream.
    pub(crate) fn sent(&mut self) {
        let now = Instant::now();
        self.sent = Some(now);
        if let Some(last) = self.tries.last_mut() {
            last.sent = Some(now - self.started);
        }
    }

    /// The head of the upstream's response is here.
    pub(crate) fn upstream_answered(&mut self) {
        self.answered = Some(Instant::now());
    }

    /// What the upstream said is not passed on: the answer is the gateway's.
    pub(crate) fn failed(&mut self) {
        self.answered = None;
    }

    /// Whether an upstream's response is being passed on.
    pub(crate) fn source(&self) -> Source {
        if self.answered.is_some() { Source::Upstream } else { Source::Gateway }
    }

    /// Whether the request was sent upstream, with or without an answer.
    pub(crate) fn was_proxied(&self) -> bool {
        !self.tries.is_empty()
    }

    /// Milliseconds until the request was sent upstream; until now when it was not.
    pub(crate) fn proxy_latency(&self) -> u128 {
        (self.sent.unwrap_or_else(Instant::now) - self.started).as_millis()
    }

    /// Milliseconds that the upstream took for the head of its response.
    pub(crate) fn upstream_latency(&self) -> u128 {
        self.sent.map_or(0, |sent| (self.answered.unwrap_or_else(Instant::now) - sent).as_millis())
    }

    /// Milliseconds since the request arrived.
    pub(crate) fn total_latency(&self) -> u128 {
        self.started.elapsed().as_millis()
    }

    /// A failure that was answered as the configuration says, not a defect.
    pub(crate) fn is_expected_failure(&self) -> bool {
        self.failure.is_some()
    }

    /// For Pingora's own log lines: nothing that the client chose.
    pub(crate) fn summary(&self) -> String {
        let route = self.cx.route().and_then(|route| route.name.as_deref()).unwrap_or("-");
        format!("request {} on route {route}", self.cx.request_id().as_str())
    }

    /// The request is over: counts it, writes it down and runs the chain's log phase.
    pub(crate) async fn finish(&mut self, session: &Session, access_log: Option<&AccessLog>) {
        let Some(snapshot) = &self.snapshot else { return };
        let entry = entry(Some(snapshot), self.position);
        let record = self.record(session);
        entry.map_or(&snapshot.unrouted, |entry| &entry.stats).record(&record);
        if let Some(log) = access_log {
            log.write(&self.cx, &record, peer(session));
        }
        let Some(entry) = entry else { return };
        entry.chain.took(record.runs);
        if let Err(broken) = entry.chain.on_log(&self.cx, &self.progress, &record).await {
            log_broken(&broken);
        }
    }

    /// The request as it was, now that it is over.
    fn record<'a>(&'a self, session: &'a Session) -> Record<'a> {
        let head = session.req_header();
        let response = session.response_written();
        let total = self.started.elapsed();
        let gateway = self.sent.map_or(total, |sent| sent - self.started);
        let upstream = self.sent.zip(self.answered).map(|(sent, answered)| answered - sent);
        let target = self.asked.as_ref().map_or(&head.uri, |asked| &asked.target);
        let host = self.asked.as_ref().map_or_else(|| requested_host(head), Asked::host);
        let proxied = || UpstreamRecord { path_and_query: path_and_query(&head.uri), tries: &self.tries };
        Record {
            started: SystemTime::now() - total,
            path_and_query: path_and_query(target),
            host,
            request_body: session.body_bytes_read() as u64,
            client: self.client.as_ref(),
            response_headers: response.map(|response| &response.headers),
            response_body: session.body_bytes_sent() as u64,
            source: self.source(),
            latencies: Latencies { total, gateway, upstream },
            upstream: self.was_proxied().then(proxied),
            runs: self.progress.times.as_ref().map_or(&[], |times| times.runs()),
            ..Record::of(head, response.map_or(0, |response| response.status.as_u16()))
        }
    }
}

/// Logs a plugin that failed.
pub(super) fn log_broken(broken: &Failure) {
    match &broken.error {
        Some(cause) => {
            let source = std::error::Error::source(cause).map(ToString::to_string);
            error!(plugin = broken.plugin, error = %cause, source, "a plugin failed");
        }
        None => error!(plugin = broken.plugin, "a plugin panicked"),
    }
}

/// Who is at the other end of the connection.
fn peer(session: &Session) -> Option<IpAddr> {
    Some(session.client_addr()?.as_inet()?.ip())
}

fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |target| target.as_str())
}

fn entry(snapshot: Option<&Arc<Snapshot>>, position: Option<u32>) -> Option<&RouteEntry> {
    snapshot?.entry(position?)
}

/// One request of 16, without a counter that threads share: ids are random.
fn is_sample(id: &RequestId) -> bool {
    id.as_str().starts_with('0')
}

fn new_request_id() -> RequestId {
    let mut text = [0; uuid::fmt::Simple::LENGTH];
    let text: &str = Uuid::new_v4().simple().encode_lower(&mut text);
    RequestId::new(HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("")))
}

/// Counts a request while it is served, however it ends.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn enter(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
