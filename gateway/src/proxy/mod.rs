//! One request from the client's head to the last byte of the answer: Pingora's hooks, each a line of ours.

mod admit;
mod body;
mod client;
mod connections;
mod deadline;
mod error_body;
mod exchange;
mod failure;
mod forward;
mod grpc;
mod hop;
mod policy;
mod protocol;
mod rehearsal;
mod respond;
#[cfg(test)]
mod testing;
mod wire;

use std::sync::{Arc, atomic::AtomicUsize};

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, Version};
use pingora::{ErrorSource, ErrorType, modules::http::HttpModules, prelude::*, protocols::Digest};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

pub(crate) use client::Trust;
pub(crate) use connections::{Connections, Counted};
pub(crate) use deadline::{Deadline, head_is_here};
pub(crate) use exchange::Exchange;
pub(crate) use policy::{Limits, Policy};
pub(crate) use rehearsal::{Course, Imagined, rehearse};

use crate::{logging::AccessLog, runtime::Current, server::Leaving};

/// The gateway: pins a snapshot per request and does what it says.
pub(crate) struct Gateway {
    /// What new requests see.
    pub current: Arc<Current>,
    /// What the settings say about every request.
    pub policy: Policy,
    /// Requests that are being served: a graceful stop waits for zero.
    pub in_flight: Arc<AtomicUsize>,
    /// Whether the process is about to end.
    pub leaving: Arc<Leaving>,
    /// Where each request is written down.
    pub access_log: Option<Arc<AccessLog>>,
}

impl Gateway {
    /// The answer is the last on its connection when the process is about to end: the client is told before it is closed.
    pub(super) fn part(&self, session: &mut Session) {
        if self.leaving.has_begun() {
            session.set_keepalive(None);
        }
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    /// In a box: Pingora moves the context from future to future.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        Box::new(Exchange::begin(Arc::clone(&self.in_flight)))
    }

    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        ex: &mut Self::CTX,
        passenger: Box<dyn std::any::Any + Send + Sync>,
    ) {
        ex.plain_on_tls = deadline::head_is_here(&*passenger);
    }

    /// Pingora's default module compresses responses; the gateway passes them on as they are.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _ex: &mut Self::CTX) -> Result<()> {
        admit::open_connection(session, self.policy.limits);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ex: &mut Self::CTX) -> Result<bool> {
        ex.pin(self.current.pin());
        match admit::admit(self, session, ex).await {
            Some(response) => respond::answer(self, session, ex, response).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn upstream_peer(&self, session: &mut Session, ex: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        let Some(upstream) = ex.upstream() else { return Error::err(ErrorType::InternalError) };
        let demand = forward::demand(ex, session);
        let peer = upstream.peer(demand).await.map_err(|_| failure::no_address(ex))?;
        ex.begin_attempt(peer._address.as_inet().copied());
        Ok(peer)
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        digest: Option<&Digest>,
        ex: &mut Self::CTX,
    ) -> Result<()> {
        match ex.upstream() {
            Some(upstream) => upstream.vet(peer, digest).map_err(failure::untrusted),
            None => Error::err(ErrorType::InternalError),
        }
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        ex: &mut Self::CTX,
    ) -> Result<()> {
        ex.body.reframe(head)?;
        forward::accept_trailers(ex, head)?;
        ex.sent();
        let (entry, cx, progress) = ex.chain_parts();
        match entry {
            Some(entry) => {
                entry.chain.on_upstream_request(head, cx, progress).await.map_err(|broken| failure::broken(&broken))
            }
            None => Ok(()),
        }
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ex: &mut Self::CTX,
    ) -> Result<()> {
        ex.body.forward(body, end);
        ex.body
            .count(body.as_ref().map_or(0, Bytes::len), self.policy.limits.body)
            .map_err(|()| failure::body_too_large(ex))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        ex: &mut Self::CTX,
    ) -> Result<()> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            switch_protocols(session, ex)?;
        }
        hop::strip_response(head);
        if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
            // Hints on the way: plugins see the answer itself.
            return Ok(());
        }
        self.part(session);
        ex.upstream_answered();
        let (entry, cx, progress) = ex.chain_parts();
        if let Some(entry) = entry {
            entry.chain.on_response(head, cx, progress).await.map_err(|broken| failure::broken(&broken))?;
        }
        respond::stamp_proxied(&self.policy, head, ex)?;
        if head.version == Version::HTTP_10 && session.req_header().version > Version::HTTP_10 {
            // The version is of this hop (RFC 9110, 2.5); `Via` has the upstream's.
            head.set_version(Version::HTTP_11);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ex: &mut Self::CTX,
    ) -> Result<Option<std::time::Duration>> {
        let (entry, cx, progress) = ex.chain_parts();
        if let Some(entry) = entry {
            entry.chain.on_response_body(body, end, cx, progress).map_err(|broken| failure::broken(&broken))?
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ex: &mut Self::CTX,
        e: Box<Error>,
    ) -> Box<Error> {
        ex.attempt_failed(failure::word(&e));
        failure::retry_connect(ex, e)
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        e: Box<Error>,
        ex: &mut Self::CTX,
        reused: bool,
    ) -> Box<Error> {
        ex.attempt_failed(failure::word(&e));
        failure::retry_exchange(peer, session, e, ex, reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, ex: &mut Self::CTX) -> FailToProxy {
        failure::answer(self, session, e, ex).await
    }

    /// Neither what was answered as the configuration says, nor what a client did: whoever leaves early cannot fill the log.
    fn suppress_error_log(&self, _session: &Session, ex: &Self::CTX, error: &Error) -> bool {
        ex.is_expected_failure() || *error.esource() == ErrorSource::Downstream
    }

    fn request_summary(&self, _session: &Session, ex: &Self::CTX) -> String {
        ex.summary()
    }

    async fn logging(&self, session: &mut Session, _e: Option<&Error>, ex: &mut Self::CTX) {
        ex.finish(session, self.access_log.as_deref()).await;
    }
}

/// An upstream may change the protocol if the client asked for it.
fn switch_protocols(session: &mut Session, ex: &mut Exchange) -> Result<()> {
    if !session.is_upgrade_req() {
        return Err(failure::unasked_upgrade(ex));
    }
    // From here on it is the upstream's read timeout that ends a silent connection.
    session.set_read_timeout(None);
    Ok(())
}
