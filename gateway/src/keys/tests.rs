//! Key sets: what is read, what is wrong, and what changes.

mod folder;
mod followed;
mod opened;

use std::path::Path;

use serde_json::Value;
use signet_keys::{Algorithm, Kid, Labels, PrivateKey};
use signet_plugin_api::Registry;

use self::folder::Folder;
use super::Purpose;
use crate::{
    compile::Engine,
    config::{self, Known, LoadErrors},
    moment::now,
    prepare::{Prepared, settle},
};

/// A key of ES256 that signs from then on, as a JWK.
fn key(kid: &str, not_before: Option<u64>) -> String {
    let labels = Labels { kid: Some(Kid::new(kid)), not_before, ..Labels::default() };
    PrivateKey::generate(Algorithm::Es256, 2048).unwrap().to_jwk(&labels).unwrap().to_string()
}

/// Loads a text as the file `kong.yml` of this folder; `_format_version` is its first line.
fn load(folder: &Path, text: &str, engine: &Engine<'_>) -> Result<Prepared, LoadErrors> {
    let text = format!("_format_version: '3.0'\n{text}");
    settle(config::from_text(text, &folder.join("kong.yml"), &Known::of(engine.registry), &|_| None), engine)
}

fn mistakes(folder: &Path, text: &str, engine: &Engine<'_>) -> Vec<String> {
    let errors = load(folder, text, engine).expect_err("a mistake");
    errors.mistakes.iter().map(ToString::to_string).collect()
}

fn engine(registry: &Registry, key_sets: Purpose) -> Engine<'_> {
    Engine { key_sets, ..Engine::at_rest(registry).expect("a resolver") }
}

/// The `kid`s that verifiers find, in order.
fn published(prepared: &Prepared) -> Vec<String> {
    let public = prepared.snapshot.key_sets[0].set().keys().public.clone();
    let set: Value = serde_json::from_slice(&public).expect("a JWK set");
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The `kid` of the key that signs.
fn active(prepared: &Prepared) -> Option<String> {
    let key = prepared.snapshot.key_sets[0].set().active()?;
    serde_json::from_str(key.kid.as_deref()?).ok()
}
