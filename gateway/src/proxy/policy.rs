//! What the settings say about every request, in the form in which requests read it.

use std::time::Duration;

use http::{HeaderValue, Version};

use super::Trust;
use crate::settings::{HeaderTokens, Settings};

/// The compiled settings.
#[derive(Debug)]
pub(crate) struct Policy {
    /// `trusted_ips`, `real_ip_header`, `real_ip_recursive`.
    pub trust: Trust,
    /// `headers`, `headers_upstream`.
    pub headers: HeaderPolicy,
    /// The bounds on a request.
    pub limits: Limits,
    /// `preserve_header_case`: names reach the other side as they were written.
    pub(crate) preserve_header_case: bool,
    /// `error_default_type`: the type of nginx-level errors for clients that send no `Accept`.
    pub error_default_type: &'static str,
}

/// The headers that the gateway adds.
#[derive(Debug, Clone)]
pub(crate) struct HeaderPolicy {
    /// To responses.
    pub tokens: HeaderTokens,
    /// Whether the request id goes upstream.
    pub request_id_upstream: bool,
    /// `Server` of our own answers: `signet/<version>`.
    pub product: HeaderValue,
}

/// Bounds on a request, in bytes and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Request line and headers; past it 400, as in Kong.
    pub header: usize,
    /// The URI; past it 414.
    pub uri: usize,
    /// The body; `None` is unlimited; past it 413.
    pub body: Option<u64>,
    /// How long a client may pause within the body; past it 408.
    pub body_pause: Option<Duration>,
}

/// What we add to `Via`: the version of the message that was received, and the product.
pub(super) fn via(received: Version) -> HeaderValue {
    HeaderValue::from_static(match received {
        Version::HTTP_10 => concat!("1.0 signet/", env!("CARGO_PKG_VERSION")),
        Version::HTTP_2 => concat!("2 signet/", env!("CARGO_PKG_VERSION")),
        _ => concat!("1.1 signet/", env!("CARGO_PKG_VERSION")),
    })
}

/// `Via` with our hop added to those before it (RFC 9110, 7.6.3).
pub(super) fn joined_via(earlier: Option<&HeaderValue>, received: Version) -> HeaderValue {
    let ours = via(received);
    let Some(earlier) = earlier else { return ours };
    HeaderValue::from_bytes(&[earlier.as_bytes(), b", ", ours.as_bytes()].concat()).unwrap_or(ours)
}

impl Policy {
    /// What the settings say.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            trust: Trust {
                networks: settings.trusted_ips.clone(),
                header: settings.real_ip_header.clone(),
                recursive: settings.real_ip_recursive,
            },
            headers: HeaderPolicy {
                tokens: settings.headers,
                request_id_upstream: settings.request_id_upstream,
                product: HeaderValue::from_static(concat!("signet/", env!("CARGO_PKG_VERSION"))),
            },
            limits: Limits {
                header: settings.client_max_header_size,
                uri: settings.client_max_uri_size,
                body: settings.client_max_body_size,
                body_pause: settings.client_body_timeout,
            },
            preserve_header_case: settings.preserve_header_case,
            error_default_type: settings.error_default_type,
        }
    }
}
