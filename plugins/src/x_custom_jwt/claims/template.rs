//! Values of claims, compiled: JSON text, and between it what is filled in for each request.

use std::fmt;

use serde_json::Value;

use super::{
    expression::{Part, is_template, parts},
    facts::{Facts, Source},
};

/// From here on (2^53) not every whole number is one of a parser's.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of a claim, and whatever stands before it.
#[derive(Debug, Default)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Json(String),
    /// A value of its own type.
    Alone(Source),
    /// A part of a JSON string.
    Within(Source),
}

impl Template {
    /// Compiles a value: `start` is JSON text that stands before it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn compile(start: String, value: &Value) -> Result<Self, String> {
        let mut template = Self { pieces: vec![Piece::Json(start)] };
        template.push_value(value)?;
        Ok(template)
    }

    /// All that it reads.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Json(_) => None,
            Piece::Alone(source) | Piece::Within(source) => Some(source),
        })
    }

    /// Appends it; when something is missing, nothing.
    pub(super) fn write(&self, out: &mut Vec<u8>, facts: &Facts<'_>) -> Result<(), serde_json::Error> {
        let start = out.len();
        for piece in &self.pieces {
            if !piece.write(out, facts)? {
                out.truncate(start);
                break;
            }
        }
        Ok(())
    }

    fn push_value(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::String(text) => self.push_text(text),
            Value::Array(items) => {
                self.push_json("[");
                for (at, item) in items.iter().enumerate() {
                    self.push_json(if at == 0 { "" } else { "," });
                    self.push_value(item)?;
                }
                self.push_json("]");
                Ok(())
            }
            Value::Object(members) => {
                self.push_json("{");
                for (at, (name, member)) in members.iter().enumerate() {
                    if is_template(name) {
                        return Err(format!("`{name}`: a name cannot be a template"));
                    }
                    self.push_json(if at == 0 { "" } else { "," });
                    self.push_json(format_args!("{}:", string(name)));
                    self.push_value(member)?;
                }
                self.push_json("}");
                Ok(())
            }
            Value::Number(number) if number.as_f64().is_some_and(|size| number.is_f64() && size.abs() >= EXACT) => {
                Err(format!("a number as large as {number} may have lost digits; put it in quotes"))
            }
            constant => {
                self.push_json(constant);
                Ok(())
            }
        }
    }

    fn push_text(&mut self, text: &str) -> Result<(), String> {
        let mut parts = parts(text)?;
        if let [Part::Source(_)] = parts.as_slice()
            && let Some(Part::Source(source)) = parts.pop()
        {
            self.pieces.push(Piece::Alone(source));
            return Ok(());
        }
        self.push_json("\"");
        for part in parts {
            match part {
                Part::Text(text) => self.push_json(unquoted(&string(&text))),
                Part::Source(source) if source.is_list() => {
                    return Err(format!("`{source:?}` is a list: it can be a whole value, but no part of a text"));
                }
                Part::Source(source) => self.pieces.push(Piece::Within(source)),
            }
        }
        self.push_json("\"");
        Ok(())
    }

    fn push_json(&mut self, text: impl fmt::Display) {
        match self.pieces.last_mut() {
            Some(Piece::Json(json)) => json.push_str(&text.to_string()),
            _ => self.pieces.push(Piece::Json(text.to_string())),
        }
    }
}

impl Piece {
    /// False when its value is missing.
    fn write(&self, out: &mut Vec<u8>, facts: &Facts<'_>) -> Result<bool, serde_json::Error> {
        match self {
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
            Self::Alone(source) => match source.read(facts) {
                Some(fact) => fact.write_json(out)?,
                None => return Ok(false),
            },
            Self::Within(source) => match source.read(facts) {
                Some(fact) => return fact.write_within(out),
                None => return Ok(false),
            },
        }
        Ok(true)
    }
}

/// A text as a JSON string.
pub(super) fn string(text: &str) -> String {
    Value::from(text).to_string()
}

fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json)
}
