//! The name under which verifiers find a key.

use std::{fmt, sync::Arc};

use serde_json::Value;

/// A `kid` (RFC 7515, 4.1.4), as text and as it stands in JSON: a string, or the number that some files have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid {
    text: Arc<str>,
    json: Arc<str>,
}

impl Kid {
    /// A string.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), json: Value::from(text).to_string().into() }
    }

    /// A number, which is sent as one.
    pub(crate) fn number(number: &serde_json::Number) -> Self {
        let text: Arc<str> = number.to_string().into();
        Self { json: Arc::clone(&text), text }
    }

    /// As JSON text, with the quotes of a string.
    pub fn json(&self) -> &Arc<str> {
        &self.json
    }

    /// As people and metrics see it.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
