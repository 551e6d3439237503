//! A private key, checked when it is loaded, bound to one algorithm.

use std::fmt;

use openssl::{
    bn::BigNumRef,
    error::ErrorStack,
    pkey::{PKey, Private},
    sha::sha256,
};
use zeroize::Zeroizing;

use crate::{Algorithm, Kid, PublicKey, jwk::Object, kind::Kind, public::base64url};

/// A private or shared key with its algorithm. Only [`crate`]'s readers and its generator make one: it is sound, and of a
/// type and size that the algorithm takes.
pub struct PrivateKey {
    algorithm: Algorithm,
    material: Material,
    public: Option<PublicKey>,
}

/// What a key is made of.
pub(crate) enum Material {
    /// RSA, EC or Ed25519; OpenSSL wipes it when it is dropped. An RSA key may lack its factors.
    Pair(PKey<Private>),
    /// The octets of a shared secret.
    Secret(Zeroizing<Vec<u8>>),
}

/// What stands beside a key in its JWK.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// `kid`.
    pub kid: Option<Kid>,
    /// `iat`: when it was made, in seconds since 1970.
    pub issued_at: Option<u64>,
    /// `nbf`: from when it signs, in seconds since 1970.
    pub not_before: Option<u64>,
    /// `exp`: until when it signs, in seconds since 1970.
    pub not_after: Option<u64>,
}

/// Why a key cannot be used. Names members, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

impl KeyError {
    /// With this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl PrivateKey {
    /// Of what the readers checked.
    ///
    /// # Errors
    /// When the material is of another type than the algorithm needs.
    pub(crate) fn new(algorithm: Algorithm, material: Material) -> Result<Self, KeyError> {
        let kind = match &material {
            Material::Pair(pair) => Kind::of_key(pair)?,
            Material::Secret(_) => Kind::Secret,
        };
        kind.algorithm(Some(algorithm))?;
        let public = match &material {
            Material::Pair(pair) => Some(PublicKey::of(pair, algorithm)?),
            Material::Secret(_) => None,
        };
        Ok(Self { algorithm, material, public })
    }

    /// A shared secret, its octets as they stand, for one of the HMAC algorithms.
    ///
    /// # Errors
    /// When there is none, or the algorithm needs a pair of keys.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::new("must not be empty"));
        }
        Self::new(algorithm, Material::Secret(Zeroizing::new(secret.to_vec())))
    }

    /// The only algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name that follows from the key itself (RFC 7638), the same for both halves: SHA-256 in base64url.
    pub fn thumbprint(&self) -> String {
        match &self.material {
            Material::Pair(_) => self.public.as_ref().map(PublicKey::thumbprint).unwrap_or_default(),
            Material::Secret(secret) => {
                let canonical =
                    Object::with_room(secret.len() * 2 + 32).octets("k", secret).text("kty", "oct").finish();
                base64url(&sha256(canonical.as_bytes()))
            }
        }
    }

    /// What verifiers need; none of a shared secret.
    pub fn public(&self) -> Option<PublicKey> {
        self.public.clone()
    }

    /// One line of JSON, as [`crate::LoadedKey::from_jwk`] reads it; a shared secret as [`crate::Secrets::Decoded`].
    ///
    /// # Errors
    /// Only when memory is short.
    pub fn to_jwk(&self, labels: &Labels) -> Result<Zeroizing<String>, KeyError> {
        let kid = labels.kid.as_ref();
        let object = Object::with_room(self.room() + kid.map_or(0, |kid| kid.json().len()))
            .text("kty", self.public.as_ref().map_or("oct", PublicKey::kty))
            .text("use", "sig")
            .text("alg", self.algorithm.as_str());
        let object = match kid {
            Some(kid) => object.json("kid", kid.json()),
            None => object,
        };
        let object =
            object.number("iat", labels.issued_at).number("nbf", labels.not_before).number("exp", labels.not_after);
        let object = match &self.public {
            Some(public) => public.members(object),
            None => object,
        };
        Ok(self.private_members(object).map_err(library)?.finish())
    }

    /// PKCS#8 in PEM.
    ///
    /// # Errors
    /// When the key has no such form: a shared secret, and an RSA key without its factors.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pair = match &self.material {
            Material::Pair(pair) => pair,
            Material::Secret(_) => return Err(KeyError::new("a shared secret has no PEM form")),
        };
        if pair.rsa().is_ok_and(|key| key.p().is_none()) {
            return Err(KeyError::new("an RSA key without `p`, `q`, `dp`, `dq` and `qi` has no PEM form"));
        }
        let pem = pair.private_key_to_pem_pkcs8().map_err(library)?;
        String::from_utf8(pem).map(Zeroizing::new).map_err(|_| KeyError::new("PEM that is no text"))
    }

    /// For signers.
    pub(crate) fn material(&self) -> &Material {
        &self.material
    }

    fn private_members(&self, object: Object) -> Result<Object, ErrorStack> {
        let pair = match &self.material {
            Material::Pair(pair) => pair,
            Material::Secret(secret) => return Ok(object.octets("k", secret)),
        };
        match Kind::of(self.algorithm) {
            Some(Kind::Rsa) => {
                let key = pair.rsa()?;
                let mut object = object.octets("d", &octets(key.d()));
                let rest = [("p", key.p()), ("q", key.q()), ("dp", key.dmp1()), ("dq", key.dmq1()), ("qi", key.iqmp())];
                for (name, number) in rest {
                    if let Some(number) = number {
                        object = object.octets(name, &octets(number));
                    }
                }
                Ok(object)
            }
            Some(Kind::Curve(curve)) => {
                let length = i32::try_from(curve.octets()).unwrap_or_default();
                let d = Zeroizing::new(pair.ec_key()?.private_key().to_vec_padded(length)?);
                Ok(object.octets("d", &d))
            }
            _ => Ok(object.octets("d", &Zeroizing::new(pair.raw_private_key()?))),
        }
    }

    /// Characters that surely hold its JWK but for the `kid`.
    pub(crate) fn room(&self) -> usize {
        let octets = match &self.material {
            // n, d, and half of it for each of the five others.
            Material::Pair(pair) => pair.size() * 5,
            Material::Secret(secret) => secret.len(),
        };
        octets * 3 / 2 + 512
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What OpenSSL says when memory is short, or when it was given nonsense that the checks before should have found.
pub(crate) fn library(error: ErrorStack) -> KeyError {
    let reason = error.errors().first().and_then(openssl::error::Error::reason).unwrap_or("no reason");
    KeyError::new(format!("the cryptographic library refuses it: {reason}"))
}

/// The big-endian octets of a number, wiped when they are dropped.
pub(crate) fn octets(number: &BigNumRef) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(number.to_vec())
}
