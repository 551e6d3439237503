//! The only place that answers a client in the upstream's stead, and the headers that every response gets.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::{Result, protocols::http::date::get_cached_date};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use signet_plugin_api::{Body, Response};

use super::{
    Exchange, Gateway, Policy,
    error_body::render,
    exchange::log_broken,
    failure::{UNEXPECTED, Unexpected},
    policy::joined_via,
    wire::{self, Additions},
};
use crate::settings::HeaderTokens;

/// A request body up to this size is read to its end before the answer, so that the connection can be kept.
const WORTH_DRAINING: u64 = 64 * 1024;

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
    let no_body = body.is_empty() || session.req_header().method == Method::HEAD;
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
    let body = match response.body {
        Body::Empty => Bytes::new(),
        Body::Bytes(body) => body,
        Body::Error(message) => {
            let headers = &session.req_header().headers;
            let default = gateway.policy.error_default_type;
            let id = ex.cx.request_id().as_str();
            let (body, content_type) = render(response.status, &message, id, headers, default);
            head.insert_header(header::CONTENT_TYPE, content_type)?;
            body
        }
    };
    for (name, value) in response.headers {
        head.append_header(name, value)?;
    }
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
    let headers = &session.req_header().headers;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let waits_for_us = headers.contains_key(header::EXPECT);
    if length.is_some_and(|length| length <= WORTH_DRAINING) && !waits_for_us {
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
