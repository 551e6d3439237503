//! An answer that a plugin gives in the upstream's place.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// What happens after `on_request`.
#[must_use]
#[derive(Debug)]
pub enum Flow {
    /// The next plugin, then the upstream.
    Continue,
    /// This answer; no later plugin sees the request, but all see the response.
    Respond(Response),
}

/// Status, headers and body of an answer. The engine adds its own headers and runs the chain's `on_response` over it.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// Headers without Content-Length. A Content-Type here beats the one that the body implies.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug, Clone)]
pub enum Body {
    /// None.
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// Kong's error body around a message: JSON, HTML, XML or plain text as the client's `Accept` asks, with the request id.
    Error(Cow<'static, str>),
}

impl Response {
    /// An answer without headers and body.
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// An error in Kong's shape, negotiated by `Accept`.
    pub fn error(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Error(message.into()) }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Bytes(body.into());
        self
    }
}
