//! What cannot be proxied: which failures are tried again, and what the client is told.

use http::StatusCode;
use pingora::{
    prelude::*,
    {ErrorSource, ErrorType},
};
use pingora_proxy::{FailToProxy, Session};
use signet_plugin_api::Response;
use tracing::warn;

use super::{
    Exchange, Gateway,
    exchange::log_broken,
    respond::{self, UNEXPECTED},
};
use crate::runtime::chain::Failure;

const BAD_GATEWAY: &str = "An invalid response was received from the upstream server";
const TIMEOUT: &str = "The upstream server is timing out";

/// The service's host has no address.
pub(super) fn no_address(ex: &mut Exchange) -> Box<Error> {
    give_up(ex, StatusCode::SERVICE_UNAVAILABLE, "name resolution failed")
}

/// The body grew past `client_max_body_size` on its way.
pub(super) fn body_too_large(ex: &mut Exchange) -> Box<Error> {
    give_up(ex, StatusCode::PAYLOAD_TOO_LARGE, "Payload too large")
}

/// The upstream changed the protocol of a connection whose client goes on to speak HTTP.
pub(super) fn unasked_upgrade(ex: &mut Exchange) -> Box<Error> {
    give_up(ex, StatusCode::BAD_GATEWAY, BAD_GATEWAY)
}

/// The connection to the upstream is not what the service asks for. The reason is for the log.
pub(super) fn untrusted(reason: String) -> Box<Error> {
    Error::explain(ErrorType::InvalidCert, reason).into_up()
}

/// A plugin failed between the client and the upstream.
pub(super) fn broken(broken: &Failure) -> Box<Error> {
    log_broken(broken);
    Error::new_in(ErrorType::HTTPStatus(500))
}

fn give_up(ex: &mut Exchange, status: StatusCode, message: &'static str) -> Box<Error> {
    ex.failure = Some((status, message));
    Error::new_in(ErrorType::HTTPStatus(status.as_u16()))
}

/// Nothing was sent yet: any method may be tried again.
pub(super) fn retry_connect(ex: &Exchange, mut error: Box<Error>) -> Box<Error> {
    error.set_retry(ex.may_try_again());
    error
}

/// The request was sent, in part at least: it is tried again only when doing it twice is harmless (RFC 9110, 9.2.2)
/// and all of its body is still here. This is nginx's `proxy_next_upstream error timeout`, which Kong uses.
pub(super) fn retry_exchange(
    peer: &HttpPeer,
    session: &mut Session,
    error: Box<Error>,
    ex: &Exchange,
    reused: bool,
) -> Box<Error> {
    if *error.etype() == ErrorType::InvalidCert {
        // Another address may show a better one.
        return retry_connect(ex, error);
    }
    let mut error = error.more_context(format!("Peer: {peer}"));
    let repeatable = session.req_header().method.is_idempotent()
        && !session.as_ref().retry_buffer_truncated()
        && !ex.body.has_prefix()
        && session.response_written().is_none();
    let upstream_failed = *error.esource() == ErrorSource::Upstream;
    // A pooled connection that the upstream closed meanwhile costs no attempt.
    let stale =
        reused && matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::WriteError | ErrorType::ReadError);
    error.set_retry(repeatable && upstream_failed && (stale || ex.may_try_again()));
    error
}

/// Why an attempt failed, in a word.
pub(super) fn word(error: &Error) -> &'static str {
    match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => "connect timeout",
        ErrorType::ConnectRefused => "connection refused",
        ErrorType::InvalidCert | ErrorType::TLSHandshakeFailure | ErrorType::TLSWantX509Lookup => "tls",
        ErrorType::ConnectNoRoute | ErrorType::ConnectError | ErrorType::SocketError | ErrorType::BindError => {
            "connect"
        }
        ErrorType::ReadTimedout => "read timeout",
        ErrorType::WriteTimedout => "write timeout",
        ErrorType::ConnectionClosed => "connection closed",
        ErrorType::ReadError => "read",
        ErrorType::WriteError => "write",
        _ => "error",
    }
}

/// Tells the client, if it can still be told.
pub(super) async fn answer(gateway: &Gateway, session: &mut Session, error: &Error, ex: &mut Exchange) -> FailToProxy {
    let Some((status, message)) = verdict(error, ex) else {
        return FailToProxy { error_code: 0, can_reuse_downstream: false };
    };
    let failed = FailToProxy { error_code: status.as_u16(), can_reuse_downstream: false };
    if session.response_written().is_some() {
        return failed;
    }
    // Pingora closes the connection after an upstream error, whatever we return: say so.
    session.set_keepalive(None);
    ex.failed();
    if let Err(error) = respond::answer(gateway, session, ex, Response::error(status, message)).await {
        warn!(%error, "the client went away before its error");
    }
    failed
}

/// Status and message for an error; `None` when nobody listens any more.
fn verdict(error: &Error, ex: &Exchange) -> Option<(StatusCode, &'static str)> {
    if let Some(known) = ex.failure {
        return Some(known);
    }
    Some(match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(500)) => (StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED),
        (
            ErrorSource::Upstream,
            ErrorType::ConnectTimedout
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::TLSHandshakeTimedout,
        ) => (StatusCode::GATEWAY_TIMEOUT, TIMEOUT),
        (ErrorSource::Upstream, _) => (StatusCode::BAD_GATEWAY, BAD_GATEWAY),
        (ErrorSource::Downstream, ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed) => {
            return None;
        }
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
        (ErrorSource::Downstream, _) => (StatusCode::BAD_REQUEST, "Bad request"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED),
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::proxy::testing::{gateway, received, routed, session};

    fn status(error: &Error) -> Option<u16> {
        verdict(error, &routed(&gateway(), "plain")).map(|(status, _)| status.as_u16())
    }

    /// Whether a request that was sent is tried again after `error`.
    async fn again(method: &str, error: Box<Error>, reused: bool, attempts: u32) -> bool {
        let gateway = gateway();
        let (mut session, _client) = session(&format!("{method} /plain HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let mut ex = routed(&gateway, "plain");
        (0..attempts).for_each(|_| ex.begin_attempt(None));
        let peer = HttpPeer::new(SocketAddr::from(([127, 0, 0, 1], 9)), false, String::new());
        retry_exchange(&peer, &mut session, error, &ex, reused).retry()
    }

    #[test]
    fn each_failure_of_an_upstream_has_kongs_status() {
        for (cause, expected) in [
            (ErrorType::ConnectRefused, 502),
            (ErrorType::ConnectionClosed, 502),
            (ErrorType::InvalidHTTPHeader, 502),
            (ErrorType::ConnectTimedout, 504),
            (ErrorType::ReadTimedout, 504),
            (ErrorType::WriteTimedout, 504),
            (ErrorType::HTTPStatus(500), 500),
        ] {
            assert_eq!(status(&Error::new_up(cause.clone())), Some(expected), "{cause:?}");
        }
    }

    #[test]
    fn a_client_that_is_gone_is_told_nothing() {
        for cause in [ErrorType::ConnectionClosed, ErrorType::ReadError, ErrorType::WriteError] {
            assert_eq!(status(&Error::new_down(cause)), None);
        }
        assert_eq!(status(&Error::new_down(ErrorType::ReadTimedout)), Some(408));
        assert_eq!(status(&Error::new_down(ErrorType::InvalidHTTPHeader)), Some(400));
        assert_eq!(status(&Error::new_in(ErrorType::InternalError)), Some(500));
    }

    #[test]
    fn whoever_knows_the_cause_decides_what_is_told() {
        let mut ex = routed(&gateway(), "plain");
        let error = no_address(&mut ex);
        assert_eq!(verdict(&error, &ex), Some((StatusCode::SERVICE_UNAVAILABLE, "name resolution failed")));
        assert!(ex.is_expected_failure());
    }

    #[tokio::test]
    async fn only_what_may_be_done_twice_is_tried_again() {
        let timeout = || Error::new_up(ErrorType::ReadTimedout);
        assert!(again("GET", timeout(), false, 1).await);
        assert!(!again("POST", timeout(), false, 1).await);
        assert!(!again("GET", Error::new_down(ErrorType::ReadError), false, 1).await);
    }

    #[tokio::test]
    async fn attempts_are_counted_except_on_connections_that_had_gone_stale() {
        let closed = || Error::new_up(ErrorType::ConnectionClosed);
        assert!(!again("GET", closed(), false, 2).await);
        assert!(again("GET", closed(), true, 2).await);
        assert!(!again("POST", closed(), true, 2).await);
    }

    #[test]
    fn a_refused_connection_is_tried_again_as_often_as_the_service_says() {
        let mut ex = routed(&gateway(), "plain");
        ex.begin_attempt(None);
        assert!(retry_connect(&ex, Error::new_up(ErrorType::ConnectRefused)).retry());
        ex.begin_attempt(None);
        assert!(!retry_connect(&ex, Error::new_up(ErrorType::ConnectRefused)).retry());
    }

    #[tokio::test]
    async fn the_client_gets_one_answer_and_then_the_connection_ends() {
        let gateway = gateway();
        let (mut session, client) = session("GET /plain HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut ex = routed(&gateway, "plain");
        let error = Error::new_up(ErrorType::ConnectRefused);
        for _ in 0..2 {
            let failed = answer(&gateway, &mut session, &error, &mut ex).await;
            assert_eq!((failed.error_code, failed.can_reuse_downstream), (502, false));
        }
        let text = received(session, client).await;
        assert_eq!(text.matches("HTTP/1.1 502").count(), 1, "{text}");
        assert!(text.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{text}");
    }
}
