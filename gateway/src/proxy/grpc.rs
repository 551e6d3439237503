//! Answers of the gateway to gRPC calls: a status in the headers in place of a body, as Kong gives it.

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Version, header::CONTENT_TYPE};
use pingora::Result;
use pingora_http::{RequestHeader, ResponseHeader};

/// `grpc-status`
pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-message`
pub(super) const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The content type of calls and their answers; a suffix may name the format of messages.
pub(super) const TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// More of a message than a client is shown; headers have bounds.
const MESSAGE_LENGTH: usize = 1024;

/// Whether a request says that it is a call, over whatever version of HTTP.
pub(super) fn says_so(head: &RequestHeader) -> bool {
    head.headers.get(CONTENT_TYPE).is_some_and(is_grpc)
}

/// Whether a request is a call whose client understands a status of gRPC.
pub(super) fn is_call(head: &RequestHeader) -> bool {
    head.version == Version::HTTP_2 && says_so(head)
}

/// Turns an answer for a browser or a script into one for a caller. One that speaks gRPC already stays as it is.
///
/// # Errors
/// When there are too many headers.
pub(super) fn translate(head: &mut ResponseHeader, body: Bytes, message: Option<&str>) -> Result<Bytes> {
    if head.headers.contains_key(&STATUS) {
        return Ok(body);
    }
    head.insert_header(STATUS, HeaderValue::from(code(head.status)))?;
    if head.headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
        return Ok(body);
    }
    let text = message.map(str::to_owned).or_else(|| message_of(&body));
    if let Some(value) = text.and_then(|text| HeaderValue::from_str(&encoded(&text)).ok()) {
        head.insert_header(MESSAGE, value)?;
    }
    head.insert_header(CONTENT_TYPE, TYPE)?;
    Ok(Bytes::new())
}

fn is_grpc(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().starts_with(TYPE.as_bytes())
}

/// Kong's table, from statuses of HTTP to codes of gRPC.
fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        499 => 1,
        501 => 12,
        503 => 14,
        504 => 4,
        200..=299 => 0,
        400..=499 => 3,
        500..=599 => 13,
        _ => 2,
    }
}

/// What plugins of Kong's say in JSON.
fn message_of(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get("message")?.as_str().map(str::to_owned)
}

/// As gRPC over HTTP/2 writes a `Status-Message`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes().take(MESSAGE_LENGTH) {
        match byte {
            b'%' => out.push_str("%25"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(status: u16, own_type: Option<&'static str>, body: &'static str) -> (ResponseHeader, Bytes) {
        let mut head = ResponseHeader::build(status, None).expect("a head");
        if let Some(own_type) = own_type {
            head.insert_header(CONTENT_TYPE, own_type).expect("a header");
        }
        let body = translate(&mut head, Bytes::from(body), None).expect("translated");
        (head, body)
    }

    fn value(head: &ResponseHeader, name: HeaderName) -> Option<&str> {
        head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[test]
    fn a_status_of_http_becomes_kongs_code() {
        for (status, code) in [(200, "0"), (401, "16"), (403, "7"), (418, "3"), (429, "8"), (502, "13"), (503, "14")] {
            assert_eq!(value(&translated(status, None, "").0, STATUS), Some(code), "{status}");
        }
    }

    #[test]
    fn the_message_takes_the_place_of_the_body() {
        let (head, body) = translated(401, Some("application/json"), "{\"message\":\"100% né\"}");
        assert_eq!(value(&head, MESSAGE), Some("100%25 n%C3%A9"));
        assert_eq!((value(&head, CONTENT_TYPE), body.len()), (Some("application/grpc"), 0));
        let (head, body) = translated(401, Some("text/html"), "<html>");
        assert_eq!((value(&head, MESSAGE), body.len()), (None, 0));
    }

    #[test]
    fn an_answer_in_grpc_stays_as_it_is() {
        let (head, body) = translated(200, Some("application/grpc+proto"), "\0\0\0\0\0");
        assert_eq!((value(&head, STATUS), body.len()), (Some("0"), 5));
    }

    #[test]
    fn only_a_client_of_http_2_understands_it() {
        let mut head = RequestHeader::build("POST", b"/", None).expect("a head");
        assert!(!says_so(&head));
        head.insert_header(CONTENT_TYPE, "application/grpc+proto").expect("a header");
        assert!(says_so(&head) && !is_call(&head));
        head.set_version(Version::HTTP_2);
        assert!(is_call(&head));
    }
}
