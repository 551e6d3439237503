//! Route paths in Kong's normal form, and the regular expressions of files that are older than version 3.

use super::checks::is_hex_pair;

/// Characters with a meaning in a URI: their percent-encoding is kept.
const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";

/// Percent-encodings of other characters decoded, `//` and dot segments gone.
pub(super) fn normalise(path: &str) -> String {
    let bytes = percent_decode(path, |byte| !RESERVED.contains(&byte));
    // Bytes that are not UTF-8 cannot stand in a file: such a path is matched as it is written.
    let decoded = String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned());
    if !decoded.contains("//") && !decoded.contains("/.") {
        return decoded;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = decoded.split('/').skip(1).peekable();
    let mut directory = false;
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        directory = last && matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let end = if directory && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

/// A path of a file of version 1.1 or 2.1: what looks like a regular expression gets its `~`.
pub(super) fn migrate(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%".contains(&byte);
    if path.bytes().all(plain) { normalise(path) } else { format!("~{}", decode_regex(path)) }
}

/// Decodes the percent-encodings that `wanted` accepts; the others are written in capitals.
pub(super) fn percent_decode(text: &str, wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match escape(rest) {
            Some((byte, after)) => {
                match wanted(byte) {
                    true => decoded.push(byte),
                    false => decoded.extend(format!("%{byte:02X}").into_bytes()),
                }
                rest = after;
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
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
        if RESERVED.contains(&byte) {
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
    let (digits, after) = text.strip_prefix(b"%")?.split_at_checked(2)?;
    if !is_hex_pair(digits) {
        return None;
    }
    let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((byte, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_into_the_normal_form() {
        for (path, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/../a", "/a"),
            ("/%61%2fb", "/a%2Fb"),
            ("/%2e%2e/a", "/a"),
            ("/caf%c3%a9", "/café"),
            ("/a.b/.c", "/a.b/.c"),
            ("/%ff", "/%ff"),
        ] {
            assert_eq!(normalise(path), normal, "{path}");
        }
    }

    #[test]
    fn regular_expressions_of_old_files_get_their_mark() {
        assert_eq!(migrate("/plain/%7Ex"), "/plain/~x");
        assert_eq!(migrate("/user/\\d+"), "~/user/\\d+");
        assert_eq!(migrate("/a%2eb%2f(c|d)"), "~/a\\.b%2F(c|d)");
    }
}
