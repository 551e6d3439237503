//! The texts of templates: `${a.name}`, and `$${` for `${` itself.

use http::{HeaderName, header};

use super::facts::{KNOWN, Source};
use crate::shared::names::header_name;

/// A piece of a text.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Source(Source),
}

/// Begins an expression.
const OPEN: &str = "${";

/// What takes a name of the reader's choice.
const CLAIM: &str = "claims";
const HEADER: &str = "request.header";
const QUERY: &str = "request.query";

/// Headers that hold secrets of the client.
const SECRET: [HeaderName; 3] = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// Headers with which the gateway itself tells the upstream who calls; a client's own are removed from the request later.
const IDENTITY: [&str; 3] = ["x-credential-", "x-anonymous-consumer", "x-authenticated-groups"];
const CONSUMER: &str = "x-consumer-";

/// Takes a text apart.
///
/// # Errors
/// What is wrong with an expression in it, in words.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        if let Some(before) = before.strip_suffix('$') {
            plain.push_str(before);
            plain.push_str(OPEN);
            rest = after;
            continue;
        }
        plain.push_str(before);
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        let (source, after) = expression(after)?;
        parts.push(Part::Source(source));
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// Whether a text would be taken for a template.
pub(super) fn is_template(text: &str) -> bool {
    text.contains(OPEN)
}

/// Reads an expression behind its `${`; with it comes the text behind its `}`.
fn expression(text: &str) -> Result<(Source, &str), String> {
    let (first, mut rest) = bare_name(text)?;
    let mut steps = vec![first];
    loop {
        let mut behind = rest.chars();
        let (step, after) = match behind.next() {
            Some('}') => return Ok((source(&steps)?, behind.as_str())),
            Some('.') => bare_name(behind.as_str())?,
            Some('[') => quoted_name(behind.as_str())?,
            Some(other) => {
                return Err(format!(
                    "`{other}` cannot stand behind `{}` in a `${{…}}`; a name with other characters stands in brackets: \
                     `claims[\"a b\"]`",
                    steps.join(".")
                ));
            }
            None => return Err("a `${` is not closed by a `}`; `$${` is one that stands for itself".to_owned()),
        };
        steps.push(step);
        rest = after;
    }
}

fn bare_name(text: &str) -> Result<(String, &str), String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '.' | '[' | ']' | '{' | '}' | '"' | '\'' | '$' | ',');
    let (name, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    match name.is_empty() {
        true => Err("a name is missing in a `${…}`, which needs the form `${consumer.id}`".to_owned()),
        false => Ok((name.to_owned(), rest)),
    }
}

/// A JSON string and its bracket.
fn quoted_name(text: &str) -> Result<(String, &str), String> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let name = strings.next().and_then(Result::ok);
    let rest = text.get(strings.byte_offset()..).unwrap_or_default().strip_prefix(']');
    match (name, rest) {
        (Some(name), Some(rest)) if !name.is_empty() => Ok((name, rest)),
        _ => Err("a bracket in a `${…}` needs a name in quotes: `${claims[\"a.b\"]}`".to_owned()),
    }
}

fn source(steps: &[String]) -> Result<Source, String> {
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    match steps.as_slice() {
        [CLAIM, path @ ..] if !path.is_empty() => Ok(Source::Claim(path.iter().map(|name| (*name).into()).collect())),
        ["request", "header", name] => header(name).map(Source::Header),
        ["request", "query", name] => Ok(Source::Query((*name).into())),
        _ => {
            let wanted = steps.join(".");
            KNOWN.iter().find(|known| known.name == wanted).map(Source::Known).ok_or_else(|| unknown(&wanted))
        }
    }
}

fn header(name: &str) -> Result<HeaderName, String> {
    let header = header_name(name)?;
    // Many backends take `_` for `-`.
    let read = header.as_str().replace('_', "-");
    if SECRET.contains(&header) {
        return Err(format!("the header `{name}` holds a secret of the client, which has no place in a token"));
    }
    if read.starts_with(CONSUMER) || IDENTITY.iter().any(|identity| read.starts_with(identity)) {
        let reason = "is the gateway's, and what a client sends by that name is a forgery; `consumer.…`, `credential.id` \
                      and `identity.groups` are what was verified";
        return Err(format!("the header `{name}` {reason}"));
    }
    Ok(header)
}

fn unknown(wanted: &str) -> String {
    let with_name = |head| (head, format!("{head}.NAME"));
    let plain = KNOWN.iter().map(|known| (known.name, known.name.to_owned()));
    let candidates: Vec<_> = plain.chain([CLAIM, HEADER, QUERY].map(with_name)).collect();
    let lower = wanted.to_lowercase();
    let before_last = lower.rsplit_once('.').map_or(&*lower, |(before, _)| before);
    let distance = |(head, shown): &(&str, String)| {
        // A name of the reader's choice says nothing, if there is one.
        let compared = if head == shown { &lower } else { before_last };
        strsim::damerau_levenshtein(compared, head).min(strsim::damerau_levenshtein(&lower, head))
    };
    let nearest = candidates.iter().min_by_key(|candidate| distance(candidate));
    match nearest.filter(|candidate| distance(candidate) <= candidate.0.len() / 3 + 1) {
        Some((_, shown)) => format!("unknown `${{{wanted}}}`; did you mean `${{{shown}}}`?"),
        None => {
            let all: Vec<&str> = candidates.iter().map(|(_, shown)| shown.as_str()).collect();
            format!("unknown `${{{wanted}}}`; known are {}", all.join(", "))
        }
    }
}
