//! A private key, checked when it is loaded, bound to one algorithm.

use std::fmt;

use openssl::pkey::{PKey, Private};
use zeroize::Zeroizing;

use crate::Algorithm;

/// A private or shared key with its algorithm. Only [`crate`]'s readers and its generator make one: it is sound, and of a
/// type and size that the algorithm takes.
pub struct PrivateKey {
    algorithm: Algorithm,
    material: Material,
}

/// What a key is made of.
pub(crate) enum Material {
    /// RSA, EC or Ed25519; OpenSSL wipes it when it is dropped.
    Pair(PKey<Private>),
    /// The octets of a shared secret.
    Secret(Zeroizing<Vec<u8>>),
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
    pub(crate) fn new(algorithm: Algorithm, material: Material) -> Self {
        Self { algorithm, material }
    }

    /// The only algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// For signers and writers.
    pub(crate) fn material(&self) -> &Material {
        &self.material
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
