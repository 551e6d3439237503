//! Names of headers: in configurations, and those that are as good as another.

use http::{HeaderName, header};
use signet_plugin_api::RequestHeader;

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

/// Many backends read `_` in a header's name as `-` (CGI, WSGI, Rack), and would find a client's token beside ours.
pub(crate) fn remove_lookalikes(head: &mut RequestHeader, name: &[u8]) {
    let is_alike = |other: &&HeaderName| {
        let other: &[u8] = other.as_ref();
        let alike = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (*a == b'_' && *b == b'-');
        other.len() == name.len() && other.contains(&b'_') && other.iter().zip(name).all(alike)
    };
    let alike: Vec<HeaderName> = head.headers.keys().filter(is_alike).cloned().collect();
    for name in alike {
        head.remove_header(&name);
    }
}
