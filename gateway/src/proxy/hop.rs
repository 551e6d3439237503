//! Headers that are for one hop only, because `Connection` names them (RFC 9110, 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora_http::{RequestHeader, ResponseHeader};

/// What frames the message or names its target is not for a sender to remove; the rest is Pingora's to handle.
const KEPT: [&str; 8] =
    ["close", "keep-alive", "upgrade", "te", "connection", "host", "content-length", "transfer-encoding"];

/// Of the responses' headers for one hop, those that Pingora leaves.
const ALWAYS_HOP: [&str; 2] = ["keep-alive", "proxy-connection"];

/// Removes them from a request, before any plugin runs: a client cannot name a header that a plugin will set, because
/// `Connection` no longer names anything afterwards.
pub(super) fn strip_request(head: &mut RequestHeader) {
    let Some(named) = named(&head.headers) else { return };
    let upgrades = options(&head.headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    head.remove_header(&header::CONNECTION);
    for name in named {
        head.remove_header(&name);
    }
    if upgrades {
        // One static header does not fail.
        let _ = head.insert_header(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
}

/// Whether a request has any header that Pingora's standard policy removes or rewrites. Most have none, and are spared the
/// dozen look-ups that finding out by name costs.
pub(crate) fn needs_policy(head: &RequestHeader) -> bool {
    head.headers.keys().any(|name| {
        matches!(
            *name,
            header::CONNECTION
                | header::PROXY_AUTHENTICATE
                | header::PROXY_AUTHORIZATION
                | header::TE
                | header::TRAILER
                | header::TRANSFER_ENCODING
                | header::UPGRADE
        ) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
    })
}

/// Removes them from a response, with those that are for one hop by definition and that Pingora passes on.
pub(super) fn strip_response(head: &mut ResponseHeader) {
    if head.status == StatusCode::NO_CONTENT {
        // It has no body, and a client that believes these waits for one (RFC 9112, 6.3).
        head.remove_header(&header::TRANSFER_ENCODING);
        head.remove_header(&header::CONTENT_LENGTH);
    }
    let is_hop = |name: &HeaderName| *name == header::CONNECTION || ALWAYS_HOP.contains(&name.as_str());
    if !head.headers.keys().any(is_hop) {
        return;
    }
    for name in named(&head.headers).unwrap_or_default() {
        head.remove_header(&name);
    }
    for name in ALWAYS_HOP {
        head.remove_header(name);
    }
}

/// `None` in the usual case: nothing is named.
fn named(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    if !headers.contains_key(header::CONNECTION) {
        return None;
    }
    let is_named = |option: &&str| !KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(option));
    let named: Vec<_> = options(headers).filter(is_named).filter_map(|name| name.parse().ok()).collect();
    if named.is_empty() { None } else { Some(named) }
}

fn options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|option| !option.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(connection: &'static str) -> RequestHeader {
        let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
        for (name, value) in
            [("Connection", connection), ("X-Custom-Jwt", "forged"), ("Host", "a"), ("Content-Length", "0")]
        {
            head.append_header(name, value).expect("a header");
        }
        head
    }

    #[test]
    fn a_named_header_goes_and_connection_names_nothing_afterwards() {
        let mut head = request("keep-alive, x-custom-jwt");
        strip_request(&mut head);
        assert!(!head.headers.contains_key("x-custom-jwt") && !head.headers.contains_key("connection"));
    }

    #[test]
    fn what_frames_the_message_stays() {
        let mut head = request("Host, Content-Length, Upgrade, x-custom-jwt");
        strip_request(&mut head);
        assert!(head.headers.contains_key("host") && head.headers.contains_key("content-length"));
        assert_eq!(head.headers.get("connection").map(HeaderValue::as_bytes), Some(&b"Upgrade"[..]));
    }

    #[test]
    fn the_usual_values_name_nothing() {
        for connection in ["close", "Keep-Alive", "", "Upgrade", "TE, close"] {
            assert_eq!(named(&request(connection).headers), None, "{connection}");
        }
    }

    #[test]
    fn only_requests_without_any_such_header_are_spared_the_policy() {
        let plain = RequestHeader::build("GET", b"/", None).expect("a head");
        assert!(!needs_policy(&plain));
        for name in ["Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer"] {
            let mut head = plain.clone();
            head.append_header(name, "x").expect("a header");
            assert!(needs_policy(&head), "{name}");
        }
        for name in ["Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Proxy-Authenticate"] {
            let mut head = plain.clone();
            head.append_header(name, "x").expect("a header");
            assert!(needs_policy(&head), "{name}");
        }
    }

    #[test]
    fn a_response_loses_them_too() {
        let mut head = ResponseHeader::build(200, None).expect("a head");
        head.append_header("Connection", "X-Secret").expect("a header");
        head.append_header("X-Secret", "1").expect("a header");
        head.append_header("Keep-Alive", "timeout=5").expect("a header");
        strip_response(&mut head);
        assert!(!head.headers.contains_key("x-secret") && !head.headers.contains_key("keep-alive"));
    }
}
