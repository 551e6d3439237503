//! The path for the upstream: that of the service and that of the request, joined.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Match;

/// What cannot stand in the path of a request. `%` can: what is escaped in a normalised path has to stay so.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The path that the upstream gets, escaped. Both values of Kong's `path_handling` come to this.
pub fn upstream_path<'m>(service_path: Option<&str>, found: &'m Match<'_>, strip_path: bool) -> Cow<'m, str> {
    let base = service_path.filter(|path| !path.is_empty()).unwrap_or("/");
    let path = found.path();
    if path == "/" {
        return escape(Cow::Owned(base.to_owned()));
    }
    let trunk = base.strip_suffix('/').unwrap_or(base);
    let tail = if strip_path { without_dots(found.rest()) } else { path };
    escape(match tail {
        "" if path.ends_with('/') || trunk.is_empty() => Cow::Owned(format!("{trunk}/")),
        "" => Cow::Owned(trunk.to_owned()),
        tail if tail.starts_with('/') && trunk.is_empty() => Cow::Borrowed(tail),
        tail => Cow::Owned(format!("{trunk}/{}", tail.strip_prefix('/').unwrap_or(tail))),
    })
}

/// Escapes what cannot stand in the path of a request.
pub(super) fn escape(path: Cow<'_, str>) -> Cow<'_, str> {
    match path {
        Cow::Borrowed(text) => utf8_percent_encode(text, UNSAFE).into(),
        Cow::Owned(text) => match Cow::from(utf8_percent_encode(&text, UNSAFE)) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(escaped) => Cow::Owned(escaped),
        },
    }
}

/// A prefix that ends within a segment can leave dots at the beginning of the rest, which would then be a segment of
/// their own: `/a..` is not under `/a`, and must not become `..` there.
fn without_dots(rest: &str) -> &str {
    match rest {
        "." | ".." => "",
        rest => rest.strip_prefix("../").or_else(|| rest.strip_prefix("./")).unwrap_or(rest),
    }
}
