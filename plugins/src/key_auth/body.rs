//! A request body in which a key may stand: a form, a JSON object or a multipart form.

use std::borrow::Cow;

use form_urlencoded::parse;
use http::header::CONTENT_TYPE;
use signet_plugin_api::{Bytes, Claims, Request};

use super::{Presented, multipart::Multipart};

/// As much of a body as is read; Kong gives up at its buffer of 8 KiB.
const MAX: usize = 64 * 1024;

/// The fields of a body.
pub(super) enum Fields {
    /// No body, or one that is too long or of another type: no key can stand in it.
    None,
    Form(Bytes),
    /// A JSON object. `Claims` keeps the text of each value, so that the other members go on as they came.
    Json(Claims),
    Multipart(Multipart),
}

impl Fields {
    /// Reads the body of a request, if its type is one of the three.
    pub(super) async fn of(request: &mut Request<'_>) -> Self {
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
    pub(super) fn get(&self, name: &str) -> Presented<'_> {
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

    /// The body without a name; nothing when it does not stand there.
    pub(super) fn without(&self, name: &str) -> Option<Bytes> {
        match self {
            Self::None => None,
            Self::Form(body) => {
                let is_named = |pair: &&[u8]| parse(pair).next().is_some_and(|(key, _)| key == name);
                let rest: Vec<&[u8]> = body.split(|byte| *byte == b'&').filter(|pair| !is_named(pair)).collect();
                let rest = rest.join(&b'&');
                (rest.len() != body.len()).then(|| rest.into())
            }
            Self::Json(object) => object.get(name).map(|_| json_without(object, name)),
            Self::Multipart(parts) => parts.without(name),
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

fn json_without(object: &Claims, name: &str) -> Bytes {
    let members: Vec<String> = object
        .iter()
        .filter(|(key, _)| *key != name)
        .map(|(key, value)| format!("{}:{}", serde_json::Value::from(key), value.get()))
        .collect();
    format!("{{{}}}", members.join(",")).into()
}
