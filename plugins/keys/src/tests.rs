//! Keys of every algorithm, through all their forms.

mod forms;
mod mistakes;

use serde_json::{Map, Value};

use crate::{Algorithm, LoadedKey, PrivateKey, Secrets};

pub(crate) const RS256: &str = include_str!("../../../test-keys/rs256-private-jwk.json");
pub(crate) const RS512: &str = include_str!("../../../test-keys/rs512-private-jwk.json");
pub(crate) const HS256: &str = include_str!("../../../test-keys/hs256-jwk.json");

/// What this crate signs with.
pub(crate) fn algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Es512)
}

pub(crate) fn generated(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::generate(algorithm, 2048).expect("a key")
}

/// A new key as JWK.
pub(crate) fn jwk(algorithm: Algorithm) -> String {
    generated(algorithm).to_jwk(&Default::default()).expect("a JWK").to_string()
}

/// A JWK of a set.
pub(crate) fn loaded(text: &str) -> LoadedKey {
    LoadedKey::from_jwk(text, Secrets::Decoded).expect("a key")
}

pub(crate) fn members(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).expect("an object")
}

pub(crate) fn without(text: &str, names: &[&str]) -> String {
    let mut members = members(text);
    members.retain(|name, _| !names.contains(&name.as_str()));
    Value::Object(members).to_string()
}

pub(crate) fn with(text: &str, name: &str, value: impl Into<Value>) -> String {
    let mut members = members(text);
    members.insert(name.to_owned(), value.into());
    Value::Object(members).to_string()
}
