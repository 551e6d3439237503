//! `POST /config`: another configuration, in all the forms that Kong takes.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Answer, Call, Node, call::is_yes, flattened::flattened};
use crate::reload::{LastLoad, Posted, Refused};

/// The longest text.
const LONGEST: usize = 64 * 1024 * 1024;

/// How many may be read and loaded at a time: each takes memory.
pub(super) const AT_ONCE: usize = 2;

/// A text, and how it is to be loaded.
struct Wanted {
    text: Zeroizing<String>,
    json: bool,
    check_hash: bool,
    flatten_errors: bool,
}

/// Loads what is posted.
///
/// # Errors
/// Also the answer to what cannot be loaded.
pub(super) async fn post(node: &Arc<Node>, call: &mut Call<'_>) -> Result<Answer, Answer> {
    // Kong gives the file back to GET, with all its secrets.
    call.post()?;
    let Ok(_turn) = node.turns.posting.try_acquire() else {
        let message = json!({"message": "Currently loading previous configuration"});
        return Err(Answer::Later(StatusCode::TOO_MANY_REQUESTS, 1, message));
    };
    let Wanted { text, json, check_hash, flatten_errors } = wanted(call).await?;
    let reloader = Arc::clone(&node.reloader);
    let kept = flatten_errors.then(|| text.clone());
    let posted = Posted { text: text.into(), json, check_hash };
    let loaded = tokio::task::spawn_blocking(move || reloader.post(posted)).await;
    match loaded.map_err(|_| Answer::unexpected())? {
        Ok(loaded) if !loaded.changed => Ok(Answer::Empty(StatusCode::NOT_MODIFIED)),
        Ok(_) => {
            let inventory = node.inventory().await.ok_or_else(Answer::unexpected)?;
            Ok(Answer::TextOf(StatusCode::CREATED, inventory.to_json()))
        }
        Err(Refused::Wrong(load)) => {
            Err(Answer::Json(StatusCode::BAD_REQUEST, refused(&load, kept.as_ref().map(|text| (text.as_str(), json)))))
        }
        Err(Refused::Ending) => Err(Answer::last(StatusCode::SERVICE_UNAVAILABLE, "The gateway is about to end")),
    }
}

/// The text out of a raw body, of a form's or of a JSON object's member `config`.
async fn wanted(call: &mut Call<'_>) -> Result<Wanted, Answer> {
    let check_hash = call.argument("check_hash") == Some("1");
    let flatten_errors = call.wants("flatten_errors");
    let media = call.media_type();
    let body = text_of(call.body(LONGEST).await?)?;
    let mut wanted = Wanted { text: body, json: false, check_hash, flatten_errors };
    match media.as_deref() {
        Some("application/json") => unwrap_json(&mut wanted)?,
        Some("multipart/form-data") => unwrap_parts(&mut wanted),
        Some("application/x-www-form-urlencoded") => unwrap_form(&mut wanted),
        None
        | Some("application/yaml" | "text/yaml" | "application/x-yaml" | "text/plain" | "application/octet-stream") => {
        }
        Some(_) => return Err(Answer::Empty(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
    }
    wanted.json |= serde_json::from_str::<serde::de::IgnoredAny>(&wanted.text).is_ok();
    match wanted.text.trim().is_empty() {
        true => Err(Answer::message(StatusCode::BAD_REQUEST, "expected a declarative configuration")),
        false => Ok(wanted),
    }
}

fn text_of(mut body: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Answer> {
    match String::from_utf8(std::mem::take(&mut *body)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(Answer::message(StatusCode::BAD_REQUEST, "the configuration is not UTF-8 text"))
        }
    }
}

/// A JSON body is the configuration, or an object with it as a text.
fn unwrap_json(wanted: &mut Wanted) -> Result<(), Answer> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        config: Option<String>,
        #[serde(default)]
        check_hash: Value,
        #[serde(default)]
        flatten_errors: Value,
        #[serde(rename = "_format_version")]
        version: Option<serde::de::IgnoredAny>,
    }
    let cannot = || Answer::message(StatusCode::BAD_REQUEST, "Cannot parse JSON body");
    if serde_json::from_str::<serde::de::IgnoredAny>(&wanted.text).is_err() {
        return Err(cannot());
    }
    wanted.json = true;
    // A configuration has members of these names, too, if it is wrong: they are then told.
    let Ok(envelope) = serde_json::from_str::<Envelope>(&wanted.text) else { return Ok(()) };
    let Some(config) = envelope.config.filter(|_| envelope.version.is_none()) else { return Ok(()) };
    let yes = |value: &Value| value == &json!(1) || value == &json!("1");
    wanted.check_hash |= yes(&envelope.check_hash);
    wanted.flatten_errors |= envelope.flatten_errors == json!(true)
        || yes(&envelope.flatten_errors)
        || envelope.flatten_errors.as_str().is_some_and(is_yes);
    wanted.text = Zeroizing::new(config);
    wanted.json = false;
    Ok(())
}

/// curl says of any body that it is a form. One is, if it has the field.
fn unwrap_form(wanted: &mut Wanted) {
    if !wanted.text.contains("config=") {
        return;
    }
    let mut found = None;
    for (name, value) in form_urlencoded::parse(wanted.text.as_bytes()) {
        match &*name {
            "config" => found = Some(Zeroizing::new(value.into_owned())),
            "check_hash" => wanted.check_hash |= value == "1",
            "flatten_errors" => wanted.flatten_errors |= is_yes(&value),
            _ => {}
        }
    }
    // A text that is no form has no field that begins it.
    if let Some(config) = found {
        wanted.text = config;
    }
}

/// The parts of a form that curl -F sends (RFC 7578): the text is that of the part `config`.
fn unwrap_parts(wanted: &mut Wanted) {
    let text = std::mem::take(&mut wanted.text);
    let Some(boundary) = text.lines().next().map(str::trim_end).filter(|line| line.starts_with("--")) else { return };
    for part in text.split(boundary).skip(1) {
        let Some((head, value)) = part.split_once("\r\n\r\n") else { continue };
        let value = value.strip_suffix("\r\n").unwrap_or(value);
        let is_named = |name: &str| head.contains(&format!(" name=\"{name}\""));
        if is_named("config") {
            wanted.text = Zeroizing::new(value.to_owned());
        } else if is_named("check_hash") {
            wanted.check_hash |= value == "1";
        } else if is_named("flatten_errors") {
            wanted.flatten_errors |= is_yes(value);
        }
    }
}

/// Kong's answer to a configuration with mistakes, and every mistake with its line besides.
fn refused(load: &LastLoad, flatten: Option<(&str, bool)>) -> Value {
    let mistakes: Vec<Value> =
        load.mistakes.iter().map(|told| json!({"line": told.line, "path": told.path, "reason": told.reason})).collect();
    let shown: Vec<String> = load.mistakes.iter().map(|told| sentence(&told.path, &told.reason)).collect();
    let mut answer = Map::new();
    answer.insert("code".to_owned(), json!(14));
    answer.insert("name".to_owned(), json!("invalid declarative configuration"));
    answer.insert("message".to_owned(), json!(format!("declarative config is invalid: {}", shown.join("; "))));
    match flatten {
        None => answer.insert("fields".to_owned(), fields(load)),
        Some((text, json)) => {
            let (flat, rest) = flattened(&load.mistakes, text, json);
            answer.insert("flattened_errors".to_owned(), flat);
            answer.insert("fields".to_owned(), rest)
        }
    };
    answer.insert("mistakes".to_owned(), Value::Array(mistakes));
    Value::Object(answer)
}

/// A mistake in one line; that of the text as a whole has no path.
fn sentence(path: &str, reason: &str) -> String {
    if path.is_empty() { reason.to_owned() } else { format!("{path}: {reason}") }
}

/// Reasons by place. Kong nests them as the file does; here the path is the key.
fn fields(load: &LastLoad) -> Value {
    let pairs = load.mistakes.iter().map(|told| {
        let key = if told.path.is_empty() { "@entity" } else { told.path.as_str() };
        (key.to_owned(), json!(told.reason))
    });
    Value::Object(pairs.collect())
}
