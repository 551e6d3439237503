//! Signatures by OpenSSL, which takes every key that is sound.

use openssl::{
    bn::BigNum,
    ecdsa::EcdsaSig,
    error::ErrorStack,
    md::Md,
    md_ctx::MdCtx,
    memcmp,
    pkey::{HasPublic, PKey, PKeyRef, Private},
    pkey_ctx::PkeyCtxRef,
    rsa::Padding,
    sign::RsaPssSaltlen,
};
use signet_plugin_api::{Signer, SigningFailed};

use super::{half, is_slow, not_for, not_whole};
use crate::{Algorithm, KeyError, PrivateKey, private::Material};

/// Octets that an ECDSA signature with P-384 has at most in OpenSSL's form (DER): two integers of 49 octets, and their heads.
const LONGEST_DER: usize = 104;

/// A key in OpenSSL's form. Its threads share nothing but the count of who holds it: each signature has a context of its own,
/// and OpenSSL keeps what blinds RSA for each thread.
pub(super) struct OpensslSigner {
    form: Form,
    key: PKey<Private>,
    signature_len: usize,
}

/// How an algorithm hashes and pads. The digest is looked up once, not for each signature.
struct Form {
    algorithm: Algorithm,
    /// None: the algorithm hashes by itself.
    digest: Option<Md>,
}

/// Whether this is the key's signature of `input`; of a public key only the public half is used.
pub(super) fn verifies(key: &PrivateKey, input: &[u8], signature: &[u8]) -> bool {
    let Ok(form) = Form::of(key.algorithm()) else { return false };
    let verified = match key.material() {
        Material::Pair(pair) => form.verify(pair, input, signature),
        Material::Secret(secret) => PKey::hmac(secret).and_then(|key| {
            let mut expected = vec![0; signature.len()];
            let length = form.sign_into(&key, input, &mut expected)?;
            Ok(length == signature.len() && memcmp::eq(&expected, signature))
        }),
    };
    verified.unwrap_or(false)
}

impl OpensslSigner {
    /// The same key, in OpenSSL's form.
    pub(super) fn new(key: &PrivateKey) -> Result<Self, KeyError> {
        let algorithm = key.algorithm();
        let form = Form::of(algorithm)?;
        let digest_len = form.digest.as_ref().map_or(0, |digest| digest.size());
        let key = match key.material() {
            Material::Pair(pair) => pair.clone(),
            Material::Secret(secret) => PKey::hmac(secret).map_err(|_| not_whole())?,
        };
        let signature_len = match (half(algorithm), algorithm.is_symmetric()) {
            (Some(half), _) => 2 * half,
            (None, true) => digest_len,
            // Of the modulus of RSA, and 64 of Ed25519.
            (None, false) => key.size(),
        };
        Ok(Self { form, key, signature_len })
    }

    fn try_sign(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), ErrorStack> {
        if let Some(half) = half(self.form.algorithm) {
            return self.try_sign_ecdsa(half, input, signature);
        }
        let start = signature.len();
        signature.resize(start + self.signature_len, 0);
        let length = self.form.sign_into(&self.key, input, signature.get_mut(start..).unwrap_or_default())?;
        signature.truncate(start + length);
        Ok(())
    }

    /// OpenSSL writes ECDSA signatures as DER; tokens have both numbers at their full length.
    fn try_sign_ecdsa(&self, half: usize, input: &[u8], signature: &mut Vec<u8>) -> Result<(), ErrorStack> {
        let mut der = [0; LONGEST_DER];
        let length = self.form.sign_into(&self.key, input, &mut der)?;
        let made = EcdsaSig::from_der(der.get(..length).unwrap_or_default())?;
        for number in [made.r(), made.s()] {
            signature.extend_from_slice(&number.to_vec_padded(half.try_into().unwrap_or_default())?);
        }
        Ok(())
    }
}

impl Signer for OpensslSigner {
    fn alg(&self) -> &'static str {
        self.form.algorithm.as_str()
    }

    fn is_slow(&self) -> bool {
        is_slow(self.form.algorithm)
    }

    fn signature_len(&self) -> usize {
        self.signature_len
    }

    fn sign(&self, input: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed> {
        self.try_sign(input, signature).map_err(|_| SigningFailed)
    }
}

impl Form {
    fn of(algorithm: Algorithm) -> Result<Self, KeyError> {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let name = match algorithm {
            Hs256 | Rs256 | Ps256 | Es256 => "SHA256",
            Hs384 | Rs384 | Ps384 | Es384 => "SHA384",
            Hs512 | Rs512 | Ps512 => "SHA512",
            EdDsa => return Ok(Self { algorithm, digest: None }),
            Es512 => return Err(not_for(algorithm)),
        };
        let digest = Md::fetch(None, name, None).map_err(|_| not_for(algorithm))?;
        Ok(Self { algorithm, digest: Some(digest) })
    }

    /// Gives how many octets were written.
    fn sign_into(&self, key: &PKeyRef<Private>, input: &[u8], place: &mut [u8]) -> Result<usize, ErrorStack> {
        let mut context = MdCtx::new()?;
        self.pad(context.digest_sign_init(self.digest.as_deref(), key)?)?;
        context.digest_sign(input, Some(place))
    }

    fn verify(&self, key: &PKeyRef<impl HasPublic>, input: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let mut context = MdCtx::new()?;
        self.pad(context.digest_verify_init(self.digest.as_deref(), key)?)?;
        match half(self.algorithm) {
            None => context.digest_verify(input, signature),
            Some(half) if signature.len() == 2 * half => {
                let (r, s) = signature.split_at(half);
                let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
                context.digest_verify(input, &signature.to_der()?)
            }
            Some(_) => Ok(false),
        }
    }

    /// PSS has a salt as long as the hash (RFC 7518, 3.5).
    fn pad<T>(&self, context: &mut PkeyCtxRef<T>) -> Result<(), ErrorStack> {
        if matches!(self.algorithm, Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512) {
            context.set_rsa_padding(Padding::PKCS1_PSS)?;
            context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        Ok(())
    }
}
