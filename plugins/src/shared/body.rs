//! A request body in which a credential may stand: a form, a JSON object or a multipart form.

use std::borrow::Cow;

use form_urlencoded::parse;
use http::header::CONTENT_TYPE;
use signet_plugin_api::{Bytes, Claims, Request};

use super::multipart::Multipart;

/// As much of a body as is read; Kong gives up at its buffer of 8 KiB.
const MAX: usize = 64 * 1024;

/// What a request has under one name in one place.
pub(crate) enum Presented<'a> {
    /// Nothing.
    Absent,
    /// One value.
    Once(Cow<'a, [u8]>),
    /// Several: which one counts is anybody's guess.
    Twice,
}

impl<'a> Presented<'a> {
    /// Counts the values.
    pub(crate) fn of(mut values: impl Iterator<Item = Cow<'a, [u8]>>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Once(value),
            (Some(_), Some(_)) => Self::Twice,
        }
    }
}

/// The fields of a body.
pub(crate) enum Fields {
    /// No body, or one that is too long or of another type: no credential can stand in it.
    None,
    /// Of a form, as it came.
    Form(Bytes),
    /// A JSON object. `Claims` keeps the text of each value, so that the other members go on as they came.
    Json(Claims),
    /// A form of parts.
    Multipart(Multipart),
}

impl Fields {
    /// Reads the body of a request, if its type is one of the three.
    pub(crate) async fn of(request: &mut Request<'_>) -> Self {
        let Some(content_type) = request.header(&CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
            return Self::None;
        };
        let content_type = content_type.to_owned();
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !["application/x-www-form-urlencoded", "application/json", "multipart/form-data"].contains(&kind.as_str()) {
            return Self::None;
        }
        let Ok(body) = request.body(MAX).await else { return Self::None };
        match kind.as_str() {
            "application/json" => Claims::parse(&body).map_or(Self::None, Self::Json),
            "multipart/form-data" => Multipart::parse(&content_type, body).map_or(Self::None, Self::Multipart),
            _ => Self::Form(body),
        }
    }

    /// What stands under a name.
    pub(crate) fn get(&self, name: &str) -> Presented<'_> {
        match self {
            Self::None => Presented::Absent,
            Self::Form(body) => {
                Presented::of(parse(body).filter(|(key, _)| key == name).map(|(_, value)| match value {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                }))
            }
            Self::Json(object) => json_value(object.get(name).map(|value| value.get())),
            Self::Multipart(parts) => Presented::of(parts.values(name).map(Cow::Borrowed)),
        }
    }

    /// The body without some names; nothing when none of them stands there.
    pub(crate) fn without(&self, names: &[&str]) -> Option<Bytes> {
        match self {
            Self::None => None,
            Self::Form(body) => {
                let is_named = |pair: &&[u8]| parse(pair).next().is_some_and(|(key, _)| names.contains(&&*key));
                let rest: Vec<&[u8]> = body.split(|byte| *byte == b'&').filter(|pair| !is_named(pair)).collect();
                let rest = rest.join(&b'&');
                (rest.len() != body.len()).then(|| rest.into())
            }
            Self::Json(object) => {
                names.iter().any(|name| object.get(name).is_some()).then(|| json_without(object, names))
            }
            Self::Multipart(parts) => parts.without(names),
        }
    }
}

/// As in Kong only a string is a key; a list or an object counts as several, anything else as none.
fn json_value(value: Option<&str>) -> Presented<'static> {
    let Some(text) = value else { return Presented::Absent };
    match text.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(key) => Presented::Once(Cow::Owned(key.into_bytes())),
            Err(_) => Presented::Absent,
        },
        Some(b'[' | b'{') => Presented::Twice,
        _ => Presented::Absent,
    }
}

fn json_without(object: &Claims, names: &[&str]) -> Bytes {
    let members: Vec<String> = object
        .iter()
        .filter(|(key, _)| !names.contains(key))
        .map(|(key, value)| format!("{}:{}", serde_json::Value::from(key), value.get()))
        .collect();
    format!("{{{}}}", members.join(",")).into()
}
