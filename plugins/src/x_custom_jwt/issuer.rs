//! The key that signs now, and all of a token that depends on it: it is encoded once for each key.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use signet_plugin_api::{ConfigError, KeySet, Meters, PluginError, Scope, SigningKey};

use super::{config::Config, lineage::Lineage, meters::SigningMeters};
use crate::shared::{
    clock,
    jose::{append_part, encoded_len},
};

/// At most so often, in seconds, the log says that no key may sign.
const TELL_EVERY: u64 = 60;

/// Where the key comes from.
pub(super) struct Issuer {
    source: Source,
    form: Form,
}

enum Source {
    /// `private_jwk`
    Own(Arc<Issuing>),
    /// `key_set`
    Set {
        set: Arc<KeySet>,
        /// Of the key that was active when somebody last looked.
        issuing: ArcSwapOption<Issuing>,
        /// When the log said that there is no key, in seconds since 1970.
        told: AtomicU64,
    },
}

/// What surrounds the claims, whatever the key.
struct Form {
    /// `Bearer ` or nothing.
    scheme: &'static str,
    typ: &'static str,
    /// As JSON text.
    jku: String,
    lineage: Lineage,
    meters: Arc<Meters>,
}

/// One key at work.
pub(super) struct Issuing {
    key: Arc<SigningKey>,
    /// `Bearer ` or nothing, the encoded JOSE header, and its dot.
    start: Vec<u8>,
    /// How much of `start` does not belong to the token.
    scheme: usize,
    /// What its tokens have in common, besides claims.
    lineage: Vec<u8>,
    meters: SigningMeters,
}

/// A token without its signature.
pub(super) struct Draft {
    text: Vec<u8>,
    /// A buffer that has served its purpose, for the signature.
    scratch: Vec<u8>,
}

impl Issuer {
    /// Takes the key out of `config`, or the set that it names.
    pub(super) fn new(config: &mut Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let form = Form::new(config, scope)?;
        let broken = |error: PluginError| ConfigError::new("", error.to_string());
        let source = match (config.private_jwk.take(), &config.key_set) {
            (Some(own), None) => {
                let key = Arc::new(own.signing_key("private_jwk", scope)?);
                let lineage = form.lineage.with_own_key(&key);
                Source::Own(Issuing::new(key, lineage, &form, None).map_err(broken)?)
            }
            (None, Some(name)) => {
                let set = scope.key_set("key_set", name)?;
                outlived_by_its_key(config.expires_in.0, &set)?;
                let issuing = set.active().map(|key| form.put_to_work(key, None)).transpose().map_err(broken)?;
                let issuing = ArcSwapOption::new(issuing);
                Source::Set { set, issuing, told: AtomicU64::new(0) }
            }
            (Some(_), Some(_)) => {
                return Err(ConfigError::new("key_set", "does not go with `private_jwk`: one key signs"));
            }
            (None, None) => return Err(ConfigError::new("", "one of `key_set` and `private_jwk` is needed")),
        };
        Ok(Self { source, form })
    }

    /// The key that signs now, if one may.
    pub(super) fn current(&self) -> Result<Option<Arc<Issuing>>, PluginError> {
        match &self.source {
            Source::Own(issuing) => Ok(Some(Arc::clone(issuing))),
            Source::Set { set, issuing, told } => {
                let Some(key) = set.active() else {
                    tell(set, told);
                    return Ok(None);
                };
                let known = issuing.load_full();
                // The known one holds its key, so that no other can have its address.
                if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.key, &key)) {
                    return Ok(Some(Arc::clone(known)));
                }
                let renewed = self.form.put_to_work(key, known.as_deref())?;
                issuing.store(Some(Arc::clone(&renewed)));
                Ok(Some(renewed))
            }
        }
    }
}

impl Issuing {
    fn new(
        key: Arc<SigningKey>,
        lineage: Vec<u8>,
        form: &Form,
        earlier: Option<&Self>,
    ) -> Result<Arc<Self>, PluginError> {
        let mut start = form.scheme.as_bytes().to_vec();
        append_part(form.jose_header(&key).as_bytes(), &mut start);
        start.push(b'.');
        let meters = SigningMeters::new(&form.meters, &key, earlier.map(|earlier| &earlier.meters))?;
        Ok(Arc::new(Self { key, start, scheme: form.scheme.len(), lineage, meters }))
    }

    /// What its tokens have in common, besides claims: two with equal ones may stand for each other.
    pub(super) fn lineage(&self) -> &[u8] {
        &self.lineage
    }

    /// Whether a signature belongs on the signing threads.
    pub(super) fn is_slow(&self) -> bool {
        self.key.signer.is_slow()
    }

    /// Header and claims, ready to be signed.
    pub(super) fn encode(&self, claims: Vec<u8>) -> Draft {
        let length = self.start.len() + encoded_len(claims.len()) + 1 + encoded_len(self.key.signer.signature_len());
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(&self.start);
        append_part(&claims, &mut text);
        Draft { text, scratch: claims }
    }

    /// The value of the header that carries the token.
    pub(super) fn sign(&self, draft: Draft) -> Result<HeaderValue, PluginError> {
        let Draft { mut text, scratch: mut signature } = draft;
        signature.clear();
        self.append_signature(text.get(self.scheme..).unwrap_or_default(), &mut signature)?;
        text.push(b'.');
        append_part(&signature, &mut text);
        let mut value = HeaderValue::from_maybe_shared(Bytes::from(text))
            .map_err(|error| PluginError::with_source("the token cannot stand in a header", error))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The raw signature, counted.
    pub(super) fn append_signature(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), PluginError> {
        self.meters
            .measure(|| self.key.signer.sign(input, signature))
            .map_err(|error| PluginError::with_source("the token cannot be signed", error))
    }
}

impl Draft {
    /// What is to be signed, behind its prefix.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }
}

impl Form {
    fn new(config: &Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let scheme = if config.upstream_custom_jwt_header.is_authorization() { "Bearer " } else { "" };
        let jku = serde_json::to_string(&config.jku.0).map_err(|error| ConfigError::new("jku", error.to_string()))?;
        let (lineage, meters) = (Lineage::new(scope), Arc::clone(scope.meters()));
        Ok(Self { scheme, typ: config.typ.as_str(), jku, lineage, meters })
    }

    fn put_to_work(&self, key: Arc<SigningKey>, earlier: Option<&Issuing>) -> Result<Arc<Issuing>, PluginError> {
        let lineage = self.lineage.with_key_of_set(&key);
        Issuing::new(key, lineage, self, earlier)
    }

    fn jose_header(&self, key: &SigningKey) -> String {
        let alg = key.signer.alg();
        let Self { typ, jku, .. } = self;
        match &key.kid {
            Some(kid) => format!(r#"{{"typ":"{typ}","alg":"{alg}","kid":{kid},"jku":{jku}}}"#),
            None => format!(r#"{{"typ":"{typ}","alg":"{alg}","jku":{jku}}}"#),
        }
    }
}

/// Verifiers must find the key as long as a token lives that it signed last.
fn outlived_by_its_key(expires_in: u32, set: &KeySet) -> Result<(), ConfigError> {
    let expires_in = u64::from(expires_in);
    match &set.overlap {
        Some(overlap) if expires_in > overlap.longest_token => {
            let (name, longest, needed) = (&set.name, overlap.longest_token, expires_in + 1);
            let reason = format!(
                "a token of {expires_in} s would outlive its key, which the key set `{name}` publishes long enough for \
                 {longest} s; raise the set's `retire_after` to {needed}, or lower this"
            );
            Err(ConfigError::new("expires_in", reason))
        }
        _ => Ok(()),
    }
}

fn tell(set: &KeySet, told: &AtomicU64) {
    let (now, last) = (clock::now(), told.load(Relaxed));
    if now.abs_diff(last) >= TELL_EVERY && told.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
        tracing::error!(key_set = &*set.name, "no key of the set may sign now: requests that need a token get 503");
    }
}
