//! The configuration of `jwks`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signet_plugin_api::{ConfigError, KeySet, Scope};
use url::Url;

/// `config` of the plugin. All of it is ours: Kong has no such plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The name or id of the key set that is published; this or `key_sets`.
    key_set: Option<String>,
    /// The names or ids of the key sets that are published together.
    key_sets: Option<Vec<String>>,
    /// For how many seconds verifiers may keep the keys.
    max_age: u32,
    /// What tells verifiers where the keys are.
    metadata: Metadata,
}

/// What tells verifiers where the keys are.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct Metadata {
    /// Who issues the tokens, letter for letter as their `iss` says. With it the metadata of RFC 8414 is published.
    issuer: Option<PublicUrl>,
    /// Where verifiers get the keys; without it, `/jwks` below the issuer.
    jwks_uri: Option<PublicUrl>,
}

/// A URL as verifiers see it, in the letters in which it was written.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone)]
#[serde(try_from = "String", into = "String")]
struct PublicUrl {
    text: String,
    url: Url,
}

/// Who issues the tokens (`iss`), and where its keys are.
#[derive(Debug)]
pub(super) struct Issuer {
    /// Letter for letter what tokens say.
    pub(super) name: String,
    /// Where verifiers get the keys.
    pub(super) jwks_uri: String,
    path: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { key_set: None, key_sets: None, max_age: 300, metadata: Metadata::default() }
    }
}

impl Config {
    /// The sets that are published, in their order.
    pub(super) fn sets(&self, scope: &Scope<'_>) -> Result<Vec<Arc<KeySet>>, ConfigError> {
        let named = match (&self.key_set, &self.key_sets) {
            (Some(name), None) => vec![("key_set".to_owned(), name)],
            (None, Some(names)) => {
                names.iter().enumerate().map(|(at, name)| (format!("key_sets[{at}]"), name)).collect()
            }
            (None, None) => return Err(ConfigError::new("key_set", "the name of a key set is needed, or `key_sets`")),
            (Some(_), Some(_)) => return Err(ConfigError::new("key_set", "cannot be used with key_sets")),
        };
        if named.is_empty() {
            return Err(ConfigError::new("key_sets", "the name of at least one key set is needed"));
        }
        let mut sets: Vec<Arc<KeySet>> = Vec::with_capacity(named.len());
        for (field, name) in named {
            let set = scope.key_set(&field, name)?;
            if set.symmetric {
                let reason = format!("the keys of `{name}` are shared secrets, which are never published");
                return Err(ConfigError::new(field, reason));
            }
            if sets.iter().any(|known| Arc::ptr_eq(known, &set)) {
                return Err(ConfigError::new(field, format!("the key set `{name}` is named already")));
            }
            sets.push(set);
        }
        Ok(sets)
    }

    /// For how long verifiers may keep what they got: no longer than every set allows.
    pub(super) fn max_age(&self, sets: &[Arc<KeySet>]) -> Result<u32, ConfigError> {
        let longest = |set: &Arc<KeySet>| Some((set.overlap?.longest_cache, Arc::clone(&set.name)));
        match sets.iter().filter_map(longest).min_by_key(|(longest, _)| *longest) {
            Some((longest, name)) if u64::from(self.max_age) > longest => Err(ConfigError::new(
                "max_age",
                format!(
                    "a verifier that keeps the keys for {} seconds would not know the next key of `{name}` when it begins to \
                     sign: raise the set's `publish_before`, or say at most {longest} here",
                    self.max_age
                ),
            )),
            _ => Ok(self.max_age),
        }
    }

    /// Whose metadata is told, if any is.
    pub(super) fn issuer(self, scope: &Scope<'_>) -> Result<Option<Issuer>, ConfigError> {
        let Metadata { issuer, jwks_uri } = self.metadata;
        let Some(issuer) = issuer else {
            return match jwks_uri {
                Some(_) => Err(ConfigError::new("metadata.jwks_uri", "requires metadata.issuer")),
                None => Ok(None),
            };
        };
        // RFC 8414, 2.
        if issuer.url.query().is_some() {
            return Err(ConfigError::new("metadata.issuer", "an issuer has no query"));
        }
        if issuer.url.scheme() != "https" {
            scope.warn("metadata.issuer", "an issuer begins with https:// (RFC 8414, 2): many verifiers take no other");
        }
        let base = issuer.text.trim_end_matches('/');
        let jwks_uri = jwks_uri.map_or_else(|| format!("{base}/jwks"), |given| given.text);
        let path = issuer.url.path().trim_end_matches('/').to_owned();
        Ok(Some(Issuer { name: issuer.text, jwks_uri, path }))
    }
}

impl Issuer {
    /// The path of its URL; empty when it has none.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.text
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url = match Url::parse(&text) {
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                Err(format!("`{text}` must begin with https:// and a host"))
            }
            other => other.map_err(|cause| format!("`{text}` is not a URL: {cause}")),
        }?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(format!("`{text}` must begin with https:// and a host"));
        }
        // Not shown: it may be a password.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name or a password has no place in a URL that everybody sees".to_owned());
        }
        if url.fragment().is_some() {
            return Err(format!("`{text}` must not have a fragment"));
        }
        Ok(Self { text, url })
    }
}
