//! `If-None-Match` (RFC 9110, 13.1.2). The `headers` crate reads it too, but would bring a second SHA-1 and media types along.

use http::HeaderValue;

/// Whether the client has the document of this entity tag: by a list of tags, weak or strong, or by `*`.
pub(super) fn holds<'a>(fields: impl IntoIterator<Item = &'a HeaderValue>, etag: &HeaderValue) -> bool {
    let has = |field: &HeaderValue| field.as_bytes().trim_ascii() == b"*" || lists(field.as_bytes(), etag.as_bytes());
    fields.into_iter().any(has)
}

/// A tag may contain commas, so that only its quotes tell where it ends. What follows something malformed does not count.
fn lists(mut rest: &[u8], etag: &[u8]) -> bool {
    while let Some((opaque, after)) = next_tag(rest) {
        if opaque == etag {
            return true;
        }
        rest = after;
    }
    false
}

/// The next tag of a list with its quotes, and what comes after it. A weak one is as good (weak comparison).
fn next_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let begin = list.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
    let tag = list.get(begin..)?;
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = tag.strip_prefix(b"\"")?;
    let length = inner.iter().position(|byte| *byte == b'"')?;
    tag.split_at_checked(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(fields: &[&'static str]) -> bool {
        let fields: Vec<_> = fields.iter().map(|field| HeaderValue::from_static(field)).collect();
        holds(&fields, &HeaderValue::from_static("\"a,1\""))
    }

    #[test]
    fn a_list_that_names_the_tag_holds_it() {
        for fields in [
            &["\"a,1\""][..],
            &["W/\"a,1\""],
            &["*"],
            &[" * "],
            &["\"b\", \"a,1\""],
            &["W/\"b\",W/\"a,1\""],
            &[" ,, \"b\" ,\t\"a,1\" ,"],
            &["\"b\"", "\"a,1\""],
            &["\"\", \"a,1\""],
        ] {
            assert!(has(fields), "{fields:?}");
        }
    }

    #[test]
    fn nothing_else_does() {
        for fields in [
            &[][..],
            &[""],
            &["\"a\""],
            &["\"1\""],
            &["a,1"],
            &["\"b\", a, \"a,1\""],
            &["\"a,1"],
            &["w/\"a,1\""],
            &["\"x\", *"],
            &["\"A,1\""],
            &["\"b,\"a,1\""],
        ] {
            assert!(!has(fields), "{fields:?}");
        }
    }
}
