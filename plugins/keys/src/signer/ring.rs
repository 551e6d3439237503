//! Signatures by ring.

use openssl::{
    bn::{BigNumContext, BigNumRef},
    ec::PointConversionForm,
    error::ErrorStack,
    pkey::{Id, PKey, Private},
    rsa::Rsa,
};
use ring::{
    error::KeyRejected,
    hmac,
    rand::SystemRandom,
    rsa::{self, KeyPairComponents, PublicKeyComponents},
    signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding},
};
use signet_plugin_api::{Signer, SigningFailed};
use zeroize::Zeroizing;

use super::{half, is_slow, not_for, not_whole};
use crate::{
    Algorithm, KeyError, PrivateKey,
    private::{Material, octets},
};

/// ring's bounds on the keys that it signs with: the size of the modulus, what the size of a prime must be a multiple of,
/// and the size of the public exponent.
const MAX_BITS: i32 = 4096;
const PRIME_STEP: i32 = 512;
const EXPONENT_BITS: std::ops::RangeInclusive<i32> = 17..=33;

/// A key in ring's form.
pub(super) struct RingSigner {
    algorithm: Algorithm,
    signature_len: usize,
    key: Key,
}

enum Key {
    Hmac(hmac::Key),
    Rsa(Box<rsa::KeyPair>, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl RingSigner {
    /// The same key, in ring's form.
    pub(super) fn new(key: &PrivateKey) -> Result<Self, KeyError> {
        let algorithm = key.algorithm();
        let key = match key.material() {
            Material::Secret(secret) => Key::Hmac(hmac::Key::new(hmac_of(algorithm)?, secret)),
            Material::Pair(pair) => match pair.id() {
                Id::RSA => rsa_key(algorithm, pair)?,
                Id::EC => ecdsa_key(algorithm, pair)?,
                _ => ed25519_key(pair)?,
            },
        };
        let signature_len = match &key {
            Key::Hmac(key) => key.algorithm().digest_algorithm().output_len(),
            Key::Rsa(pair, _) => pair.public().modulus_len(),
            Key::Ecdsa(_) => half(algorithm).map_or(0, |half| 2 * half),
            Key::Ed25519(_) => 64,
        };
        Ok(Self { algorithm, signature_len, key })
    }
}

impl Signer for RingSigner {
    fn alg(&self) -> &'static str {
        self.algorithm.as_str()
    }

    fn is_slow(&self) -> bool {
        is_slow(self.algorithm)
    }

    fn signature_len(&self) -> usize {
        self.signature_len
    }

    fn sign(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed> {
        match &self.key {
            Key::Hmac(key) => signature.extend_from_slice(hmac::sign(key, input).as_ref()),
            Key::Ecdsa(key) => {
                let made = key.sign(&SystemRandom::new(), input).map_err(|_| SigningFailed)?;
                signature.extend_from_slice(made.as_ref());
            }
            Key::Ed25519(key) => signature.extend_from_slice(key.sign(input).as_ref()),
            Key::Rsa(key, encoding) => {
                let start = signature.len();
                signature.resize(start + self.signature_len, 0);
                let place = signature.get_mut(start..).ok_or(SigningFailed)?;
                key.sign(*encoding, &SystemRandom::new(), input, place).map_err(|_| SigningFailed)?;
            }
        }
        Ok(())
    }
}

fn hmac_of(algorithm: Algorithm) -> Result<hmac::Algorithm, KeyError> {
    match algorithm {
        Algorithm::Hs256 => Ok(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Ok(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Ok(hmac::HMAC_SHA512),
        _ => Err(not_for(algorithm)),
    }
}

/// The PSS salt of ring is as long as the hash, as RFC 7518, 3.5 wants it.
fn encoding_of(algorithm: Algorithm) -> Result<&'static dyn RsaEncoding, KeyError> {
    match algorithm {
        Algorithm::Rs256 => Ok(&signature::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Ok(&signature::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Ok(&signature::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Ok(&signature::RSA_PSS_SHA256),
        Algorithm::Ps384 => Ok(&signature::RSA_PSS_SHA384),
        Algorithm::Ps512 => Ok(&signature::RSA_PSS_SHA512),
        _ => Err(not_for(algorithm)),
    }
}

fn rsa_key(algorithm: Algorithm, pair: &PKey<Private>) -> Result<Key, KeyError> {
    let encoding = encoding_of(algorithm)?;
    let key = pair.rsa().map_err(|_| not_whole())?;
    let (Some(p), Some(q), Some(dp), Some(dq), Some(qi)) = (key.p(), key.q(), key.dmp1(), key.dmq1(), key.iqmp())
    else {
        return Err(beyond("an RSA key without `p`, `q`, `dp`, `dq` and `qi`"));
    };
    check_sizes(&key, p, q)?;
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: key.n().to_vec(), e: key.e().to_vec() },
        d: octets(key.d()),
        p: octets(p),
        q: octets(q),
        dP: octets(dp),
        dQ: octets(dq),
        qInv: octets(qi),
    };
    let key =
        rsa::KeyPair::from_components(&components).map_err(|rejected| beyond(&format!("this RSA key ({rejected})")))?;
    Ok(Key::Rsa(Box::new(key), encoding))
}

fn check_sizes(key: &Rsa<Private>, p: &BigNumRef, q: &BigNumRef) -> Result<(), KeyError> {
    let bits = key.n().num_bits();
    if bits > MAX_BITS {
        return Err(beyond(&format!("an RSA key of {bits} bits (it takes 2048 to {MAX_BITS})")));
    }
    let (p, q) = (p.num_bits(), q.num_bits());
    if p != q || p % PRIME_STEP != 0 {
        let sizes = if p == q { format!("{p}") } else { format!("{p} and {q}") };
        return Err(beyond(&format!("an RSA key with primes of {sizes} bits (it takes multiples of {PRIME_STEP})")));
    }
    if !EXPONENT_BITS.contains(&key.e().num_bits()) {
        return Err(beyond("an RSA key with such a public exponent (it takes 65537 to 2^33)"));
    }
    Ok(())
}

fn ecdsa_key(algorithm: Algorithm, pair: &PKey<Private>) -> Result<Key, KeyError> {
    let form: &'static EcdsaSigningAlgorithm = match algorithm {
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => return Err(not_for(algorithm)),
    };
    let (scalar, point) = ec_octets(algorithm, pair).map_err(|_| not_whole())?;
    EcdsaKeyPair::from_private_key_and_public_key(form, &scalar, &point, &SystemRandom::new())
        .map(Key::Ecdsa)
        .map_err(rejected)
}

/// The private scalar at its full length, and the public point.
fn ec_octets(algorithm: Algorithm, pair: &PKey<Private>) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), ErrorStack> {
    let key = pair.ec_key()?;
    let length = half(algorithm).and_then(|half| half.try_into().ok()).unwrap_or_default();
    let scalar = Zeroizing::new(key.private_key().to_vec_padded(length)?);
    let mut context = BigNumContext::new()?;
    let point = key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
    Ok((scalar, point))
}

fn ed25519_key(pair: &PKey<Private>) -> Result<Key, KeyError> {
    let seed = pair.raw_private_key().map(Zeroizing::new).map_err(|_| not_whole())?;
    let public = pair.raw_public_key().map_err(|_| not_whole())?;
    Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map(Key::Ed25519).map_err(rejected)
}

fn rejected(_: KeyRejected) -> KeyError {
    not_whole()
}

/// What ring does not take and OpenSSL does.
fn beyond(what: &str) -> KeyError {
    KeyError::new(format!("ring does not sign with {what}; `signing_backend: openssl` does"))
}
