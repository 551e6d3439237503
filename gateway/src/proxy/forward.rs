//! The request as the upstream gets it: path, `Host`, the forwarding headers and the verified identity.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri::PathAndQuery};
use pingora::{ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use signet_plugin_api::{Identity, requested_host};
use smallvec::SmallVec;

use super::{
    Exchange, Policy,
    client::{self, Caller},
    exchange::Asked,
    hop,
    policy::joined_via,
    wire::{self, Additions},
};
use crate::runtime::{Demand, Upstream};

/// What a backend believes about the caller: a client's own never pass.
const IDENTITY_HEADERS: [&str; 8] = [
    "x-consumer-id",
    "x-consumer-custom-id",
    "x-consumer-username",
    "x-consumer-groups",
    "x-credential-identifier",
    "x-anonymous-consumer",
    "x-authenticated-groups",
    "x-credential-username",
];

/// What is said of a client's certificate: by a plugin here, or by a trusted proxy in front where the client's TLS ended.
const CERTIFICATE_HEADERS: [&str; 2] = ["x-client-cert-dn", "x-client-cert-san"];

/// Removes what a client says of its own certificate, before any plugin runs: one of them may say it, too.
pub(super) fn remove_certificate_claims(head: &mut RequestHeader) {
    let is_alike = |(a, b): (u8, u8)| a == b || (a == b'-' && b == b'_');
    let is_claim = |name: &&HeaderName| {
        let name = name.as_str();
        let is_one = |ours: &&str| ours.len() == name.len() && ours.bytes().zip(name.bytes()).all(is_alike);
        name.starts_with('x') && CERTIFICATE_HEADERS.iter().any(is_one)
    };
    let claims: SmallVec<[HeaderName; 2]> = head.headers.keys().filter(is_claim).cloned().collect();
    for name in claims {
        head.remove_header(&name);
    }
}

/// Turns the client's head into the upstream's, once for all attempts; the exchange keeps what the client asked for.
///
/// # Errors
/// When the path that a route made is not a URI.
pub(super) fn rewrite(
    policy: &Policy,
    head: &mut RequestHeader,
    ex: &mut Exchange,
    caller: &Caller,
    upstream: &Upstream,
) -> Result<()> {
    let target = target(head, &ex.upstream_path)?;
    let mut additions = Additions::default();
    let mut removed = identity_claims(&head.headers);
    if !preserves_host(ex) {
        additions.push(&wire::HOST, upstream.host_header.clone());
    } else if let Some(authority) = head.uri.authority() {
        // A request of HTTP/2 has no Host header, and one of HTTP/1 with a whole URI is for the host in it.
        additions
            .push(&wire::HOST, HeaderValue::from_str(authority.as_str()).or_err(ErrorType::InternalError, "Host")?);
    }
    forwarded(head, caller, ex, &mut additions, &mut removed)?;
    if policy.headers.tokens.via {
        additions.push(&wire::VIA, joined_via(head.headers.get(header::VIA), head.version));
    }
    if policy.headers.request_id_upstream {
        additions.push(&wire::REQUEST_ID, ex.cx.request_id().as_header().clone());
    }
    if let Some(cookie) = joined_cookie(&head.headers) {
        additions.push(&wire::COOKIE, cookie);
    }
    identify(ex.cx.identity(), &mut additions);
    let host = head.headers.get(header::HOST).cloned();
    let target = additions.apply_to_request(head, target, &removed, policy.preserve_header_case)?;
    ex.asked = Some(Asked { target, host });
    Ok(())
}

/// What the request, rewritten, asks of the connection that it goes over.
pub(super) fn demand<'h>(ex: &Exchange, session: &'h Session) -> Demand<'h> {
    let head = session.req_header();
    let sanitize = hop::needs_policy(head);
    let preserved_host = preserves_host(ex).then(|| head.headers.get(header::HOST)?.to_str().ok()).flatten();
    Demand { sanitize, upgrade: sanitize && session.is_upgrade_req(), preserved_host }
}

/// Servers of gRPC refuse calls from clients that do not take trailers. `TE` is for one hop, and this hop takes them.
///
/// # Errors
/// When there are too many headers.
pub(super) fn accept_trailers(ex: &Exchange, head: &mut RequestHeader) -> Result<()> {
    match ex.upstream() {
        Some(upstream) if upstream.service.protocol.is_grpc() => {
            head.insert_header(header::TE, HeaderValue::from_static("trailers"))
        }
        _ => Ok(()),
    }
}

fn preserves_host(ex: &Exchange) -> bool {
    ex.entry().is_some_and(|entry| entry.route.preserve_host)
}

fn target(head: &RequestHeader, path: &str) -> Result<Uri> {
    let path_and_query = match head.uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    Ok(Uri::from(path_and_query.or_err(ErrorType::InternalError, "the path for the upstream")?))
}

/// HTTP/2 may send a cookie in pieces, which are one elsewhere (RFC 9113, 8.2.3). None where there is nothing to join.
fn joined_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut pieces = headers.get_all(header::COOKIE).iter();
    let first = pieces.next()?;
    let mut rest = pieces.peekable();
    rest.peek()?;
    let mut joined = first.as_bytes().to_vec();
    for piece in rest {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(piece.as_bytes());
    }
    HeaderValue::from_bytes(&joined).ok()
}

/// The names under which a client says what only the gateway may say. To many backends `_` is `-` (CGI, WSGI, Rack).
fn identity_claims(headers: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
    let claims = |name: &&HeaderName| match name.as_str() {
        name if !name.starts_with('x') => false,
        name if !name.contains('_') => IDENTITY_HEADERS.contains(&name),
        name => {
            let name = name.replace('_', "-");
            IDENTITY_HEADERS.contains(&name.as_str()) || name.starts_with("x-forwarded-") || name == "x-real-ip"
        }
    };
    headers.keys().filter(claims).cloned().collect()
}

/// `X-Forwarded-*` and `X-Real-IP`: a trusted peer's stay, another's are overwritten; the list of addresses grows.
fn forwarded(
    head: &RequestHeader,
    caller: &Caller,
    ex: &Exchange,
    additions: &mut Additions,
    removed: &mut SmallVec<[HeaderName; 4]>,
) -> Result<()> {
    let keeps = |name: &str| caller.trusted && head.headers.contains_key(name);
    let peer = address(caller.peer)?;
    let real_ip = if caller.client.ip == caller.peer { peer.clone() } else { address(caller.client.ip)? };
    additions.push(&wire::FORWARDED_FOR, forwarded_for(&head.headers, peer)?);
    additions.push(&wire::REAL_IP, real_ip);
    if !keeps("x-forwarded-proto") {
        additions.push(&wire::FORWARDED_PROTO, HeaderValue::from_static(caller.client.scheme.as_str()));
    }
    if !keeps("x-forwarded-host") {
        let host = requested_host(head).map_or("", client::host_without_port);
        let host = HeaderValue::from_str(host).or_err(ErrorType::InternalError, "X-Forwarded-Host")?;
        additions.push(&wire::FORWARDED_HOST, host);
    }
    if !keeps("x-forwarded-port") {
        additions.push(&wire::FORWARDED_PORT, HeaderValue::from(caller.client.port));
    }
    if !keeps("x-forwarded-path") {
        let path = HeaderValue::from_str(head.uri.path()).or_err(ErrorType::InternalError, "X-Forwarded-Path")?;
        additions.push(&wire::FORWARDED_PATH, path);
    }
    if !keeps("x-forwarded-prefix") {
        match &ex.prefix {
            Some(prefix) => additions.push(&wire::FORWARDED_PREFIX, prefix.clone()),
            None => removed.push(wire::FORWARDED_PREFIX.parsed().clone()),
        }
    }
    Ok(())
}

/// The addresses so far, with the peer at their end.
fn forwarded_for(headers: &HeaderMap, peer: HeaderValue) -> Result<HeaderValue> {
    let mut earlier = headers.get_all(wire::FORWARDED_FOR.parsed()).iter().peekable();
    if earlier.peek().is_none() {
        return Ok(peer);
    }
    let mut chain = Vec::with_capacity(64);
    for value in earlier {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(peer.as_bytes());
    HeaderValue::from_bytes(&chain).or_err(ErrorType::InternalError, "X-Forwarded-For")
}

/// An address as text. Those of version 4, nearly all, are written without the formatting machinery.
fn address(ip: IpAddr) -> Result<HeaderValue> {
    let text = match ip {
        IpAddr::V4(v4) => {
            let mut text: SmallVec<[u8; 16]> = SmallVec::new();
            let mut number = itoa::Buffer::new();
            for octet in v4.octets() {
                text.extend_from_slice(number.format(octet).as_bytes());
                text.push(b'.');
            }
            text.pop();
            HeaderValue::from_bytes(&text)
        }
        IpAddr::V6(v6) => HeaderValue::from_str(&v6.to_string()),
    };
    text.or_err(ErrorType::InternalError, "an address")
}

/// Says who the caller is, as far as it was verified.
fn identify(identity: Option<&Identity>, additions: &mut Additions) {
    let Some(identity) = identity else { return };
    if let Some(consumer) = &identity.consumer {
        additions.push(&wire::CONSUMER_ID, consumer.id_header.clone());
        if let Some(custom_id) = &consumer.custom_id_header {
            additions.push(&wire::CONSUMER_CUSTOM_ID, custom_id.clone());
        }
        if let Some(username) = &consumer.username_header {
            additions.push(&wire::CONSUMER_USERNAME, username.clone());
        }
    }
    if let Some(identifier) = &identity.identifier {
        additions.push(&wire::CREDENTIAL_IDENTIFIER, identifier.clone());
    }
    if !identity.is_authenticated() {
        additions.push(&wire::ANONYMOUS_CONSUMER, HeaderValue::from_static("true"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_claims_about_its_identity_are_found() {
        let mut headers = HeaderMap::new();
        for name in IDENTITY_HEADERS {
            headers.append(name, HeaderValue::from_static("forged"));
            headers.append(name, HeaderValue::from_static("twice"));
        }
        headers.append("x-other", HeaderValue::from_static("1"));
        let mut found = identity_claims(&headers).into_vec();
        found.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        let mut expected = IDENTITY_HEADERS;
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn names_that_backends_take_for_ours_are_found() {
        let mut headers = HeaderMap::new();
        for name in ["x_consumer_id", "x-consumer_username", "x_forwarded-for", "x_real_ip", "x_other", "a_b"] {
            headers.append(name, HeaderValue::from_static("forged"));
        }
        let found = identity_claims(&headers);
        let found: Vec<&str> = found.iter().map(HeaderName::as_str).collect();
        assert_eq!(found, ["x_consumer_id", "x-consumer_username", "x_forwarded-for", "x_real_ip"]);
    }

    #[test]
    fn the_list_of_addresses_grows_by_the_peer() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("1.2.3.4, 5.6.7.8"));
        headers.append("x-forwarded-for", HeaderValue::from_static("9.9.9.9"));
        let peer = address(IpAddr::from([127, 0, 0, 1])).expect("an address");
        let grown = forwarded_for(&headers, peer.clone()).expect("a value");
        assert_eq!(grown, "1.2.3.4, 5.6.7.8, 9.9.9.9, 127.0.0.1");
        assert_eq!(forwarded_for(&HeaderMap::new(), peer).expect("a value"), "127.0.0.1");
    }

    #[test]
    fn pieces_of_a_cookie_become_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(joined_cookie(&headers), None);
        headers.append("cookie", HeaderValue::from_static("a=1"));
        assert_eq!(joined_cookie(&headers), None);
        headers.append("cookie", HeaderValue::from_static("b=2; c=3"));
        assert_eq!(joined_cookie(&headers).expect("a value"), "a=1; b=2; c=3");
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for text in ["0.0.0.0", "10.200.3.44", "255.255.255.255", "::1", "2001:db8::1"] {
            assert_eq!(address(text.parse().expect("an address")).expect("a value"), text);
        }
    }
}
