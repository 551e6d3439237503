//! One spelling for all paths that mean the same, of routes and of requests, made before anything is compared.

use std::borrow::Cow;

/// Decodes what can be decoded without a change of meaning, resolves dot segments and joins repeated slashes, as Kong
/// does. Escapes of reserved characters stay, in upper case; so do bytes that are not UTF-8 (for which Kong answers 404).
/// A path that does not begin with a slash is left alone.
pub(crate) fn normalise(path: &str) -> Cow<'_, str> {
    if is_normal(path) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(without_dot_segments(&decoded(path)))
}

fn is_normal(path: &str) -> bool {
    let bytes = path.as_bytes();
    let Some((b'/', _)) = bytes.split_first() else { return true };
    let mut after_slash = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'/' if after_slash => return false,
            b'.' if after_slash && bytes.get(at..).is_some_and(begins_with_dot_segment) => return false,
            b'%' if bytes.get(at + 1..).is_some_and(changes) => return false,
            _ => {}
        }
        after_slash = *byte == b'/';
    }
    true
}

fn begins_with_dot_segment(rest: &[u8]) -> bool {
    matches!(rest, [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}

/// Whether the escape with these digits would be written otherwise.
fn changes(digits: &[u8]) -> bool {
    escaped(digits).is_some_and(|byte| !is_reserved(byte) || digits.iter().take(2).any(u8::is_ascii_lowercase))
}

/// The byte that two hexadecimal digits stand for.
pub(crate) fn escaped(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// Characters that mean something else when they are not escaped.
pub(crate) fn is_reserved(byte: u8) -> bool {
    b"!*'();:@&=+$,/?%#[]".contains(&byte)
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match escaped(tail).filter(|_| *first == b'%') {
            None => bytes.push(*first),
            Some(byte) => {
                rest = tail.get(2..).unwrap_or_default();
                if is_reserved(byte) { push_escape(&mut bytes, byte) } else { bytes.push(byte) }
            }
        }
    }
    into_utf8(bytes)
}

fn push_escape(bytes: &mut Vec<u8>, byte: u8) {
    bytes.extend_from_slice(percent_encoding::percent_encode_byte(byte).as_bytes());
}

fn into_utf8(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| percent_encoding::percent_encode_byte(*byte)));
    }
    text
}

fn without_dot_segments(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut ends_in_slash = false;
    for segment in path.split('/').skip(1) {
        ends_in_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => normal.truncate(normal.rfind('/').unwrap_or(0)),
            segment => {
                normal.push('/');
                normal.push_str(segment);
            }
        }
    }
    if ends_in_slash {
        normal.push('/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_path_is_borrowed() {
        for path in ["/", "/a", "/a/b/", "/a.b/.c/..d/...", "/%2F%25", "/a%zz%4", "/é x", "*", "", "."] {
            assert!(matches!(normalise(path), Cow::Borrowed(same) if same == path), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_the_same_get_one_spelling() {
        for (sent, normal) in [
            ("//", "/"),
            ("/a//b///c", "/a/b/c"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/../b", "/b"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a//../b", "/b"),
            ("/%70lain/x", "/plain/x"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%20b", "/a b"),
            ("/%C3%A9", "/é"),
            ("/%FF/%C3%A9", "/%FF/é"),
            ("/%c3/x", "/%C3/x"),
            ("/%252e%252e/a%61", "/%252e%252e/aa"),
            ("/%00", "/\0"),
        ] {
            assert_eq!(normalise(sent), normal, "{sent}");
        }
    }

    #[test]
    fn normalising_twice_changes_nothing_more() {
        for sent in ["/a//..%2f%2e/.%2E/%41%C3", "/%2525/..//.", "/%c3%28/%e2%82", "/a/%2e"] {
            let once = normalise(sent);
            assert_eq!(normalise(&once), once, "{sent}");
        }
    }
}
