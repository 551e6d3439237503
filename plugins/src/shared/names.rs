//! Names of headers in configurations.

use http::HeaderName;

/// A header name by Kong's rule, which is narrower than HTTP's.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.bytes().all(allowed) {
        return Err(format!("`{name}` is not a header name; allowed are A-Z, a-z, 0-9, `_` and `-`"));
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| "must not be empty".to_owned())
}
