//! The configuration of `key-auth` and of its credentials.

use std::sync::Arc;

use hashbrown::HashMap;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::{ConfigError, Consumer, CredentialRecord, CredentialStore, Identity, Proof};
use subtle::ConstantTimeEq;

use crate::shared::{
    clock,
    names::header_name,
    secret::{Secret, array, fingerprint},
};

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The names of headers, parameters and fields in which a key is looked for.
    #[schemars(length(min = 1))]
    key_names: Vec<String>,
    /// Whether a key may stand in a header.
    pub(super) key_in_header: bool,
    /// Whether a key may stand in the query.
    pub(super) key_in_query: bool,
    /// Whether a key may stand in the body (a form, or JSON).
    pub(super) key_in_body: bool,
    /// Whether the credential is taken out of the request before it goes upstream.
    pub(super) hide_credentials: bool,
    /// The consumer, by id or user name, that a request without a credential is taken for. Without one it is refused.
    pub(super) anonymous: Option<String>,
    /// Whether requests with the method OPTIONS need a credential, too.
    pub(super) run_on_preflight: bool,
    /// The realm in `WWW-Authenticate`; none by default.
    pub(super) realm: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            key_names: vec!["apikey".to_owned()],
            key_in_header: true,
            key_in_query: true,
            key_in_body: false,
            hide_credentials: false,
            anonymous: None,
            run_on_preflight: true,
            realm: None,
        }
    }
}

/// A name under which a key may be sent.
pub(super) struct KeyName {
    /// As a parameter of the query or a field of the body.
    pub(super) field: String,
    /// As a header: `api_key` is looked for as `api-key` too, as in Kong.
    pub(super) headers: Vec<HeaderName>,
}

impl Config {
    /// The names, ready for the look-up.
    pub(super) fn names(&self) -> Result<Vec<KeyName>, ConfigError> {
        if self.key_names.is_empty() {
            return Err(ConfigError::new("key_names", "without a name no key can be sent"));
        }
        self.key_names.iter().enumerate().map(|(at, name)| key_name(at, name)).collect()
    }
}

fn key_name(at: usize, name: &str) -> Result<KeyName, ConfigError> {
    let parse = |name: &str| header_name(name).map_err(|reason| ConfigError::new(format!("key_names[{at}]"), reason));
    let mut headers = vec![parse(name)?];
    if name.contains('_') {
        headers.push(parse(&name.replace('_', "-"))?);
    }
    Ok(KeyName { field: name.to_owned(), headers })
}

/// One of `keyauth_credentials`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The key itself.
    key: Secret,
    /// When it expires, in seconds since 1970.
    ttl: Option<u64>,
}

/// Every key as its SHA-256: found by the first half, compared in constant time by the second. How long the search takes
/// says nothing about the keys, and none of them stays in memory.
pub(crate) struct Keys(HashMap<Half, ApiKey>);

/// Half of a SHA-256.
type Half = [u8; 16];

/// One accepted key.
pub(super) struct ApiKey {
    /// What it proves.
    pub(super) identity: Identity,
    second_half: Half,
    /// Seconds since 1970.
    expires: Option<u64>,
}

impl Keys {
    /// The key, if it is one of ours and has not expired.
    pub(super) fn find(&self, key: &[u8]) -> Option<&ApiKey> {
        let (first_half, second_half) = halves(key);
        let known = self.0.get(&first_half)?;
        let equal: bool = known.second_half.ct_eq(&second_half).into();
        (equal && !known.is_expired()).then_some(known)
    }
}

fn halves(key: &[u8]) -> (Half, Half) {
    let digest = fingerprint(key);
    (array(&digest), array(digest.get(16..).unwrap_or_default()))
}

impl ApiKey {
    fn is_expired(&self) -> bool {
        self.expires.is_some_and(|expires| clock::now() >= expires)
    }
}

impl CredentialStore for Keys {
    const COLLECTION: &'static str = "keyauth_credentials";
    const UNIQUE: &'static str = "key";
    type Entry = Entry;

    fn build(records: Vec<CredentialRecord<Entry>>) -> Result<Self, Vec<(usize, ConfigError)>> {
        let mut keys = HashMap::with_capacity(records.len());
        let mut errors = Vec::new();
        for (position, CredentialRecord { id, consumer, entry }) in records.into_iter().enumerate() {
            match api_key(&id, consumer, &entry) {
                Ok((first_half, key)) => {
                    if keys.insert(first_half, key).is_some() {
                        errors.push((position, ConfigError::new("key", "an earlier credential has the same key")));
                    }
                }
                Err(error) => errors.push((position, error)),
            }
        }
        if errors.is_empty() { Ok(Self(keys)) } else { Err(errors) }
    }
}

fn api_key(id: &Arc<str>, consumer: Arc<Consumer>, entry: &Entry) -> Result<(Half, ApiKey), ConfigError> {
    /// September 2001. Whoever writes less means a lifetime, which counts from nothing in a file.
    const FIRST_PLAUSIBLE: u64 = 1_000_000_000;
    if entry.ttl.is_some_and(|ttl| ttl < FIRST_PLAUSIBLE) {
        return Err(ConfigError::new("ttl", "must be the time of expiry in seconds since 1970, not a lifetime"));
    }
    let identifier = HeaderValue::from_str(id).map_err(|_| ConfigError::new("id", "must be a UUID"))?;
    let (first_half, second_half) = halves(entry.key.expose().as_bytes());
    let identity = Identity {
        identifier: Some(identifier),
        credential_id: Some(Arc::clone(id)),
        ..Identity::new(super::NAME, Some(consumer), Proof::Key)
    };
    Ok((first_half, ApiKey { identity, second_half, expires: entry.ttl }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_the_digest_must_be_right() {
        let entry = |key: &str| serde_yaml::from_str::<Entry>(&format!("{{key: {key}}}")).expect("an entry");
        let consumer = Arc::new(Consumer::new("id", Some("name"), None, Vec::new()).expect("a consumer"));
        let (first_half, mut key) = api_key(&"id".into(), consumer, &entry("a-key")).expect("a key");
        assert_eq!(first_half, fingerprint(b"a-key")[..16]);
        assert_eq!(key.second_half, fingerprint(b"a-key")[16..]);
        key.second_half[15] ^= 1;
        let mut keys = Keys(HashMap::from([(first_half, key)]));
        assert!(keys.find(b"a-key").is_none());
        keys.0.get_mut(&first_half).expect("the key").second_half[15] ^= 1;
        assert!(keys.find(b"a-key").is_some() && keys.find(b"another").is_none());
    }
}
