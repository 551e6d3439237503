//! `/schemas`: what entities and plugins may hold, and whether a plugin's configuration is right.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answer, Call, Node};
use crate::{
    config::raw_config,
    schema::{entity_fields, plugin_fields},
};

/// `/schemas/plugins/{name}`
///
/// # Errors
/// Kong's answer to another name.
pub(super) fn plugin(node: &Node, call: &Call<'_>, name: &str) -> Result<Answer, Answer> {
    call.get()?;
    let none = || Answer::message(StatusCode::NOT_FOUND, format!("No plugin named '{name}'"));
    plugin_fields(&node.registry, name).map(Answer::ok).ok_or_else(none)
}

/// `/schemas/{entity}`, by its plural.
///
/// # Errors
/// Kong's answer to another name.
pub(super) fn entity(node: &Node, call: &Call<'_>, plural: &str) -> Result<Answer, Answer> {
    call.get()?;
    let none = || Answer::message(StatusCode::NOT_FOUND, format!("No entity named '{plural}'"));
    entity_fields(&node.registry, plural).map(Answer::ok).ok_or_else(none)
}

/// `POST /schemas/plugins/validate`
///
/// # Errors
/// Kong's answer to a configuration with mistakes.
pub(super) async fn validate_plugin(node: &Node, call: &mut Call<'_>) -> Result<Answer, Answer> {
    call.post()?;
    let Value::Object(mut plugin) = call.json().await? else {
        return Err(Answer::message(StatusCode::BAD_REQUEST, "Cannot parse JSON body"));
    };
    let mut wrong = Map::new();
    let name = plugin.remove("name").filter(|name| !name.is_null());
    let registration = name.as_ref().and_then(Value::as_str).map(|name| node.registry.get(name));
    match (&name, registration) {
        (None, _) => drop(wrong.insert("name".to_owned(), json!("required field missing"))),
        (Some(_), None) => drop(wrong.insert("name".to_owned(), json!("expected a string"))),
        (Some(name), Some(None)) => {
            let reason = format!(
                "plugin '{}' not enabled; add it to the 'plugins' configuration property",
                name.as_str().unwrap_or_default()
            );
            wrong.insert("name".to_owned(), json!(reason));
        }
        (_, Some(Some(registration))) => {
            let config = plugin.remove("config").filter(|config| !config.is_null()).unwrap_or_else(|| json!({}));
            match raw_config(config).map(|raw| registration.check(raw)) {
                None => drop(wrong.insert("config".to_owned(), json!("expected a record"))),
                Some(Ok(())) => {}
                Some(Err(errors)) => {
                    let fields = errors.into_iter().map(|error| {
                        (if error.field.is_empty() { "@entity".to_owned() } else { error.field }, json!(error.reason))
                    });
                    wrong.insert("config".to_owned(), Value::Object(fields.collect()));
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(Answer::message(StatusCode::OK, "schema validation successful"));
    }
    Err(violation(Value::Object(wrong)))
}

/// Kong's words for fields that are wrong.
fn violation(fields: Value) -> Answer {
    let mut told = Vec::new();
    for (field, reason) in fields.as_object().into_iter().flatten() {
        match reason {
            Value::Object(below) => {
                told.extend(below.iter().map(|(name, reason)| format!("{field}.{name}: {}", plain(reason))));
            }
            reason => told.push(format!("{field}: {}", plain(reason))),
        }
    }
    let message = match told.as_slice() {
        [one] => format!("schema violation ({one})"),
        several => format!("{} schema violations ({})", several.len(), several.join("; ")),
    };
    Answer::kong_error_in(StatusCode::BAD_REQUEST, 2, "schema violation", message, fields)
}

fn plain(reason: &Value) -> String {
    reason.as_str().map_or_else(|| reason.to_string(), str::to_owned)
}
