//! From the head of a request to its route, through the plugins: either an answer, or on to the upstream.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora_http::{RequestHeader, authority::raw_target_authority};
use pingora_proxy::Session;
use signet_plugin_api::{Request, Response, requested_host};
use tracing::warn;

use super::{
    Exchange, Gateway, Limits,
    body::{Incoming, announced_length},
    client::Caller,
    exchange::log_broken,
    forward, hop, protocol,
    respond::UNEXPECTED,
};
use crate::runtime::{
    chain::Outcome,
    router::{Query, upstream_path},
};

/// Seconds that an idle client connection is kept (nginx: `keepalive_timeout`).
const KEEPALIVE: u64 = 75;
/// How long a client may take for one part of an answer (nginx: `send_timeout`).
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// Pingora keeps an idle connection forever by default. A connection that it decided to close stays so. Requests that come
/// before the answer to an earlier one wait their turn (RFC 9112, 9.3.2).
pub(super) fn open_connection(session: &mut Session, limits: Limits) {
    session.set_read_timeout(limits.body_pause);
    session.set_write_timeout(Some(SEND_TIMEOUT));
    if session.req_header().version < Version::HTTP_11 {
        // HTTP/1.0 does not know interim answers (RFC 9110, 15.2).
        session.set_ignore_info_resp(true);
    }
    session.set_pipelining_enabled(true);
    if session.get_keepalive() == Some(0) {
        session.set_keepalive(Some(KEEPALIVE));
    }
}

/// Decides what happens to a request; `None` sends it upstream, rewritten for it.
pub(super) async fn admit(gateway: &Gateway, session: &mut Session, ex: &mut Exchange) -> Option<Response> {
    if ex.plain_on_tls {
        session.set_keepalive(None);
        return Some(html(StatusCode::BAD_REQUEST, "400 The plain HTTP request was sent to HTTPS port"));
    }
    if let Some(refusal) = refuse(session.req_header(), header_length(session), gateway.policy.limits) {
        if matches!(refusal.status, StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED) {
            // Where a request ends that makes no sense, and the next one begins, is anybody's guess.
            session.set_keepalive(None);
        }
        return Some(refusal);
    }
    hop::strip_request(session.req_header_mut());
    let caller = gateway.policy.trust.caller(session);
    if !caller.trusted {
        forward::remove_certificate_claims(session.req_header_mut());
    }
    ex.client = Some(caller.client.clone());
    if let Err(answer) = route(session.req_header(), ex, &caller) {
        return Some(answer);
    }
    let answer = run_chain(session, ex, &caller, gateway.policy.limits.body_pause).await;
    if let Some((status, message)) = ex.body.broken() {
        session.set_keepalive(None);
        return Some(Response::error(status, message));
    }
    if answer.is_some() {
        return answer;
    }
    let Some(upstream) = ex.upstream().map(Arc::clone) else {
        return Some(no_service());
    };
    match forward::rewrite(&gateway.policy, session.req_header_mut(), ex, &caller, &upstream) {
        Ok(()) => None,
        Err(error) => {
            warn!(%error, "the request cannot be rewritten for the upstream");
            Some(Response::error(StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED))
        }
    }
}

/// The answer of a route without a service whose plugins have none.
pub(super) fn no_service() -> Response {
    Response::error(StatusCode::SERVICE_UNAVAILABLE, "no Service found with those values")
}

/// What no route could make right.
pub(super) fn refuse(head: &RequestHeader, header_length: usize, limits: Limits) -> Option<Response> {
    let refusal = |status: StatusCode, message: &'static str| Some(Response::error(status, message));
    let uri = head.uri.path_and_query().map_or(0, |text| text.as_str().len());
    if uri > limits.uri {
        return refusal(StatusCode::URI_TOO_LONG, "URI too long");
    }
    if header_length > limits.header {
        return refusal(StatusCode::BAD_REQUEST, "Request header or cookie too large");
    }
    let no_host = head.version == Version::HTTP_11 && requested_host(head).is_none_or(str::is_empty);
    let two_credentials = head.headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some();
    if no_host || two_credentials || !is_plain(head) {
        return refusal(StatusCode::BAD_REQUEST, "Bad request");
    }
    if let Some(refusal) = refuse_framing(&head.headers) {
        return Some(refusal);
    }
    if head.method == Method::TRACE {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    }
    if limits.body.is_some_and(|limit| announced_length(head).is_some_and(|length| length > limit)) {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
    }
    None
}

/// A path or a whole URI as target, and a host of which every reader makes the same.
fn is_plain(head: &RequestHeader) -> bool {
    let has_path =
        head.raw_path().first() == Some(&b'/') || raw_target_authority(head.raw_path()).authority().is_some();
    let host = head.headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let authority = head.uri.authority().map_or(&b""[..], |authority| authority.as_str().as_bytes());
    has_path && head.uri.path().starts_with('/') && host.iter().chain(authority).copied().all(is_of_host)
}

/// Names, addresses and ports; others would split lists, paths and lines in which a host is repeated.
fn is_of_host(byte: u8) -> bool {
    let splits = matches!(
        byte,
        b'/' | b'\\' | b'?' | b'#' | b'@' | b',' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}'
    );
    byte.is_ascii_graphic() && !splits
}

/// A body must have one length, and no coding that would be lost on the way (RFC 9112, 6.1).
fn refuse_framing(headers: &HeaderMap) -> Option<Response> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let is_number = |length: &HeaderValue| length.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some_and(|length| !is_number(length)) || lengths.next().is_some() {
        return Some(Response::error(StatusCode::BAD_REQUEST, "Bad request"));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(|coding| !is_chunked(coding)) || codings.next().is_some() {
        return Some(Response::error(StatusCode::NOT_IMPLEMENTED, "Not implemented"));
    }
    None
}

fn header_length(session: &Session) -> usize {
    match session.as_downstream().as_http1() {
        Some(h1) => h1.get_headers_raw_bytes().len(),
        None => listed_length(&session.req_header().headers),
    }
}

/// What headers take that did not come as text.
pub(super) fn listed_length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// Finds the route and what it makes of the path.
pub(super) fn route(head: &RequestHeader, ex: &mut Exchange, caller: &Caller) -> Result<(), Response> {
    let not_found = || Response::error(StatusCode::NOT_FOUND, "no Route matched with those values");
    let snapshot = ex.snapshot().map(Arc::clone).ok_or_else(not_found)?;
    let found = snapshot.router.find(&query(head, caller)).ok_or_else(not_found)?;
    let entry = snapshot.entry(found.route).ok_or_else(not_found)?;
    ex.routed(found.route);
    if entry.quarantined {
        return Err(Response::error(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"));
    }
    if let Some(answer) = protocol::mismatch(head, &entry.route, found.https_only, caller) {
        return Err(answer);
    }
    let service_path = entry.upstream.as_ref().and_then(|upstream| upstream.service.path.as_deref());
    ex.upstream_path = upstream_path(service_path, &found, entry.route.strip_path).into_owned();
    ex.prefix = snapshot.router.forwarded_prefix(&found);
    Ok(())
}

/// What a request is routed by.
pub(super) fn query<'a>(head: &'a RequestHeader, caller: &'a Caller) -> Query<'a> {
    Query {
        method: &head.method,
        host: requested_host(head),
        path: head.uri.path(),
        headers: &head.headers,
        scheme: caller.client.scheme,
        port: caller.client.port,
        sni: caller.client.tls.as_ref().and_then(|tls| tls.sni.as_deref()),
    }
}

/// A page of nginx's: Kong has none of its own for these.
pub(super) fn html(status: StatusCode, title: &str) -> Response {
    Response::new(status).with_header(header::CONTENT_TYPE, HeaderValue::from_static("text/html")).with_body(format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    ))
}

async fn run_chain(
    session: &mut Session,
    ex: &mut Exchange,
    caller: &Caller,
    pause: Option<Duration>,
) -> Option<Response> {
    let unexpected = || Some(Response::error(StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED));
    let Some(snapshot) = ex.snapshot().map(Arc::clone) else { return unexpected() };
    let Some(entry) = ex.position().and_then(|position| snapshot.entry(position)) else { return unexpected() };
    let mut incoming = Incoming { session, pause, body: &mut ex.body };
    let mut request = Request::of(&mut incoming, &caller.client);
    match entry.chain.on_request(&mut request, &mut ex.cx, &mut ex.progress).await {
        Outcome::Continue => None,
        Outcome::Respond(response) => Some(response),
        Outcome::Broken(broken) => {
            log_broken(&broken);
            unexpected()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::testing::{exchange, gateway, session};

    async fn refused(sent: &str) -> Option<u16> {
        let (session, _client) = session(sent).await;
        let limits = Limits { header: 256, uri: 32, body: Some(10), ..gateway().policy.limits };
        refuse(session.req_header(), header_length(&session), limits).map(|refusal| refusal.status.as_u16())
    }

    async fn admitted(sent: &str) -> (Option<Response>, Session) {
        let gateway = gateway();
        let (mut session, _client) = session(sent).await;
        let answer = admit(&gateway, &mut session, &mut exchange(&gateway)).await;
        (answer, session)
    }

    #[tokio::test]
    async fn what_no_route_could_make_right_is_refused() {
        let long = "x".repeat(300);
        for (sent, status) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ("GET / HTTP/1.0\r\n\r\n", None),
            ("GET / HTTP/1.1\r\n\r\n", Some(400)),
            ("GET / HTTP/1.1\r\nHost: \r\n\r\n", Some(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAuthorization: y\r\n\r\n", Some(400)),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Some(400)),
            ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Some(405)),
            (&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), Some(400)),
            (&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), Some(414)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", Some(413)),
        ] {
            assert_eq!(refused(sent).await, status, "{sent}");
        }
    }

    #[tokio::test]
    async fn every_end_of_the_way_to_the_upstream_has_its_status() {
        for (path, status) in [("/plain", None), ("/lonely", Some(503)), ("/panicking", Some(500)), ("/", Some(404))] {
            let (answer, _) = admitted(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            assert_eq!(answer.map(|answer| answer.status.as_u16()), status, "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_admitted_is_rewritten_for_the_upstream() {
        let sent = "GET /plain/x?q HTTP/1.1\r\nHost: a\r\nX-Consumer-Username: forged\r\n\r\n";
        let (answer, session) = admitted(sent).await;
        let head = session.req_header();
        assert!(answer.is_none());
        assert_eq!(head.uri, "/x?q");
        assert_eq!(head.headers.get("host").map(HeaderValue::as_bytes), Some(&b"127.0.0.1:9"[..]));
        assert!(!head.headers.contains_key("x-consumer-username"));
    }

    #[tokio::test]
    async fn a_plain_request_to_an_https_route_is_told_where_to_go() {
        let (answer, _) = admitted("GET /a?b HTTP/1.1\r\nHost: tls.test:80\r\n\r\n").await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
        assert!(answer.headers.contains(&(header::LOCATION, HeaderValue::from_static("https://tls.test/a?b"))));
    }
}
