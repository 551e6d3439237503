//! The published documents: made when the keys change, not when they are asked for.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::HeaderValue;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use signet_plugin_api::{ConfigError, KeySet, KeyState, Keys, PluginError};

use super::config::Issuer;
use crate::shared::secret::fingerprint;

/// RFC 7517, 8.5.1.
const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is published, as of the last change of a key.
pub(super) struct Documents {
    sets: Vec<Arc<KeySet>>,
    names: Option<Names>,
    current: ArcSwap<Edition>,
}

/// The documents as long as no key changes.
pub(super) struct Edition {
    /// The keys of each set from which they were made.
    of: Vec<Arc<Keys>>,
    /// The JWK set.
    pub(super) keys: Document,
    /// The issuer's metadata, where one is configured.
    pub(super) metadata: Option<Document>,
    /// The names of the keys.
    kids: Vec<serde_json::Value>,
}

/// A document with what is told of it.
pub(super) struct Document {
    pub(super) body: Bytes,
    /// Strong, with its quotes.
    pub(super) etag: HeaderValue,
    pub(super) content_type: HeaderValue,
}

struct Names {
    issuer: String,
    jwks_uri: String,
}

/// A JWK set, its keys as they were written.
#[derive(Serialize, Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// All that a published key may say (RFC 7518, 6.2.1 and 6.3.1; RFC 8037, 2). Whoever made it holds nothing private; should
/// that ever change, this does not read it and nothing is published.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only that nothing else is there counts")]
struct PublicJwk {
    kty: IgnoredAny,
    #[serde(rename = "use")]
    usage: Option<IgnoredAny>,
    alg: Option<IgnoredAny>,
    kid: Option<serde_json::Value>,
    n: Option<IgnoredAny>,
    e: Option<IgnoredAny>,
    crv: Option<IgnoredAny>,
    x: Option<IgnoredAny>,
    y: Option<IgnoredAny>,
}

/// OpenID Connect Discovery 1.0, 3, and RFC 8414, 2. The gateway has no endpoint at which users log in and answers no
/// token requests: of what is required only `authorization_endpoint` is left out, as other issuers do that sign for services.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: &'a str,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    // A list without elements is left out (RFC 8414, 3.2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    id_token_signing_alg_values_supported: Vec<&'static str>,
}

impl Documents {
    /// Of these sets, whose keys must not be confused with each other.
    pub(super) fn new(sets: Vec<Arc<KeySet>>, issuer: Option<&Issuer>) -> Result<Self, ConfigError> {
        let names = issuer.map(|issuer| Names { issuer: issuer.name.clone(), jwks_uri: issuer.jwks_uri.clone() });
        let unusable = |error: PluginError| ConfigError::new("", error.to_string());
        let edition = Edition::new(keys_of(&sets), names.as_ref()).map_err(unusable)?;
        if let Some(kid) = edition.ambiguous() {
            let reason = format!("two different keys have the kid {kid}: a verifier could not tell them apart");
            return Err(ConfigError::new("key_sets", reason));
        }
        Ok(Self { sets, names, current: ArcSwap::from_pointee(edition) })
    }

    /// The documents of now.
    pub(super) fn current(&self) -> Result<Arc<Edition>, PluginError> {
        let edition = self.current.load_full();
        let is_same = |(set, keys): (&Arc<KeySet>, &Arc<Keys>)| Arc::ptr_eq(&set.keys(), keys);
        if self.sets.iter().zip(&edition.of).all(is_same) {
            return Ok(edition);
        }
        // Requests that see the change at once make the same; whichever is kept is compared again by the next request.
        let edition = Arc::new(Edition::new(keys_of(&self.sets), self.names.as_ref())?);
        self.current.store(Arc::clone(&edition));
        Ok(edition)
    }
}

impl Edition {
    fn new(of: Vec<Arc<Keys>>, names: Option<&Names>) -> Result<Self, PluginError> {
        let keys = match of.as_slice() {
            [only] => Document { body: only.public.clone(), etag: only.etag.clone(), content_type: JWK_SET },
            several => Document::new(joined(several).map_err(broken)?, JWK_SET)?,
        };
        let kids = kids(&keys.body).map_err(broken)?;
        let metadata = match names {
            Some(names) => Some(Document::new(names.describe(&of).map_err(broken)?, JSON)?),
            None => None,
        };
        Ok(Self { of, keys, metadata, kids })
    }

    /// The name of two different keys.
    fn ambiguous(&self) -> Option<&serde_json::Value> {
        self.kids.iter().enumerate().find_map(|(at, kid)| self.kids.iter().take(at).find(|other| *other == kid))
    }
}

impl Document {
    fn new(body: Vec<u8>, content_type: HeaderValue) -> Result<Self, PluginError> {
        let tag = URL_SAFE_NO_PAD.encode(fingerprint(&body));
        let etag = HeaderValue::from_str(&format!("\"{tag}\"")).map_err(broken)?;
        Ok(Self { body: body.into(), etag, content_type })
    }
}

impl Names {
    fn describe(&self, of: &[Arc<Keys>]) -> serde_json::Result<Vec<u8>> {
        let published = of.iter().flat_map(|keys| &keys.states).filter(|key| key.state != KeyState::Retired);
        let mut algorithms: Vec<&'static str> = published.map(|key| key.alg).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        serde_json::to_vec(&Metadata {
            issuer: &self.issuer,
            jwks_uri: &self.jwks_uri,
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: algorithms,
        })
    }
}

fn keys_of(sets: &[Arc<KeySet>]) -> Vec<Arc<Keys>> {
    sets.iter().map(|set| set.keys()).collect()
}

/// All keys of several sets; one that stands in two of them stands once.
fn joined(several: &[Arc<Keys>]) -> serde_json::Result<Vec<u8>> {
    let mut all: Vec<&RawValue> = Vec::new();
    for keys in several {
        let set: JwkSet<'_> = serde_json::from_slice(&keys.public)?;
        for key in set.keys {
            if !all.iter().any(|known| known.get() == key.get()) {
                all.push(key);
            }
        }
    }
    serde_json::to_vec(&JwkSet { keys: all })
}

/// The names of the keys of a JWK set that holds nothing but public keys.
fn kids(public: &[u8]) -> serde_json::Result<Vec<serde_json::Value>> {
    let set: JwkSet<'_> = serde_json::from_slice(public)?;
    let kid = |key: &&RawValue| serde_json::from_str::<PublicJwk>(key.get()).map(|key| key.kid).transpose();
    set.keys.iter().filter_map(kid).collect()
}

fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PluginError {
    PluginError::with_source("the public keys cannot be written", cause)
}
