//! The members of a JWK: each of them once, wiped in the end. base64url needs no escapes, which would leave a copy in the parser.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use openssl::bn::BigNum;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::{Algorithm, KeyError, Kid, kind::Kind, private::library};

/// Some tools pad their base64url although RFC 7515 says not to.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Wiped when they are no longer needed.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// Reads one JWK.
    ///
    /// # Errors
    /// When it is none. The messages give a place and no content.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        if !text.trim_start().starts_with('{') {
            return Err(not_an_object(text));
        }
        let members: Self = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        if members.has("keys") {
            return Err(KeyError::new("this is a set of keys; one key (JWK) is needed"));
        }
        Ok(members)
    }

    /// Whether there is such a member that is not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// A member that must be there and be a string.
    pub(crate) fn text(&self, name: &str) -> Result<&str, KeyError> {
        match self.0.get(name) {
            Some(Value::String(text)) => Ok(text),
            None | Some(Value::Null) => Err(KeyError::new(format!("missing `{name}`"))),
            Some(other) => Err(KeyError::new(format!("`{name}` must be a string, not a {}", kind(other)))),
        }
    }

    /// The octets of a member in base64url.
    pub(crate) fn octets(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let text = self.text(name)?;
        // Room for all of them, so that no copy is left behind by growing.
        let mut octets = Zeroizing::new(Vec::with_capacity(text.len() + 3));
        match BASE64URL.decode_vec(text, &mut octets) {
            Ok(()) => Ok(octets),
            Err(_) => Err(KeyError::new(format!("`{name}` is not base64url"))),
        }
    }

    /// A big-endian number, with or without the leading zeros that some tools write. It is wiped when it is dropped.
    pub(crate) fn number(&self, name: &str) -> Result<BigNum, KeyError> {
        let octets = self.octets(name)?;
        let mut number = BigNum::new_secure().map_err(library)?;
        number.copy_from_slice(&octets).map_err(library)?;
        Ok(number)
    }

    /// `alg`, if it is there and the kind signs with it.
    pub(crate) fn algorithm(&self, kind: Kind) -> Result<Option<Algorithm>, KeyError> {
        self.has("alg").then(|| kind.algorithm_named(self.text("alg")?)).transpose()
    }

    /// `kid`, and a remark about one that is a number.
    pub(crate) fn kid(&self, remarks: &mut Vec<String>) -> Result<Option<Kid>, KeyError> {
        match self.0.get("kid") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() || text.contains(char::is_control) => {
                Err(KeyError::new("`kid` must be a text without control characters"))
            }
            Some(Value::String(text)) => Ok(Some(Kid::new(text))),
            Some(Value::Number(number)) => {
                remarks.push("`kid` is a number and is sent as one; RFC 7515 asks for a string".to_owned());
                Ok(Some(Kid::number(number)))
            }
            Some(other) => Err(KeyError::new(format!("`kid` must be a string, not a {}", kind(other)))),
        }
    }

    /// A time, in seconds since 1970.
    pub(crate) fn time(&self, name: &str) -> Result<Option<u64>, KeyError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(KeyError::new(format!("`{name}` must be whole seconds since 1970"))),
            },
        }
    }

    /// Refuses a key whose owner means it for something else (RFC 7517, 4.2 and 4.3). `operation` is `sign` or `verify`.
    pub(crate) fn meant_for(&self, operation: &str) -> Result<(), KeyError> {
        if self.has("use") && self.text("use")? != "sig" {
            return Err(KeyError::new("not for signatures: `use` is not `sig`"));
        }
        match self.0.get("key_ops") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(operations)) if operations.iter().any(|name| name == operation) => Ok(()),
            Some(Value::Array(_)) => Err(KeyError::new(format!("not for signatures: `key_ops` lacks `{operation}`"))),
            Some(other) => Err(KeyError::new(format!("`key_ops` must be a list, not a {}", kind(other)))),
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object (JWK)")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Members(Map::new());
                while let Some(name) = access.next_key::<String>()? {
                    // Which of the two is meant? Readers differ, and so would their keys.
                    if members.0.contains_key(&name) {
                        return Err(Error::custom(format_args!("the member `{name}` is there twice")));
                    }
                    let value = access.next_value()?;
                    members.0.insert(name, value);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn not_an_object(text: &str) -> KeyError {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return not_json(&error);
    }
    let kind = match text.trim_start().as_bytes().first() {
        Some(b'"') => "string",
        Some(b'[') => "list",
        Some(b'n') => "null",
        Some(b't' | b'f') => "boolean",
        _ => "number",
    };
    KeyError::new(format!("a JSON object (JWK) is needed, not a {kind}"))
}

fn not_json(error: &serde_json::Error) -> KeyError {
    if error.is_data() { KeyError::new(error.to_string()) } else { KeyError::new(format!("not JSON: {error}")) }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
