//! From the text of a declarative file to the [`Model`]: Kong's format, with every mistake told by path and line.

mod aliases;
mod at;
mod bundled;
mod certificate;
mod checks;
mod consumer;
mod credential;
mod draft;
mod fields;
mod group;
mod ids;
mod index;
mod key;
mod mistake;
mod model;
mod path;
mod places;
mod plugin;
mod protocol;
mod read;
mod route;
mod service;
mod text;
mod trace;
mod vault;
mod vaults;

use std::{
    borrow::Cow,
    cell::Cell,
    fmt,
    path::{Path, PathBuf},
};

use signet_plugin_api::{RawConfig, Registry};

pub use at::At;
pub use mistake::{LoadErrors, Mistake};
pub use model::{
    CaCertificateDecl, CertificateDecl, ConsumerDecl, ConsumerGroupDecl, CredentialDecl, KeyDecl, KeyMaterial,
    KeySetDecl, Model, Pem, PluginDecl, RouteDecl, Secret, ServiceDecl, SniDecl, Stamp, VaultDecl,
};
pub use places::Places;
pub use text::{Content, Text};
pub use vault::Env;

pub(crate) use draft::CREDENTIALS;
pub(crate) use fields::unknown;
pub(crate) use trace::{Found, How, Trace, names};

use draft::Draft;
use fields::Context;
use mistake::Notes;
use vault::Vaults;

/// What a file may use: the plugins that are registered, and the credentials that they declare.
#[derive(Debug, Clone, Default)]
pub struct Known {
    plugins: Vec<Cow<'static, str>>,
    credentials: Vec<Collection>,
}

/// A collection of credentials.
#[derive(Debug, Clone, Copy)]
struct Collection {
    name: &'static str,
    /// The unique field.
    unique: &'static str,
    /// Whether it is unique among the credentials of one consumer only.
    per_consumer: bool,
}

impl Known {
    /// Everything in a registry.
    pub fn of(registry: &Registry) -> Self {
        let mut known = Self::default();
        for registration in registry.iter() {
            known.plugins.push(Cow::Borrowed(registration.name));
            for kind in registration.credentials {
                if known.collection(kind.collection).is_none() {
                    let (name, unique, per_consumer) = (kind.collection, kind.unique, kind.unique_per_consumer);
                    known.credentials.push(Collection { name, unique, per_consumer });
                }
            }
        }
        known
    }

    fn collection(&self, name: &str) -> Option<&Collection> {
        self.credentials.iter().find(|known| known.name == name)
    }
}

/// A file that was read without a mistake.
pub struct Loaded {
    /// What it declares.
    pub model: Model,
    /// Legal, but unwise or without effect.
    pub warnings: Vec<Mistake>,
    /// Its lines, for what is found wrong later.
    pub places: Places,
    /// Where it came from.
    pub source: PathBuf,
    /// What the paths in it are relative to.
    pub base: PathBuf,
    /// SHA-256 of the text, in hexadecimal.
    pub hash: String,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("source", &self.source).field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// Reads a file. One whose name ends in `.json` is JSON, any other is YAML.
///
/// # Errors
/// Every mistake of the file.
pub fn load(path: &Path, known: &Known, env: &Env<'_>) -> Result<Loaded, LoadErrors> {
    parse(&Text::read(path)?, known, env)
}

/// Reads a text that came from `source`, which says by its name whether it is JSON.
///
/// # Errors
/// Every mistake of the text.
pub fn from_text(text: String, source: &Path, known: &Known, env: &Env<'_>) -> Result<Loaded, LoadErrors> {
    parse(&Text::of(text, source), known, env)
}

/// Reads a text.
///
/// # Errors
/// Every mistake of it.
pub fn parse(text: &Text, known: &Known, env: &Env<'_>) -> Result<Loaded, LoadErrors> {
    traced(text, known, Vaults::new(env), None)
}

/// The same as [`load`]; what became of each field is kept in `trace`.
///
/// # Errors
/// Every mistake of the file.
pub(crate) fn load_traced(path: &Path, known: &Known, env: &Env<'_>, trace: &Trace) -> Result<Loaded, LoadErrors> {
    traced(&Text::read(path)?, known, Vaults::new(env), Some(trace))
}

/// Reads a text for whoever looks at it: references stay as they are written, and what is wrong is left out.
pub(crate) fn as_written(text: &Text, known: &Known) -> Model {
    match traced(text, known, Vaults::new(&|_| None).keeping(), None) {
        Ok(loaded) => loaded.model,
        Err(errors) => errors.partial.map(|partial| partial.model).unwrap_or_default(),
    }
}

/// The values of a text, as JSON; None when it is none.
pub(crate) fn plain_values(text: &str, json: bool) -> Option<serde_json::Value> {
    let values = read::values(text, json, &Places::new(text.into())).ok()?;
    serde_json::to_value(values).ok()
}

/// A configuration of a plugin out of JSON.
pub(crate) fn raw_config(config: serde_json::Value) -> Option<RawConfig> {
    match serde_yaml::to_value(config).ok()? {
        serde_yaml::Value::Mapping(members) => Some(RawConfig::strict(members)),
        _ => None,
    }
}

fn traced(text: &Text, known: &Known, vaults: Vaults<'_>, trace: Option<&Trace>) -> Result<Loaded, LoadErrors> {
    let Text { content, source, base, json } = text;
    let (text, json) = (content, *json);
    let places = Places::new(text.clone());
    let root = read::declarative(text, json, &places).map_err(|mistakes| LoadErrors {
        mistakes,
        warnings: Vec::new(),
        partial: None,
    })?;
    let (notes, old_paths) = (Notes::default(), Cell::new(false));
    let context = Context { known, vaults, notes, old_paths, yaml: !json, trace };
    let model = Draft::read(&context, root);
    let (mistakes, warnings) = context.notes.render(&places);
    let loaded = Loaded { model, warnings, places, source: source.clone(), base: base.clone(), hash: text.hash() };
    if mistakes.is_empty() {
        return Ok(loaded);
    }
    Err(LoadErrors { mistakes, warnings: loaded.warnings.clone(), partial: Some(Box::new(loaded)) })
}

/// The values of any YAML file, with their lines: for the settings of the process.
pub(crate) fn yaml(path: &Path) -> Result<(serde_yaml::Value, Places), Vec<Mistake>> {
    let text = Text::read(path).map_err(|mistake| vec![mistake])?.content;
    let places = Places::new(text.clone());
    let value = read::values(&text, false, &places)?;
    Ok((value, places))
}

/// What a reference to a vault (`{vault://env/NAME}`) stands for; None when `text` is none.
///
/// # Errors
/// When nothing is there. The reason holds no secret.
pub(crate) fn reference(text: &str, env: &Env<'_>) -> Result<Option<String>, String> {
    Vaults::new(env).resolve(text)
}

/// A variable of this process; one that is not UTF-8 counts as not set.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests;
