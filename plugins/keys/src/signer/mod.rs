//! Private keys that sign, by the library that the operator chose.

mod openssl;
mod ring;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use signet_plugin_api::{Signer, SigningBackend};

use crate::{Algorithm, KeyError, PrivateKey, kind::Kind};

/// What a new signer signs first.
const TRIAL: &[u8] = b"trial";

impl PrivateKey {
    /// The key, ready to sign. It signs once, and OpenSSL verifies that with the public half, so that no key serves whose
    /// signatures nobody would take.
    ///
    /// # Errors
    /// When the library does not take the key; where OpenSSL would, the reason names `signing_backend: openssl`.
    pub fn signer(&self, backend: SigningBackend) -> Result<Arc<dyn Signer>, KeyError> {
        let signer: Arc<dyn Signer> = match backend {
            SigningBackend::Ring => Arc::new(ring::RingSigner::new(self)?),
            SigningBackend::Openssl => Arc::new(openssl::OpensslSigner::new(self)?),
        };
        let mut signature = Vec::with_capacity(signer.signature_len());
        let signed = signer.sign(TRIAL, &mut signature).is_ok() && signature.len() == signer.signature_len();
        if signed && openssl::verifies(self, TRIAL, &signature) { Ok(signer) } else { Err(not_whole()) }
    }
}

/// Whether a signature takes longer than about 60 microseconds: RSA takes 200 at least, P-384 more than that with either
/// library; P-256, Ed25519 and HMAC stay below 40.
const fn is_slow(algorithm: Algorithm) -> bool {
    use Algorithm::{EdDsa, Es256, Hs256, Hs384, Hs512};
    !matches!(algorithm, Hs256 | Hs384 | Hs512 | Es256 | EdDsa)
}

/// Octets of one half of an ECDSA signature (RFC 7518, 3.4); nothing for the other algorithms.
const fn half(algorithm: Algorithm) -> Option<usize> {
    match Kind::of(algorithm) {
        Some(Kind::Curve(curve)) => Some(curve.octets()),
        _ => None,
    }
}

fn not_whole() -> KeyError {
    KeyError::new("its members do not belong together: a trial signature failed")
}

fn not_for(algorithm: Algorithm) -> KeyError {
    KeyError::new(format!("this key cannot sign with {}", algorithm.as_str()))
}
