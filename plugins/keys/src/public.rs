//! The public half of a key: its type has no room for anything private.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    bn::BigNum,
    bn::BigNumContext,
    error::ErrorStack,
    pkey::{HasPublic, PKeyRef},
    sha::sha256,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Algorithm, AnyKey, KeyError, Kid, LoadedKey, Secrets,
    jwk::{self, Members, Object},
    kind::{Curve, Kind},
    private::library,
};

/// What verifiers need of a key, with its algorithm. Made from sound keys only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    numbers: Numbers,
}

/// The public members of a JWK, in base64url (RFC 7518, 6; RFC 8037, 2). There is no other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Numbers {
    Rsa { n: String, e: String },
    Curve { curve: Curve, x: String, y: String },
    Ed25519 { x: String },
}

/// A public key that was read, with what stood beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedPublicKey {
    /// The key.
    pub key: PublicKey,
    /// The name that it was given.
    pub kid: Option<Kid>,
}

/// What a verifier fetches (RFC 7517, 5): `{"keys":[...]}`, the keys in this order.
pub fn jwk_set<'a>(keys: impl IntoIterator<Item = (&'a PublicKey, &'a Kid)>) -> String {
    let keys: Vec<_> = keys.into_iter().map(|(key, kid)| key.to_jwk(kid)).collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

impl PublicKey {
    /// The public half of a pair.
    pub(crate) fn of<T: HasPublic>(key: &PKeyRef<T>, algorithm: Algorithm) -> Result<Self, KeyError> {
        Numbers::of(key, algorithm).map(|numbers| Self { algorithm, numbers }).map_err(library)
    }

    /// Reads a key from a JWK or PEM (`PUBLIC KEY`, `RSA PUBLIC KEY` or a certificate). Of a private key its public half
    /// is taken. `algorithm` is that of keys that do not say theirs; without it, the default of their type.
    ///
    /// # Errors
    /// When it is no such key, or a symmetric one.
    pub fn from_text(text: &str, algorithm: Option<Algorithm>) -> Result<LoadedPublicKey, KeyError> {
        match AnyKey::from_text(text, algorithm, Secrets::AsTheyStand)? {
            AnyKey::Public(public) => Ok(public),
            AnyKey::Private(LoadedKey { key, kid, .. }) => match key.public() {
                Some(key) => Ok(LoadedPublicKey { key, kid }),
                None => Err(KeyError::new("a shared secret (`kty` `oct`) has no public half")),
            },
        }
    }

    /// The same, but a JWK set is taken, too, with all its keys.
    ///
    /// # Errors
    /// As [`PublicKey::from_text`], with the place of the key in the set.
    pub fn all_from_text(text: &str, algorithm: Option<Algorithm>) -> Result<Vec<LoadedPublicKey>, KeyError> {
        #[derive(Deserialize)]
        struct Set<'a> {
            #[serde(borrow)]
            keys: &'a RawValue,
        }
        let Ok(Set { keys }) = serde_json::from_str(text) else {
            return Self::from_text(text, algorithm).map(|key| vec![key]);
        };
        let keys: Vec<&RawValue> =
            serde_json::from_str(keys.get()).map_err(|_| KeyError::new("`keys` must be a list of keys (JWK)"))?;
        let read = |(position, text): (usize, &RawValue)| {
            Self::from_text(text.get(), None).map_err(|error| KeyError::new(format!("keys[{position}]: {error}")))
        };
        keys.into_iter().enumerate().map(read).collect()
    }

    /// The only algorithm of its signatures.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name that follows from the key itself (RFC 7638): SHA-256 in base64url.
    pub fn thumbprint(&self) -> String {
        // The members that are required, in the order of their names.
        let canonical = match &self.numbers {
            Numbers::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Numbers::Curve { curve, x, y } => {
                format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, curve.name())
            }
            Numbers::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        };
        base64url(&sha256(canonical.as_bytes()))
    }

    /// One line of JSON: `kty`, `use`, `alg`, `kid` and the public members.
    pub fn to_jwk(&self, kid: &Kid) -> String {
        let object = Object::with_room(256)
            .text("kty", self.kty())
            .text("use", "sig")
            .text("alg", self.algorithm.as_str())
            .json("kid", kid.json());
        self.members(object).finish().to_string()
    }

    /// `PUBLIC KEY` in PEM (RFC 7468, 13).
    ///
    /// # Errors
    /// Only when memory is short.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let members = Members::parse(&self.to_jwk(&Kid::new("")))?;
        let key = jwk::public_key(&members, jwk::kind(&members)?)?;
        let pem = key.public_key_to_pem().map_err(library)?;
        String::from_utf8(pem).map_err(|_| KeyError::new("PEM that is no text"))
    }

    /// `kty`.
    pub(crate) fn kty(&self) -> &'static str {
        match self.numbers {
            Numbers::Rsa { .. } => "RSA",
            Numbers::Curve { .. } => "EC",
            Numbers::Ed25519 { .. } => "OKP",
        }
    }

    /// Adds the members of its numbers.
    pub(crate) fn members(&self, object: Object) -> Object {
        match &self.numbers {
            Numbers::Rsa { n, e } => object.text("n", n).text("e", e),
            Numbers::Curve { curve, x, y } => object.text("crv", curve.name()).text("x", x).text("y", y),
            Numbers::Ed25519 { x } => object.text("crv", "Ed25519").text("x", x),
        }
    }
}

impl Numbers {
    fn of<T: HasPublic>(key: &PKeyRef<T>, algorithm: Algorithm) -> Result<Self, ErrorStack> {
        match Kind::of(algorithm) {
            Some(Kind::Rsa) => {
                let key = key.rsa()?;
                Ok(Self::Rsa { n: base64url(&key.n().to_vec()), e: base64url(&key.e().to_vec()) })
            }
            Some(Kind::Curve(curve)) => {
                let (key, mut x, mut y) = (key.ec_key()?, BigNum::new()?, BigNum::new()?);
                key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut *BigNumContext::new()?)?;
                let length = i32::try_from(curve.octets()).unwrap_or_default();
                let padded = |number: BigNum| number.to_vec_padded(length).map(|octets| base64url(&octets));
                Ok(Self::Curve { curve, x: padded(x)?, y: padded(y)? })
            }
            _ => Ok(Self::Ed25519 { x: base64url(&key.raw_public_key()?) }),
        }
    }
}

/// Without padding (RFC 7515, 2).
pub(crate) fn base64url(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}
