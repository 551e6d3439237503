//! Tokens for tests, signed by OpenSSL: mostly another library than the one that verifies them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    hash::{MessageDigest, hash},
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::{Padding, Rsa},
    sign::{RsaPssSaltlen, Signer},
};
use serde_json::{Value, json};

use signet_keys::Algorithm;

use super::verification::VerificationKey;

/// A key that signs with one algorithm.
pub(crate) struct Forge {
    pub(crate) algorithm: Algorithm,
    key: PKey<Private>,
}

impl Forge {
    /// A new key: RSA of 2048 bits, the curve of the algorithm, Ed25519, or a secret of 64 octets.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        use Algorithm::{EdDsa, Es256, Es384, Es512};
        let curve = |curve| {
            let group = EcGroup::from_curve_name(curve)?;
            PKey::from_ec_key(EcKey::generate(&group)?)
        };
        let key = match algorithm {
            symmetric if symmetric.is_symmetric() => return Self::shared(algorithm, &[7; 64]),
            Es256 => curve(Nid::X9_62_PRIME256V1),
            Es384 => curve(Nid::SECP384R1),
            Es512 => curve(Nid::SECP521R1),
            EdDsa => PKey::generate_ed25519(),
            _ => Rsa::generate(2048).and_then(PKey::from_rsa),
        };
        Self { algorithm, key: key.expect("a key") }
    }

    /// With this key.
    pub(crate) fn with(algorithm: Algorithm, key: PKey<Private>) -> Self {
        Self { algorithm, key }
    }

    /// With this shared secret.
    pub(crate) fn shared(algorithm: Algorithm, secret: &[u8]) -> Self {
        Self { algorithm, key: PKey::hmac(secret).expect("a secret") }
    }

    /// The same key for another algorithm.
    pub(crate) fn as_if(&self, algorithm: Algorithm) -> Self {
        Self { algorithm, key: self.key.clone() }
    }

    /// The public half, PEM.
    pub(crate) fn pem(&self) -> String {
        String::from_utf8(self.key.public_key_to_pem().expect("a public key")).expect("PEM")
    }

    /// The key that verifies; of a shared secret it is that of [`Forge::new`].
    pub(crate) fn verifier(&self) -> VerificationKey {
        let key = match self.algorithm.is_symmetric() {
            true => VerificationKey::from_secret(self.algorithm, &[7; 64]),
            false => VerificationKey::from_pem(self.algorithm, &self.pem()),
        };
        key.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The public half as a JWK without `kid`, `alg` and `use`.
    pub(crate) fn jwk(&self) -> Value {
        if let Ok(rsa) = self.key.rsa() {
            return json!({"kty": "RSA", "n": encode(&rsa.n().to_vec()), "e": encode(&rsa.e().to_vec())});
        }
        if let Ok(key) = self.key.ec_key() {
            let (crv, octets) = match key.group().curve_name().expect("a named curve") {
                Nid::X9_62_PRIME256V1 => ("P-256", 32),
                Nid::SECP384R1 => ("P-384", 48),
                _ => ("P-521", 66),
            };
            let mut context = BigNumContext::new().expect("memory");
            let (mut x, mut y) = (BigNum::new().expect("memory"), BigNum::new().expect("memory"));
            key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).expect("a point");
            return json!({"kty": "EC", "crv": crv, "x": encode(&x.to_vec_padded(octets).expect("x")),
                "y": encode(&y.to_vec_padded(octets).expect("y"))});
        }
        let crv = if self.key.id() == Id::ED448 { "Ed448" } else { "Ed25519" };
        json!({"kty": "OKP", "crv": crv, "x": encode(&self.key.raw_public_key().expect("octets"))})
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm.as_str(), "typ": "JWT"}), claims)
    }

    /// A token with this header.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token with these texts in place of header and claims.
    pub(crate) fn sign_text(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = self.sign(input.as_bytes());
        format!("{input}.{}", encode(&signature))
    }

    /// The raw signature.
    pub(crate) fn sign(&self, input: &[u8]) -> Vec<u8> {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Hs256, Hs384, Ps256, Ps384, Ps512, Rs256, Rs384};
        let digest = match self.algorithm {
            Hs256 | Rs256 | Ps256 | Es256 => MessageDigest::sha256(),
            Hs384 | Rs384 | Ps384 | Es384 => MessageDigest::sha384(),
            EdDsa => {
                let mut signer = Signer::new_without_digest(&self.key).expect("a signer");
                return signer.sign_oneshot_to_vec(input).expect("signed");
            }
            _ => MessageDigest::sha512(),
        };
        if matches!(self.algorithm, Es256 | Es384 | Es512) {
            return self.sign_elliptic(&hash(digest, input).expect("a digest"));
        }
        let mut signer = Signer::new(digest, &self.key).expect("a signer");
        if matches!(self.algorithm, Ps256 | Ps384 | Ps512) {
            signer.set_rsa_padding(Padding::PKCS1_PSS).expect("PSS");
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).expect("PSS");
        }
        signer.update(input).expect("signed");
        signer.sign_to_vec().expect("signed")
    }

    fn sign_elliptic(&self, digest: &[u8]) -> Vec<u8> {
        let key = self.key.ec_key().expect("an EC key");
        let half = key.group().degree().div_ceil(8).try_into().expect("a length");
        let signature = EcdsaSig::sign(digest, &key).expect("signed");
        [signature.r().to_vec_padded(half).expect("r"), signature.s().to_vec_padded(half).expect("s")].concat()
    }
}

/// base64url without padding.
pub(crate) fn encode(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}
