//! One key at work: what surrounds the claims of its tokens is encoded once, then each is signed.

use std::{
    ptr,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use http::HeaderValue;
use signet_plugin_api::{ConfigError, Meters, PluginError, Scope, SigningKey};

use super::{config::Config, lineage::Lineage, meters::SigningMeters};
use crate::shared::{
    encoding::either_base64,
    jose::{append_part, encoded_len},
};

/// A key, and what surrounds the claims that it signs.
#[derive(Clone)]
pub(super) struct Issuing {
    key: Arc<SigningKey>,
    frame: Arc<Frame>,
}

/// What surrounds the claims, whatever the key.
pub(super) struct Form {
    /// `Bearer ` or nothing.
    scheme: &'static str,
    typ: &'static str,
    /// As JSON text.
    jku: String,
    lineage: Lineage,
    meters: Arc<Meters>,
}

/// What surrounds the claims that one key signs. It does not hold the key: when the set lets go of one that signs no more, a
/// route that nobody asks keeps no part of it.
pub(super) struct Frame {
    key: Weak<SigningKey>,
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

impl Issuing {
    pub(super) fn new(key: Arc<SigningKey>, frame: Arc<Frame>) -> Self {
        Self { key, frame }
    }

    /// What its tokens have in common, besides claims: two with equal ones may stand for each other.
    pub(super) fn lineage(&self) -> &[u8] {
        &self.frame.lineage
    }

    /// The JOSE header as JSON text.
    pub(super) fn jose_header(&self) -> String {
        let encoded = self.frame.start.get(self.frame.scheme..self.frame.start.len().saturating_sub(1));
        encoded.and_then(either_base64).and_then(|json| String::from_utf8(json.to_vec()).ok()).unwrap_or_default()
    }

    /// Whether a signature belongs on the signing threads.
    pub(super) fn is_slow(&self) -> bool {
        self.key.signer.is_slow()
    }

    /// Header and claims, ready to be signed.
    pub(super) fn encode(&self, claims: Vec<u8>) -> Draft {
        let length =
            self.frame.start.len() + encoded_len(claims.len()) + 1 + encoded_len(self.key.signer.signature_len());
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(&self.frame.start);
        append_part(&claims, &mut text);
        Draft { text, scratch: claims }
    }

    /// The value of the header that carries the token.
    pub(super) fn sign(&self, draft: Draft) -> Result<HeaderValue, PluginError> {
        let Draft { mut text, scratch: mut signature } = draft;
        signature.clear();
        self.append_signature(text.get(self.frame.scheme..).unwrap_or_default(), &mut signature)?;
        text.push(b'.');
        append_part(&signature, &mut text);
        let mut value = HeaderValue::from_maybe_shared(Bytes::from(text))
            .map_err(|error| PluginError::with_source("the token cannot stand in a header", error))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The raw signature, counted.
    pub(super) fn append_signature(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), PluginError> {
        self.frame
            .meters
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
    pub(super) fn new(config: &Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let scheme = if config.upstream_custom_jwt_header.is_authorization() { "Bearer " } else { "" };
        let jku = serde_json::to_string(&config.jku.0).map_err(|error| ConfigError::new("jku", error.to_string()))?;
        let (lineage, meters) = (Lineage::new(scope), Arc::clone(scope.meters()));
        Ok(Self { scheme, typ: config.typ.as_str(), jku, lineage, meters })
    }

    /// With a key that is a part of the configuration.
    pub(super) fn of_own_key(&self, key: &Arc<SigningKey>) -> Result<Arc<Frame>, PluginError> {
        self.frame(key, self.lineage.with_own_key(key), None)
    }

    /// With a key that has taken the place of an earlier one.
    pub(super) fn of_key_of_set(
        &self,
        key: &Arc<SigningKey>,
        earlier: Option<&Frame>,
    ) -> Result<Arc<Frame>, PluginError> {
        self.frame(key, self.lineage.with_key_of_set(key), earlier)
    }

    fn frame(
        &self,
        key: &Arc<SigningKey>,
        lineage: Vec<u8>,
        earlier: Option<&Frame>,
    ) -> Result<Arc<Frame>, PluginError> {
        let mut start = self.scheme.as_bytes().to_vec();
        append_part(self.jose_header(key).as_bytes(), &mut start);
        start.push(b'.');
        let meters = SigningMeters::new(&self.meters, key, earlier.map(|earlier| &earlier.meters))?;
        Ok(Arc::new(Frame { key: Arc::downgrade(key), start, scheme: self.scheme.len(), lineage, meters }))
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

impl Frame {
    /// A weak handle keeps the address, so that no other key can have it.
    pub(super) fn is_of(&self, key: &Arc<SigningKey>) -> bool {
        ptr::eq(self.key.as_ptr(), Arc::as_ptr(key))
    }
}
