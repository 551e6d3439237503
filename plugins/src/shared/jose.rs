//! Compact JSON Web Signatures: the algorithms that sign, and the encoding around them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{self, RsaEncoding},
};
use signet_plugin_api::{Signer, SigningFailed};

/// RSASSA-PKCS1-v1_5 (RFC 7518, 3.3).
pub(crate) struct RsaSigner {
    alg: &'static str,
    encoding: &'static dyn RsaEncoding,
    key: rsa::KeyPair,
}

impl RsaSigner {
    /// With SHA-256.
    pub(crate) fn rs256(key: rsa::KeyPair) -> Self {
        Self { alg: "RS256", encoding: &signature::RSA_PKCS1_SHA256, key }
    }

    /// With SHA-512.
    pub(crate) fn rs512(key: rsa::KeyPair) -> Self {
        Self { alg: "RS512", encoding: &signature::RSA_PKCS1_SHA512, key }
    }
}

impl Signer for RsaSigner {
    fn alg(&self) -> &'static str {
        self.alg
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn signature_len(&self) -> usize {
        self.key.public().modulus_len()
    }

    fn sign(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed> {
        let start = signature.len();
        signature.resize(start + self.signature_len(), 0);
        let place = signature.get_mut(start..).ok_or(SigningFailed)?;
        self.key.sign(self.encoding, &SystemRandom::new(), input, place).map_err(|_| SigningFailed)
    }
}

/// HMAC with SHA-2 (RFC 7518, 3.2).
pub(crate) struct HmacSigner {
    alg: &'static str,
    key: hmac::Key,
}

impl HmacSigner {
    /// With SHA-256.
    pub(crate) fn hs256(secret: &[u8]) -> Self {
        Self { alg: "HS256", key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// With SHA-512.
    pub(crate) fn hs512(secret: &[u8]) -> Self {
        Self { alg: "HS512", key: hmac::Key::new(hmac::HMAC_SHA512, secret) }
    }
}

impl Signer for HmacSigner {
    fn alg(&self) -> &'static str {
        self.alg
    }

    fn is_slow(&self) -> bool {
        false
    }

    fn signature_len(&self) -> usize {
        self.key.algorithm().digest_algorithm().output_len()
    }

    fn sign(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed> {
        signature.extend_from_slice(hmac::sign(&self.key, input).as_ref());
        Ok(())
    }
}

/// Appends a part of a token: base64url without padding.
pub(crate) fn append_part(part: &[u8], token: &mut Vec<u8>) {
    let start = token.len();
    token.resize(start + encoded_len(part.len()), 0);
    if let Some(place) = token.get_mut(start..) {
        // The place is exactly as long as it has to be.
        let _ = URL_SAFE_NO_PAD.encode_slice(part, place);
    }
}

/// How many characters [`append_part`] appends for so many octets.
pub(crate) const fn encoded_len(octets: usize) -> usize {
    (octets * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hmac_is_that_of_rfc_7515() {
        // Appendix A.1 of the RFC.
        let secret = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .expect("base64url");
        let input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let mut signature = Vec::new();
        HmacSigner::hs256(&secret).sign(input.as_bytes(), &mut signature).expect("signed");
        let mut text = Vec::new();
        append_part(&signature, &mut text);
        assert_eq!(text, b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn a_part_fills_the_length_that_is_known_beforehand() {
        for octets in 0..100 {
            let part = vec![0xA5; octets];
            let mut text = b"earlier.".to_vec();
            append_part(&part, &mut text);
            assert_eq!(text, format!("earlier.{}", URL_SAFE_NO_PAD.encode(&part)).into_bytes());
        }
    }

    #[test]
    fn a_signature_has_the_length_that_was_announced() {
        for signer in [HmacSigner::hs256(b"secret"), HmacSigner::hs512(b"secret")] {
            let mut signature = Vec::new();
            signer.sign(b"input", &mut signature).expect("signed");
            assert_eq!(signature.len(), signer.signature_len());
        }
    }
}
