//! Credentials of consumers: each kind is declared by the plugin that checks it, and indexed once per configuration.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{ConfigError, Consumer, RawConfig, decode, schema};

/// An index over all credentials of one kind, made for the look-up that the plugin does on the hot path.
pub trait CredentialStore: Send + Sync + Sized + 'static {
    /// Kong's collection, nested in a consumer or at the top level: `keyauth_credentials`.
    const COLLECTION: &'static str;
    /// The field that is unique in the collection; missing ids are derived from it, as Kong derives them.
    const UNIQUE: &'static str;
    /// Whether it is unique among the credentials of one consumer only, as the groups of `acls` are.
    const UNIQUE_PER_CONSUMER: bool = false;
    /// Kong's fields that are accepted at a default only (see [`decode`]).
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[];
    /// The fields of one credential, without `id`, `consumer`, `tags` and `created_at`; as [`crate::Plugin::Config`].
    type Entry: DeserializeOwned + JsonSchema;

    /// Builds the index.
    ///
    /// # Errors
    /// Each with the position of its record, for example for a key that stands twice.
    fn build(records: Vec<CredentialRecord<Self::Entry>>) -> Result<Self, Vec<(usize, ConfigError)>>;

    /// What is legal but unwise, each with the position of its record; taken once, after [`CredentialStore::build`].
    fn take_warnings(&mut self) -> Vec<(usize, ConfigError)> {
        Vec::new()
    }
}

/// One credential with its owner.
#[derive(Debug)]
pub struct CredentialRecord<E> {
    /// UUID, given or derived.
    pub id: Arc<str>,
    /// Who owns it.
    pub consumer: Arc<Consumer>,
    /// Its own fields.
    pub entry: E,
}

/// A credential before its kind has decoded it.
#[derive(Debug)]
pub struct RawCredential {
    /// UUID, given or derived.
    pub id: Arc<str>,
    /// Who owns it.
    pub consumer: Arc<Consumer>,
    /// The remaining fields.
    pub fields: RawConfig,
}

/// Remarks about credentials, each with the position of its record.
pub type CredentialWarnings = Vec<(usize, ConfigError)>;

type Built = (TypeId, Arc<dyn Any + Send + Sync>, CredentialWarnings);
type BuildErrors = Vec<(usize, ConfigError)>;

/// A kind of credential, as a plugin declares it in [`crate::Plugin::CREDENTIALS`].
#[derive(Clone, Copy)]
pub struct CredentialKind {
    /// See [`CredentialStore::COLLECTION`].
    pub collection: &'static str,
    /// See [`CredentialStore::UNIQUE`].
    pub unique: &'static str,
    /// See [`CredentialStore::UNIQUE_PER_CONSUMER`].
    pub unique_per_consumer: bool,
    /// See [`CredentialStore::AT_DEFAULT`].
    pub at_default: &'static [(&'static str, &'static str)],
    schema: fn() -> serde_json::Value,
    build: fn(Vec<RawCredential>) -> Result<Built, BuildErrors>,
}

impl CredentialKind {
    /// The kind that `S` indexes.
    pub const fn of<S: CredentialStore>() -> Self {
        Self {
            collection: S::COLLECTION,
            unique: S::UNIQUE,
            unique_per_consumer: S::UNIQUE_PER_CONSUMER,
            at_default: S::AT_DEFAULT,
            schema: || schema::of::<S::Entry>(S::AT_DEFAULT, &[]),
            build: build::<S>,
        }
    }

    /// The JSON Schema of one credential's own fields, as [`crate::Registration::schema`].
    pub fn schema(&self) -> serde_json::Value {
        (self.schema)()
    }
}

impl fmt::Debug for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialKind").field("collection", &self.collection).finish_non_exhaustive()
    }
}

/// Credentials that cannot be decoded do not hide what is wrong with the others.
fn build<S: CredentialStore>(raw: Vec<RawCredential>) -> Result<Built, BuildErrors> {
    let mut errors = Vec::new();
    let mut records = Vec::with_capacity(raw.len());
    let mut positions = Vec::with_capacity(raw.len());
    for (position, RawCredential { id, consumer, fields }) in raw.into_iter().enumerate() {
        match decode(fields, S::AT_DEFAULT) {
            Ok(entry) => {
                records.push(CredentialRecord { id, consumer, entry });
                positions.push(position);
            }
            Err(wrong) => errors.extend(wrong.into_iter().map(|error| (position, error))),
        }
    }
    match S::build(records) {
        Ok(mut store) if errors.is_empty() => {
            let warnings = store.take_warnings();
            return Ok((TypeId::of::<S>(), Arc::new(store), warnings));
        }
        Ok(_) => {}
        Err(more) => {
            errors.extend(more.into_iter().map(|(at, error)| (positions.get(at).copied().unwrap_or(at), error)))
        }
    }
    Err(errors)
}

/// The indexes of one configuration, by their type.
#[derive(Default)]
pub struct CredentialStores(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl CredentialStores {
    /// Builds and keeps the index of one kind; gives what is unwise about its credentials.
    ///
    /// # Errors
    /// As [`CredentialStore::build`], and for each credential that cannot be decoded.
    pub fn add(
        &mut self,
        kind: CredentialKind,
        raw: Vec<RawCredential>,
    ) -> Result<CredentialWarnings, Vec<(usize, ConfigError)>> {
        let (id, store, warnings) = (kind.build)(raw)?;
        self.0.insert(id, store);
        Ok(warnings)
    }

    /// The index of type `S`, if its plugin is registered.
    pub fn get<S: CredentialStore>(&self) -> Option<Arc<S>> {
        Arc::clone(self.0.get(&TypeId::of::<S>())?).downcast().ok()
    }
}

impl fmt::Debug for CredentialStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialStores").field("kinds", &self.0.len()).finish()
    }
}
