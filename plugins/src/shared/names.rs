//! Names of headers: in configurations, and those that are as good as another.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use signet_plugin_api::{ConfigError, RequestHeader};

use super::secret::Secret;

/// A header name by Kong's rule, which is narrower than HTTP's.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.bytes().all(allowed) {
        return Err(format!("`{name}` is not a header name; allowed are A-Z, a-z, 0-9, `_` and `-`"));
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| "must not be empty".to_owned())
}

/// The name of a header that a plugin sets.
pub(crate) fn settable_header(name: &str) -> Result<HeaderName, String> {
    match header_name(name)? {
        header::HOST | header::CONNECTION | header::CONTENT_LENGTH | header::TRANSFER_ENCODING => {
            Err(format!("`{name}` is a header of HTTP itself and cannot be set"))
        }
        name => Ok(name),
    }
}

/// `config.headers` of a plugin that sends messages: what goes with each of them. The type of its content is the plugin's.
///
/// # Errors
/// When one cannot be sent, without its value.
pub(crate) fn message_headers(configured: Option<&BTreeMap<String, Secret>>) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for (name, value) in configured.into_iter().flatten() {
        let wrong = |reason: String| ConfigError::new(format!("headers.{name}"), reason);
        let name = settable_header(name).map_err(wrong)?;
        if name == header::CONTENT_TYPE {
            return Err(wrong("is set by the plugin".to_owned()));
        }
        let value = HeaderValue::from_str(value.expose());
        let mut value = value.map_err(|_| wrong("holds what cannot stand in a header".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The host of `HOST[:PORT]`; an IPv6 address keeps its brackets.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// Many backends read `_` in a header's name as `-` (CGI, WSGI, Rack), and would find a client's token beside ours.
pub(crate) fn remove_lookalikes(head: &mut RequestHeader, name: &[u8]) {
    let is_mark = |byte: &u8| matches!(byte, b'-' | b'_');
    let is_alike = |other: &&HeaderName| {
        let other: &[u8] = other.as_ref();
        let alike = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (is_mark(a) && is_mark(b));
        other.len() == name.len() && !other.eq_ignore_ascii_case(name) && other.iter().zip(name).all(alike)
    };
    let alike: Vec<HeaderName> = head.headers.keys().filter(is_alike).cloned().collect();
    for name in alike {
        head.remove_header(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_not_part_of_a_host() {
        for (host, name) in [("a.test", "a.test"), ("a.test:80", "a.test"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn what_a_backend_takes_for_the_name_goes_whichever_way_the_name_is_written() {
        for (name, alike) in [("X-User-Id", "X_User-Id"), ("X_User_Id", "X-User-Id"), ("x-user_id", "X_USER-ID")] {
            let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
            for other in [name, alike, "X-User-Ids", "XxUserxId"] {
                head.append_header(other.to_owned(), "1").expect("a header");
            }
            remove_lookalikes(&mut head, name.as_bytes());
            let left = |name: &str| head.headers.contains_key(name);
            assert!(!left(alike), "{alike}");
            assert!(left(name) && left("X-User-Ids") && left("XxUserxId"), "{name}");
        }
    }
}
