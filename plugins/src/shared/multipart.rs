//! A multipart form, as far as a field can be read from it and cut out of it.

use std::ops::Range;

use signet_plugin_api::Bytes;

/// A parsed body. What is not cut out keeps its bytes.
pub(crate) struct Multipart {
    body: Bytes,
    parts: Vec<Part>,
}

struct Part {
    name: String,
    /// From the part's delimiter to the next one.
    whole: Range<usize>,
    value: Range<usize>,
}

impl Multipart {
    /// Parses a body by the boundary of its Content-Type.
    pub(crate) fn parse(content_type: &str, body: Bytes) -> Option<Self> {
        let delimiter = format!("--{}", parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())?);
        let starts = delimiters(&body, delimiter.as_bytes());
        let parts = starts
            .iter()
            .zip(starts.iter().skip(1))
            .filter_map(|(start, end)| part(&body, *start..*end, delimiter.len()))
            .collect();
        Some(Self { body, parts })
    }

    /// The values of all fields of a name.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().filter(move |part| part.name == name).filter_map(|part| self.body.get(part.value.clone()))
    }

    /// The body without the fields of some names; nothing when there are none.
    pub(crate) fn without(&self, names: &[&str]) -> Option<Bytes> {
        let mut rest = Vec::with_capacity(self.body.len());
        let mut from = 0;
        for part in self.parts.iter().filter(|part| names.contains(&part.name.as_str())) {
            rest.extend_from_slice(self.body.get(from..part.whole.start)?);
            from = part.whole.end;
        }
        if from == 0 {
            return None;
        }
        rest.extend_from_slice(self.body.get(from..)?);
        Some(rest.into())
    }
}

/// Where delimiters stand: each at the beginning of a line.
fn delimiters(body: &[u8], delimiter: &[u8]) -> Vec<usize> {
    let at_line_start = |at: usize| at == 0 || body.get(..at).is_some_and(|before| before.ends_with(b"\r\n"));
    let ends_there = |at: usize| {
        let after = body.get(at + delimiter.len()..).unwrap_or_default();
        after.starts_with(b"\r\n") || after.starts_with(b"--")
    };
    body.windows(delimiter.len())
        .enumerate()
        .filter(|(at, window)| *window == delimiter && at_line_start(*at) && ends_there(*at))
        .map(|(at, _)| at)
        .collect()
}

fn part(body: &[u8], whole: Range<usize>, delimiter: usize) -> Option<Part> {
    let start = whole.start + delimiter + b"\r\n".len();
    let content = body.get(start..whole.end)?;
    let head = content.windows(4).position(|window| window == b"\r\n\r\n")?;
    let value = start + head + 4..whole.end - b"\r\n".len();
    let name = std::str::from_utf8(content.get(..head)?).ok()?.split("\r\n").find_map(field_name)?;
    (value.start <= value.end).then_some(Part { name, whole, value })
}

fn field_name(line: &str) -> Option<String> {
    let (header, value) = line.split_once(':')?;
    header.trim().eq_ignore_ascii_case("content-disposition").then(|| parameter(value, "name"))?
}

/// A parameter of a header value, without its quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        key.trim().eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}
