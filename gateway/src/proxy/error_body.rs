//! Kong's error bodies, in the type that the client accepts.

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::ACCEPT};

/// The shapes of an error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Html,
    Plain,
    Xml,
    /// gRPC clients read headers only.
    Empty,
}

/// Renders an error for a client: the body and its Content-Type.
pub(super) fn render(
    status: StatusCode,
    message: &str,
    request_id: &str,
    headers: &HeaderMap,
    default_type: &str,
) -> (Bytes, HeaderValue) {
    let kind = match headers.get(ACCEPT) {
        Some(accept) => negotiate(accept.to_str().unwrap_or("")),
        None if is_server_level(status) => kind_of(default_type).unwrap_or(Kind::Plain),
        None => Kind::Json,
    };
    (kind.body(message, request_id), kind.content_type())
}

/// Kong makes these in nginx, where `error_default_type` counts; all others in Lua, where JSON does.
fn is_server_level(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 405 | 408 | 411 | 413 | 414 | 417 | 502 | 504)
}

/// The type with the highest quality; the first of equals. Types that Kong does not make count as JSON.
fn negotiate(accept: &str) -> Kind {
    let mut best = (Kind::Json, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some(name) = parts.next().filter(|name| name.contains('/')) else { continue };
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality: f64 = quality.and_then(|q| q.parse().ok()).unwrap_or(1.0);
        if quality > best.1 {
            best = (kind_of(name).unwrap_or(Kind::Json), quality);
        }
    }
    best.0
}

fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "application/json" => Kind::Json,
        "text/html" => Kind::Html,
        "text/plain" | "text/*" => Kind::Plain,
        "application/xml" => Kind::Xml,
        "application/grpc" => Kind::Empty,
        _ => return None,
    })
}

impl Kind {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Plain => "text/plain; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
            Self::Empty => "",
        })
    }

    fn body(self, message: &str, request_id: &str) -> Bytes {
        let text = match self {
            Self::Empty => String::new(),
            Self::Json => {
                format!(
                    "{{\n  \"message\":{},\n  \"request_id\":\"{request_id}\"\n}}",
                    serde_json::Value::from(message)
                )
            }
            Self::Plain => format!("{message}\nrequest_id: {request_id}\n"),
            Self::Html => format!(
                "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Error</title>\n  </head>\n  <body>\n    \
                 <h1>Error</h1>\n    <p>{}.</p>\n    <p>request_id: {request_id}</p>\n  </body>\n</html>\n",
                escaped(message)
            ),
            Self::Xml => format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>{}</message>\n  \
                 <requestid>{request_id}</requestid>\n</error>\n",
                escaped(message)
            ),
        };
        text.into()
    }
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '<' | '>' | '&' | '"' | '\'' => drop(write!(out, "&#{};", u32::from(c))),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(status: u16, accept: Option<&'static str>) -> (String, String) {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let (body, content_type) = render(status, "m", "id", &headers, "text/plain");
        (String::from_utf8_lossy(&body).into_owned(), content_type.to_str().expect("text").to_owned())
    }

    #[test]
    fn without_accept_the_status_decides() {
        for status in [401, 403, 404, 503, 500] {
            assert_eq!(body(status, None).1, "application/json; charset=utf-8", "{status}");
        }
        for status in [400, 405, 413, 414, 502, 504] {
            assert_eq!(body(status, None), ("m\nrequest_id: id\n".into(), "text/plain; charset=utf-8".into()));
        }
    }

    #[test]
    fn accept_chooses_by_quality() {
        let kinds = [
            ("text/html", "text/html; charset=utf-8"),
            ("text/*", "text/plain; charset=utf-8"),
            ("application/xml;q=0.5, text/html;q=0.9", "text/html; charset=utf-8"),
            ("image/png", "application/json; charset=utf-8"),
            ("*/*", "application/json; charset=utf-8"),
            ("", "application/json; charset=utf-8"),
        ];
        for (accept, expected) in kinds {
            assert_eq!(body(502, Some(accept)).1, expected, "{accept}");
        }
    }

    #[test]
    fn grpc_clients_get_no_body() {
        assert_eq!(body(404, Some("application/grpc")).0, "");
    }

    #[test]
    fn a_message_cannot_break_out_of_its_body() {
        assert_eq!(Kind::Json.body("a\"b", "id"), "{\n  \"message\":\"a\\\"b\",\n  \"request_id\":\"id\"\n}");
        assert!(Kind::Html.body("<script>", "id").windows(8).all(|window| window != b"<script>"));
    }
}
