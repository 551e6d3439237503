//! Keys that sign tokens, and the sets in which verifiers find their public halves.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderValue;

/// The cryptographic library did not sign. It says no more than that, so that nothing of the key leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key cannot sign")]
pub struct SigningFailed;

/// A private key with its algorithm. One is built per key when the key is loaded, and shared.
pub trait Signer: Send + Sync {
    /// The `alg` of the JOSE header.
    fn alg(&self) -> &'static str;

    /// Whether a signature takes so long that it belongs on the signing threads.
    fn is_slow(&self) -> bool;

    /// How many octets a signature has.
    fn signature_len(&self) -> usize;

    /// Appends the raw signature of `input` (RFC 7515, 5.1; for ECDSA `R || S`, RFC 7518, 3.4).
    ///
    /// # Errors
    /// When the library refuses.
    fn sign(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed>;
}

/// What makes signatures (the setting `signing_backend`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SigningBackend {
    /// The `ring` crate.
    #[default]
    Ring,
    /// OpenSSL, which also signs with keys that ring does not take.
    Openssl,
}

/// A key that signs, with the name under which verifiers find it.
#[derive(Clone)]
pub struct SigningKey {
    /// `kid` as JSON text: a string, or the number that some files have.
    pub kid: Option<Arc<str>>,
    /// The key with its algorithm.
    pub signer: Arc<dyn Signer>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("alg", &self.signer.alg()).finish()
    }
}

/// A named set of keys, of which one signs at a time (Kong: `key_sets`). The engine swaps its keys as time goes by.
#[derive(Debug)]
pub struct KeySet {
    /// `name`, else the id.
    pub name: Arc<str>,
    /// Its keys are shared secrets: none is ever published.
    pub symmetric: bool,
    /// How long verifiers have to notice a change; none where keys never change by themselves.
    pub overlap: Option<Overlap>,
    keys: ArcSwap<Keys>,
}

/// What a schedule leaves to those who verify. Whoever exceeds it would make good tokens fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// For how many seconds a verifier may keep the set: a key is published that long before it signs.
    pub longest_cache: u64,
    /// For how many seconds a token may live: a key is published that long after it signed for the last time.
    pub longest_token: u64,
}

/// The keys of a set at one moment.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The one that signs; none when no key may.
    pub active: Option<Arc<SigningKey>>,
    /// All of them, in the order in which they sign.
    pub states: Vec<KeyStatus>,
    /// The JWK set that verifiers get: the public halves of all that are not retired (RFC 7517, 5).
    pub public: Bytes,
    /// The entity tag of `public`, with its quotes.
    pub etag: HeaderValue,
}

/// One key, for metrics and people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// As text.
    pub kid: Arc<str>,
    /// Its algorithm.
    pub alg: &'static str,
    /// Its place in the order of things.
    pub state: KeyState,
    /// From when it signs, in seconds since 1970; none is since ever.
    pub signs_from: Option<u64>,
    /// When it stops to sign; none is not known yet.
    pub signs_until: Option<u64>,
    /// When it is published no more; none is not known yet.
    pub published_until: Option<u64>,
}

/// The life of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyState {
    /// Published, does not sign yet.
    Next,
    /// Published, signs.
    Active,
    /// Published, signs no more.
    Retiring,
    /// Gone.
    Retired,
}

impl KeyState {
    /// As in metrics and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }
}

impl KeySet {
    /// A set with these keys to begin with.
    pub fn new(name: Arc<str>, symmetric: bool, overlap: Option<Overlap>, keys: Keys) -> Self {
        Self { name, symmetric, overlap, keys: ArcSwap::from_pointee(keys) }
    }

    /// The keys of now.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// The key that signs now.
    pub fn active(&self) -> Option<Arc<SigningKey>> {
        self.keys.load().active.clone()
    }

    /// Time went by: these are the keys from now on. For the engine.
    pub fn replace(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }
}
