//! The request as the upstream gets it: path, `Host`, the forwarding headers and the verified identity.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Uri, header, uri::PathAndQuery};
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use signet_plugin_api::Identity;

use super::{Exchange, Gateway, client, client::Caller, policy::joined_via};

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

/// Turns the client's head into the upstream's.
///
/// # Errors
/// When the path that a route made is not a URI.
pub(super) fn rewrite(gateway: &Gateway, session: &Session, head: &mut RequestHeader, ex: &mut Exchange) -> Result<()> {
    let Some(caller) = ex.caller.clone() else { return Error::err(ErrorType::InternalError) };
    let Some(upstream) = ex.upstream().map(std::sync::Arc::clone) else { return Error::err(ErrorType::InternalError) };
    set_uri(head, &ex.upstream_path)?;
    let preserve_host = ex.entry().is_some_and(|entry| entry.route.preserve_host);
    if !preserve_host {
        head.insert_header(header::HOST, upstream.host_header.clone())?;
    }
    forwarded(session, head, &caller, ex)?;
    if gateway.policy.headers.tokens.via {
        let via = joined_via(head.headers.get(header::VIA), session.req_header().version);
        head.insert_header("Via", via)?;
    }
    if gateway.policy.headers.request_id_upstream {
        head.insert_header("X-Kong-Request-Id", ex.cx.request_id().as_header().clone())?;
    }
    identify(head, ex.cx.identity())?;
    if let Some(length) = ex.body.replaced_length() {
        head.remove_header(&header::TRANSFER_ENCODING);
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length))?;
    }
    ex.sent();
    Ok(())
}

fn set_uri(head: &mut RequestHeader, path: &str) -> Result<()> {
    let path_and_query = match head.uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let path_and_query = path_and_query.or_err(ErrorType::InternalError, "the path for the upstream")?;
    head.set_uri(Uri::from(path_and_query));
    Ok(())
}

/// `X-Forwarded-*` and `X-Real-IP`: a trusted peer's stay, another's are overwritten; the list of addresses grows.
fn forwarded(session: &Session, head: &mut RequestHeader, caller: &Caller, ex: &mut Exchange) -> Result<()> {
    let original = session.req_header();
    let keeps = |name: &str| caller.trusted && original.headers.contains_key(name);
    let chain = forwarded_for(&original.headers, caller.peer)?;
    head.insert_header("X-Forwarded-For", chain)?;
    head.insert_header("X-Real-IP", address(caller.client.ip)?)?;
    if !keeps("x-forwarded-proto") {
        head.insert_header("X-Forwarded-Proto", HeaderValue::from_static(caller.client.scheme.as_str()))?;
    }
    if !keeps("x-forwarded-host") {
        let host = client::host(session).map_or("", client::host_without_port);
        head.insert_header("X-Forwarded-Host", host)?;
    }
    if !keeps("x-forwarded-port") {
        head.insert_header("X-Forwarded-Port", HeaderValue::from(caller.client.port))?;
    }
    if !keeps("x-forwarded-path") {
        head.insert_header("X-Forwarded-Path", original.uri.path())?;
    }
    if !keeps("x-forwarded-prefix") {
        match &ex.prefix {
            Some(prefix) => head.insert_header("X-Forwarded-Prefix", prefix.clone())?,
            None => drop(head.remove_header("x-forwarded-prefix")),
        }
    }
    Ok(())
}

fn forwarded_for(headers: &HeaderMap, peer: IpAddr) -> Result<HeaderValue> {
    let mut chain = Vec::with_capacity(48);
    for earlier in headers.get_all("x-forwarded-for") {
        chain.extend_from_slice(earlier.as_bytes());
        chain.extend_from_slice(b", ");
    }
    write_address(&mut chain, peer);
    HeaderValue::from_bytes(&chain).or_err(ErrorType::InternalError, "X-Forwarded-For")
}

fn address(ip: IpAddr) -> Result<HeaderValue> {
    let mut text = Vec::with_capacity(39);
    write_address(&mut text, ip);
    HeaderValue::from_bytes(&text).or_err(ErrorType::InternalError, "an address")
}

fn write_address(out: &mut Vec<u8>, ip: IpAddr) {
    use std::io::Write;
    // Writing to a vector does not fail.
    drop(write!(out, "{ip}"));
}

/// Removes what a client claims to be, and says who it is.
fn identify(head: &mut RequestHeader, identity: Option<&Identity>) -> Result<()> {
    for name in IDENTITY_HEADERS {
        if head.headers.contains_key(name) {
            head.remove_header(name);
        }
    }
    let Some(identity) = identity else { return Ok(()) };
    if let Some(consumer) = &identity.consumer {
        head.insert_header("X-Consumer-ID", consumer.id_header.clone())?;
        if let Some(custom_id) = &consumer.custom_id_header {
            head.insert_header("X-Consumer-Custom-ID", custom_id.clone())?;
        }
        if let Some(username) = &consumer.username_header {
            head.insert_header("X-Consumer-Username", username.clone())?;
        }
    }
    if let Some(identifier) = &identity.identifier {
        head.insert_header("X-Credential-Identifier", identifier.clone())?;
    }
    if !identity.is_authenticated() {
        head.insert_header("X-Anonymous-Consumer", HeaderValue::from_static("true"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_claims_about_its_identity_are_removed() {
        let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
        for name in IDENTITY_HEADERS {
            head.append_header(name, "forged").expect("a header");
            head.append_header(name, "twice").expect("a header");
        }
        identify(&mut head, None).expect("identified");
        assert!(head.headers.is_empty(), "{:?}", head.headers);
    }

    #[test]
    fn the_list_of_addresses_grows_by_the_peer() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("1.2.3.4, 5.6.7.8"));
        headers.append("x-forwarded-for", HeaderValue::from_static("9.9.9.9"));
        let peer = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(forwarded_for(&headers, peer).expect("a value"), "1.2.3.4, 5.6.7.8, 9.9.9.9, 127.0.0.1");
        assert_eq!(forwarded_for(&HeaderMap::new(), peer).expect("a value"), "127.0.0.1");
    }
}
