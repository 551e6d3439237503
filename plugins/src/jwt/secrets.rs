//! The credentials of `jwt`: the keys with which consumers sign.

use std::sync::Arc;

use hashbrown::HashMap;
use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use signet_keys::Algorithm;
use signet_plugin_api::{
    Claims, ConfigError, Consumer, CredentialRecord, CredentialStore, CredentialWarnings, Identity, Proof,
};

use crate::shared::{encoding::either_base64, secret::Secret, verification::VerificationKey};

/// One of `jwt_secrets`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// What tokens say in the claim `key_claim_name`.
    key: String,
    /// The shared secret of `HS256`, `HS384` and `HS512`.
    secret: Option<Secret>,
    /// The public key of the other algorithms, of whichever kind, as PEM.
    rsa_public_key: Option<String>,
    /// The algorithm that tokens are signed with; no other is accepted.
    #[serde(default = "hs256")]
    algorithm: Algorithm,
}

fn hs256() -> Algorithm {
    Algorithm::Hs256
}

/// Every credential by its `key`, which is a name and no secret.
pub(crate) struct Secrets {
    credentials: HashMap<Box<str>, Credential>,
    not_base64: usize,
    warnings: CredentialWarnings,
}

/// A consumer's key, bound to one algorithm.
pub(super) struct Credential {
    algorithm: Algorithm,
    key: Arc<VerificationKey>,
    /// The same where the secret is base64 of the key.
    decoded: Option<Arc<VerificationKey>>,
    id: Arc<str>,
    consumer: Arc<Consumer>,
    identifier: HeaderValue,
}

impl Secrets {
    /// The credential of this name.
    pub(super) fn find(&self, key: &str) -> Option<&Credential> {
        self.credentials.get(key)
    }

    /// How many secrets are useless where `secret_is_base64` is set.
    pub(super) fn not_base64(&self) -> usize {
        self.not_base64
    }
}

impl Credential {
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key; none if the secret should be base64 and is not.
    pub(super) fn key(&self, secret_is_base64: bool) -> Option<&Arc<VerificationKey>> {
        if secret_is_base64 && self.algorithm.is_symmetric() { self.decoded.as_ref() } else { Some(&self.key) }
    }

    /// Who signed these claims.
    pub(super) fn identity(&self, claims: Claims) -> Identity {
        let proof = Proof::Token { claims: Arc::new(claims) };
        Identity {
            identifier: Some(self.identifier.clone()),
            credential_id: Some(Arc::clone(&self.id)),
            ..Identity::new(super::NAME, Some(Arc::clone(&self.consumer)), proof)
        }
    }
}

impl CredentialStore for Secrets {
    const COLLECTION: &'static str = "jwt_secrets";
    const UNIQUE: &'static str = "key";
    type Entry = Entry;

    fn build(records: Vec<CredentialRecord<Entry>>) -> Result<Self, Vec<(usize, ConfigError)>> {
        let mut store =
            Self { credentials: HashMap::with_capacity(records.len()), not_base64: 0, warnings: Vec::new() };
        let mut errors = Vec::new();
        for (position, record) in records.into_iter().enumerate() {
            store.warnings.extend(remarks(&record.entry).into_iter().map(|remark| (position, remark)));
            let name = record.entry.key.as_str().into();
            match credential(record) {
                Ok(credential) => {
                    store.not_base64 += usize::from(credential.key(true).is_none());
                    if store.credentials.insert(name, credential).is_some() {
                        errors.push((position, ConfigError::new("key", "an earlier credential has the same key")));
                    }
                }
                Err(error) => errors.push((position, error)),
            }
        }
        if errors.is_empty() { Ok(store) } else { Err(errors) }
    }

    fn take_warnings(&mut self) -> CredentialWarnings {
        std::mem::take(&mut self.warnings)
    }
}

fn credential(record: CredentialRecord<Entry>) -> Result<Credential, ConfigError> {
    let CredentialRecord { id, consumer, entry } = record;
    if entry.key.is_empty() {
        return Err(ConfigError::new("key", "must not be empty"));
    }
    let identifier = HeaderValue::from_bytes(entry.key.as_bytes())
        .map_err(|_| ConfigError::new("key", "control characters cannot be sent upstream in a header"))?;
    let (key, decoded) = keys(&entry)?;
    Ok(Credential {
        algorithm: entry.algorithm,
        key: Arc::new(key),
        decoded: decoded.map(Arc::new),
        id,
        consumer,
        identifier,
    })
}

/// The key, and what it is if its secret is base64.
fn keys(entry: &Entry) -> Result<(VerificationKey, Option<VerificationKey>), ConfigError> {
    let name = entry.algorithm.as_str();
    if !entry.algorithm.is_symmetric() {
        let missing = || ConfigError::new("rsa_public_key", format!("missing; {name} verifies with a public key"));
        let pem = entry.rsa_public_key.as_deref().ok_or_else(missing)?;
        let key = VerificationKey::from_pem(entry.algorithm, pem);
        return Ok((key.map_err(|error| ConfigError::new("rsa_public_key", error.to_string()))?, None));
    }
    let missing = || ConfigError::new("secret", format!("missing; {name} verifies with a shared secret"));
    let secret = entry.secret.as_ref().ok_or_else(missing)?.expose();
    let key = VerificationKey::from_secret(entry.algorithm, secret.as_bytes())
        .map_err(|error| ConfigError::new("secret", error.to_string()))?;
    let decoded =
        either_base64(secret.as_bytes()).and_then(|octets| VerificationKey::from_secret(entry.algorithm, &octets).ok());
    Ok((key, decoded))
}

fn remarks(entry: &Entry) -> Vec<ConfigError> {
    let octets = match entry.algorithm {
        Algorithm::Hs256 => 32,
        Algorithm::Hs384 => 48,
        Algorithm::Hs512 => 64,
        _ => return Vec::new(),
    };
    let mut remarks = Vec::new();
    if entry.secret.as_ref().is_some_and(|secret| secret.expose().len() < octets) {
        let reason = format!("has fewer than the {octets} characters that RFC 7518 asks for; it can be guessed");
        remarks.push(ConfigError::new("secret", reason));
    }
    if entry.rsa_public_key.is_some() {
        let reason = format!("is not used: {} verifies with `secret`", entry.algorithm.as_str());
        remarks.push(ConfigError::new("rsa_public_key", reason));
    }
    remarks
}
