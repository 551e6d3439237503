//! The only place that answers a client in the upstream's stead, and the headers that every response gets.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora::{
    Result,
    protocols::http::{HttpTask, date::get_cached_date},
};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use signet_plugin_api::{Body, Response};

use super::{
    Exchange, Gateway, Policy,
    body::announced_length,
    error_body::render,
    exchange::log_broken,
    grpc,
    policy::joined_via,
    wire::{self, Additions},
};
use crate::settings::HeaderTokens;

/// The text of a 500: the cause is in the log.
pub(super) const UNEXPECTED: &str = "An unexpected error occurred";

/// A request body up to this size is read to its end before the answer, so that the connection can be kept.
const WORTH_DRAINING: u64 = 64 * 1024;

/// What was to be answered cannot be; a plugin that failed is logged already.
struct Unexpected;

/// Writes `response`, after the chain's `on_response` has seen its head.
///
/// # Errors
/// When the client is gone.
pub(super) async fn answer(
    gateway: &Gateway,
    session: &mut Session,
    ex: &mut Exchange,
    response: Response,
) -> Result<()> {
    let (head, body) = match prepare(gateway, session, ex, response).await {
        Ok(prepared) => prepared,
        Err(Unexpected) => {
            let plain = Response::error(StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED);
            let (mut head, body) = build(gateway, session, ex, plain)?;
            stamp_own(&gateway.policy, &mut head, ex)?;
            (head, body)
        }
    };
    settle_request_body(session).await;
    gateway.part(session);
    let no_body = body.is_empty() || session.req_header().method == Method::HEAD;
    if no_body && session.req_header().version == Version::HTTP_2 {
        // Where the head is all, it ends the stream: only there do clients of gRPC look for a status in it.
        return session.write_response_tasks(vec![HttpTask::Header(Box::new(head), true)]).await.map(|_| ());
    }
    session.write_response_header(Box::new(head), no_body).await?;
    if !no_body {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// Adds the gateway's headers to a response of the upstream.
///
/// # Errors
/// When there are too many headers.
pub(super) fn stamp_proxied(policy: &Policy, head: &mut ResponseHeader, ex: &Exchange) -> Result<()> {
    let mut additions = Additions::default();
    proxied(policy.headers.tokens, head, ex, &mut additions);
    if policy.headers.tokens.upstream_status {
        additions.push(&wire::UPSTREAM_STATUS, HeaderValue::from(head.status.as_u16()));
    }
    additions.apply_to_response(head, policy.preserve_header_case)
}

/// Adds the gateway's headers to an answer of its own. Kong shows a request that failed on its way upstream as one that
/// was proxied.
fn stamp_own(policy: &Policy, head: &mut ResponseHeader, ex: &Exchange) -> Result<()> {
    let tokens = policy.headers.tokens;
    let mut additions = Additions::default();
    if tokens.server {
        additions.push(&wire::SERVER, policy.headers.product.clone());
    }
    if ex.was_proxied() {
        proxied(tokens, head, ex, &mut additions);
    } else {
        if tokens.response_latency {
            additions.push(&wire::RESPONSE_LATENCY, milliseconds(ex.total_latency()));
        }
        request_id(tokens, ex, &mut additions);
    }
    additions.apply_to_response(head, policy.preserve_header_case)
}

fn proxied(tokens: HeaderTokens, head: &ResponseHeader, ex: &Exchange, additions: &mut Additions) {
    if tokens.upstream_latency {
        additions.push(&wire::UPSTREAM_LATENCY, milliseconds(ex.upstream_latency()));
    }
    if tokens.proxy_latency {
        additions.push(&wire::PROXY_LATENCY, milliseconds(ex.proxy_latency()));
    }
    if tokens.via {
        additions.push(&wire::VIA, joined_via(head.headers.get(header::VIA), head.version));
    }
    request_id(tokens, ex, additions);
}

fn request_id(tokens: HeaderTokens, ex: &Exchange, additions: &mut Additions) {
    if tokens.request_id {
        additions.push(&wire::REQUEST_ID, ex.cx.request_id().as_header().clone());
    }
}

async fn prepare(
    gateway: &Gateway,
    session: &Session,
    ex: &mut Exchange,
    response: Response,
) -> Result<(ResponseHeader, Bytes), Unexpected> {
    let (mut head, body) = build(gateway, session, ex, response).map_err(|_| Unexpected)?;
    let (entry, cx, progress) = ex.chain_parts();
    if let Some(entry) = entry {
        entry.chain.on_response(&mut head, cx, progress).await.map_err(|broken| {
            log_broken(&broken);
            Unexpected
        })?;
    }
    stamp_own(&gateway.policy, &mut head, ex).map_err(|_| Unexpected)?;
    Ok((head, body))
}

fn build(gateway: &Gateway, session: &Session, ex: &Exchange, response: Response) -> Result<(ResponseHeader, Bytes)> {
    let mut head = match gateway.policy.preserve_header_case {
        true => ResponseHeader::build(response.status, Some(12))?,
        false => ResponseHeader::build_no_case(response.status, Some(12))?,
    };
    let is_call = grpc::is_call(session.req_header());
    let (body, implied_type, message) = match response.body {
        Body::Empty => (Bytes::new(), None, None),
        Body::Bytes(body) => (body, None, None),
        Body::Error(message) if is_call => (Bytes::new(), None, Some(message)),
        Body::Error(message) => {
            let headers = &session.req_header().headers;
            let default = gateway.policy.error_default_type;
            let id = ex.cx.request_id().as_str();
            let (body, content_type) = render(response.status, &message, id, headers, default);
            (body, Some(content_type), None)
        }
    };
    for (name, value) in response.headers {
        head.append_header(name, value)?;
    }
    if let Some(content_type) = implied_type
        && !head.headers.contains_key(header::CONTENT_TYPE)
    {
        head.insert_header(header::CONTENT_TYPE, content_type)?;
    }
    let body = if is_call { grpc::translate(&mut head, body, message.as_deref())? } else { body };
    head.insert_header(header::DATE, get_cached_date())?;
    let has_length = response.status != StatusCode::NO_CONTENT && response.status != StatusCode::NOT_MODIFIED;
    if has_length {
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    }
    Ok((head, if has_length { body } else { Bytes::new() }))
}

/// Reads a short rest of the request body, or gives the connection up: the next request must not begin in the middle.
async fn settle_request_body(session: &mut Session) {
    if session.as_mut().is_body_done() {
        return;
    }
    let waits_for_us = session.req_header().headers.contains_key(header::EXPECT);
    if announced_length(session.req_header()).is_some_and(|length| length <= WORTH_DRAINING) && !waits_for_us {
        session.as_mut().set_total_drain_timeout(Some(std::time::Duration::from_secs(2)));
        if session.as_mut().drain_request_body().await.is_ok() {
            return;
        }
    }
    session.set_keepalive(None);
}

fn milliseconds(value: u128) -> HeaderValue {
    HeaderValue::from(u64::try_from(value).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::testing::{self, gateway, received, routed, session};

    /// What a client gets for `response` on the route of this name.
    async fn exchanged(sent: &str, route: &str, response: Response) -> String {
        let gateway = gateway();
        let (mut session, client) = session(sent).await;
        let mut ex = routed(&gateway, route);
        answer(&gateway, &mut session, &mut ex, response).await.expect("a client that listens");
        received(session, client).await.to_ascii_lowercase()
    }

    fn get(method: &str) -> String {
        format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")
    }

    #[tokio::test]
    async fn an_answer_has_its_own_headers_the_chains_and_the_gateways() {
        let text = exchanged(&get("GET"), "stamped", testing::answer(200, "body")).await;
        assert!(text.starts_with("http/1.1 200 ok\r\n") && text.ends_with("\r\n\r\nbody"), "{text}");
        for header in ["x-own: 1", "x-stamp: 1", "content-length: 4", "server: signet/", "x-kong-response-latency: "] {
            assert!(text.contains(&format!("\r\n{header}")), "{header} in {text}");
        }
        assert!(!text.contains("\r\nvia: "), "{text}");
    }

    #[tokio::test]
    async fn an_answer_to_head_has_the_length_and_no_body() {
        let text = exchanged(&get("HEAD"), "plain", testing::answer(200, "body")).await;
        assert!(text.contains("\r\ncontent-length: 4\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[tokio::test]
    async fn what_cannot_have_a_body_has_no_length_either() {
        for status in [204, 304] {
            let text = exchanged(&get("GET"), "plain", testing::answer(status, "body")).await;
            assert!(!text.contains("content-length") && text.ends_with("\r\n\r\n"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_plugin_that_fails_on_an_answer_leaves_nothing_of_it() {
        let text = exchanged(&get("GET"), "failing", testing::answer(200, "body")).await;
        assert!(text.starts_with("http/1.1 500 ") && text.contains(&UNEXPECTED.to_ascii_lowercase()), "{text}");
        assert!(!text.contains("x-own") && !text.contains("secret cause"), "{text}");
    }

    #[tokio::test]
    async fn a_content_type_of_the_answers_own_beats_the_implied_one() {
        let own = HeaderValue::from_static("application/problem+json");
        let response = Response::error(StatusCode::FORBIDDEN, "no").with_header(header::CONTENT_TYPE, own);
        let text = exchanged(&get("GET"), "plain", response).await;
        assert_eq!(text.matches("content-type: ").count(), 1, "{text}");
        assert!(text.contains("content-type: application/problem+json"), "{text}");
    }

    #[tokio::test]
    async fn a_short_rest_of_the_request_is_read_and_a_long_one_ends_the_connection() {
        let body = |length: usize| {
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length))
        };
        for (sent, closes) in [
            (body(1000), false),
            (body(100_000), true),
            ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n".to_owned(), true),
        ] {
            let text = exchanged(&sent, "plain", testing::answer(200, "body")).await;
            assert_eq!(text.contains("\r\nconnection: close\r\n"), closes, "{text}");
        }
    }

    #[tokio::test]
    async fn what_failed_on_its_way_upstream_looks_like_what_was_proxied() {
        let gateway = gateway();
        let mut ex = routed(&gateway, "plain");
        ex.begin_attempt(None);
        let mut head = ResponseHeader::build(502, None).expect("a head");
        stamp_own(&gateway.policy, &mut head, &ex).expect("stamped");
        for name in ["via", "x-kong-upstream-latency", "x-kong-proxy-latency", "x-kong-request-id", "server"] {
            assert!(head.headers.contains_key(name), "{name}");
        }
        assert!(!head.headers.contains_key("x-kong-response-latency"));
    }
}
