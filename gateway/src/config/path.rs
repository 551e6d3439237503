//! Route paths of files that are older than version 3.

use crate::path::{escaped, is_reserved, normalise};

/// A path of a file of version 1.1 or 2.1: what looks like a regular expression gets its `~`.
pub(super) fn migrate(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%".contains(&byte);
    if path.bytes().all(plain) { normalise(path).into_owned() } else { format!("~{}", decode_regex(path)) }
}

/// Files before version 3 matched the undecoded path; a decoded character must not become an operator.
fn decode_regex(regex: &str) -> String {
    let mut decoded = Vec::with_capacity(regex.len());
    let mut rest = regex.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let Some((byte, after)) = escape(rest) else {
            decoded.push(first);
            rest = after;
            continue;
        };
        if is_reserved(byte) {
            decoded.extend(format!("%{byte:02X}").into_bytes());
        } else {
            if b".^-{}\\|".contains(&byte) {
                decoded.push(b'\\');
            }
            decoded.push(byte);
        }
        rest = after;
    }
    String::from_utf8(decoded).unwrap_or_else(|_| regex.to_owned())
}

/// The byte that a `%41` at the beginning stands for, and what follows it.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let digits = text.strip_prefix(b"%")?;
    Some((escaped(digits)?, digits.get(2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_of_old_files_get_their_mark() {
        assert_eq!(migrate("/plain/%7Ex"), "/plain/~x");
        assert_eq!(migrate("/user/\\d+"), "~/user/\\d+");
        assert_eq!(migrate("/a%2eb%2f(c|d)"), "~/a\\.b%2F(c|d)");
    }
}
