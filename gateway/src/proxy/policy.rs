//! What the settings say about every request, in the form in which requests read it.

use http::HeaderValue;

use super::Trust;

/// The compiled settings.
#[derive(Debug, Default)]
pub struct Policy {
    /// `trusted_ips`, `real_ip_header`, `real_ip_recursive`.
    pub trust: Trust,
    /// `headers`, `headers_upstream`.
    pub headers: HeaderPolicy,
    /// The bounds on a request.
    pub limits: Limits,
    /// `error_default_type`: the type of nginx-level errors for clients that send no `Accept`.
    pub error_default_type: String,
}

/// The headers that the gateway adds to responses, and to upstream requests.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a token of Kong's setting `headers`")]
#[expect(missing_docs, reason = "named as the tokens of Kong's setting `headers`")]
pub struct HeaderPolicy {
    pub server: bool,
    pub via: bool,
    pub upstream_latency: bool,
    pub proxy_latency: bool,
    pub response_latency: bool,
    pub request_id: bool,
    pub upstream_status: bool,
    /// `headers_upstream`: send the request id upstream.
    pub request_id_upstream: bool,
    /// `Server` of our own answers: `signet/<version>`.
    pub product: HeaderValue,
    /// What we add to `Via`: `1.1 signet/<version>`.
    pub via_value: HeaderValue,
}

/// Bounds on a request, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Request line and headers; past it 400, as in Kong.
    pub header: usize,
    /// The URI; past it 414.
    pub uri: usize,
    /// The body; `None` is unlimited; past it 413.
    pub body: Option<u64>,
}

impl Default for HeaderPolicy {
    fn default() -> Self {
        Self {
            server: true,
            via: true,
            upstream_latency: true,
            proxy_latency: true,
            response_latency: true,
            request_id: true,
            upstream_status: false,
            request_id_upstream: true,
            product: HeaderValue::from_static(concat!("signet/", env!("CARGO_PKG_VERSION"))),
            via_value: HeaderValue::from_static(concat!("1.1 signet/", env!("CARGO_PKG_VERSION"))),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { header: 32 * 1024, uri: 16 * 1024, body: None }
    }
}
