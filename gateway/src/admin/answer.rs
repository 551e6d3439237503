//! What operators are answered, in Kong's forms.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

const JSON: &str = "application/json; charset=utf-8";

/// What a resource that can only be read has.
const READ: &str = "GET, HEAD, OPTIONS";

/// An answer before it has headers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// JSON.
    Json(StatusCode, Value),
    /// Text of another type.
    Text(&'static str, Vec<u8>),
    /// JSON that is text already.
    TextOf(StatusCode, String),
    /// Only a status: 204, 304.
    Empty(StatusCode),
    /// To OPTIONS: the methods of the resource.
    Options(&'static str),
    /// The method is none of these.
    NotAllowed(&'static str),
    /// A credential is missing or wrong.
    Unauthorized,
    /// JSON, and after how many seconds another try may be worth it.
    Later(StatusCode, u64, Value),
    /// JSON, and the end of the connection: what follows on it was not read.
    Last(StatusCode, Value),
}

impl Answer {
    /// 200 with JSON.
    pub(crate) fn ok(body: Value) -> Self {
        Self::Json(StatusCode::OK, body)
    }

    /// 200 with JSON that is text already.
    pub(crate) fn text(body: String) -> Self {
        Self::TextOf(StatusCode::OK, body)
    }

    /// A mistake by Kong's number and name.
    pub(crate) fn kong_error(status: StatusCode, code: u8, name: &str, message: String) -> Self {
        Self::Json(status, json!({"code": code, "name": name, "message": message}))
    }

    /// The same, with the fields that are wrong.
    pub(crate) fn kong_error_in(status: StatusCode, code: u8, name: &str, message: String, fields: Value) -> Self {
        Self::Json(status, json!({"code": code, "name": name, "message": message, "fields": fields}))
    }

    /// Entities are changed by configurations only; `what` is `cannot create 'services' entities`.
    pub(crate) fn needs_database(what: &str) -> Self {
        let message = format!("{what} when not using a database");
        Self::kong_error(StatusCode::METHOD_NOT_ALLOWED, 12, "operation unsupported", message)
    }

    /// `{"message": …}`
    pub(crate) fn message(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Json(status, said(message))
    }

    /// As Kong answers for what does not exist.
    pub(crate) fn not_found() -> Self {
        Self::message(StatusCode::NOT_FOUND, "Not found")
    }

    /// Something broke that is not the caller's fault; what, the log says.
    pub(crate) fn unexpected() -> Self {
        Self::message(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
    }

    /// As [`Answer::message`], and the connection ends.
    pub(crate) fn last(status: StatusCode, message: &str) -> Self {
        Self::Last(status, said(message))
    }

    /// Whether the connection ends with it.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Last(..))
    }

    /// With headers.
    pub(super) fn response(self) -> Response<Vec<u8>> {
        match self {
            Self::Json(StatusCode::METHOD_NOT_ALLOWED, body) => {
                with(json_response(StatusCode::METHOD_NOT_ALLOWED, &body), header::ALLOW, READ)
            }
            Self::Json(status, body) | Self::Last(status, body) => json_response(status, &body),
            Self::Text(content_type, body) => response(StatusCode::OK, content_type, body),
            Self::TextOf(status, body) => response(status, JSON, body.into_bytes()),
            Self::Empty(status) => {
                let mut response = Response::new(Vec::new());
                *response.status_mut() = status;
                response
            }
            Self::Options(methods) => with(Self::Empty(StatusCode::NO_CONTENT).response(), header::ALLOW, methods),
            Self::NotAllowed(methods) => {
                let refused = json_response(StatusCode::METHOD_NOT_ALLOWED, &said("Method not allowed"));
                with(refused, header::ALLOW, methods)
            }
            Self::Unauthorized => {
                let refused = json_response(StatusCode::UNAUTHORIZED, &said("Invalid or missing admin token"));
                with(refused, header::WWW_AUTHENTICATE, "Bearer realm=\"admin\"")
            }
            Self::Later(status, seconds, body) => {
                let mut response = json_response(status, &body);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
        }
    }
}

/// A JSON answer with its length.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response<Vec<u8>> {
    response(status, JSON, format!("{body:#}\n").into_bytes())
}

fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

fn with(mut response: Response<Vec<u8>>, name: header::HeaderName, value: &'static str) -> Response<Vec<u8>> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn said(message: impl Into<String>) -> Value {
    json!({"message": message.into()})
}
