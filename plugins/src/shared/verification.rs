//! Keys that verify signatures of others: parsed and checked once, each for the algorithms that fit it and no others.

use std::fmt;

use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcKey, PointConversionForm},
    ecdsa::EcdsaSig,
    error::ErrorStack,
    nid::Nid,
    pkey::{Id, PKey, PKeyRef, Public},
    rsa::Rsa,
    sha::sha512,
    sign::Verifier,
    x509::X509,
};
use ring::{
    hmac,
    signature::{self as ring_signature, RsaPublicKeyComponents, UnparsedPublicKey},
};

use signet_keys::{Algorithm, KeyError};

/// Octets of one half of a signature with P-521 (RFC 7518, 3.4).
const P521_HALF: usize = 66;

/// A key that verifies. It says nothing of itself: a shared secret is one.
pub(crate) struct VerificationKey {
    material: Material,
    /// The one algorithm that its owner allows; otherwise all that fit.
    only: Option<Algorithm>,
}

/// The signature is not the key's, or the key is not for the algorithm. It says no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub(crate) struct BadSignature;

/// ring has what is verified often: it is as fast as OpenSSL through its crate or faster, allocates nothing and shares no
/// state between threads. P-521 and Ed448 it does not have; OpenSSL, which TLS links anyway, does.
enum Material {
    Hmac(hmac::Key),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    P256(UnparsedPublicKey<Vec<u8>>),
    P384(UnparsedPublicKey<Vec<u8>>),
    P521(EcKey<Public>),
    Ed25519(UnparsedPublicKey<Vec<u8>>),
    Ed448(PKey<Public>),
}

impl VerificationKey {
    /// A shared secret, its octets as they stand, for one of the HMAC algorithms.
    pub(crate) fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let digest = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            other => return Err(KeyError::new(format!("{} needs a public key, not a secret", other.as_str()))),
        };
        if secret.is_empty() {
            return Err(KeyError::new("must not be empty"));
        }
        Ok(Self { material: Material::Hmac(hmac::Key::new(digest, secret)), only: Some(algorithm) })
    }

    /// A public key (`PUBLIC KEY`, `RSA PUBLIC KEY`) or the one of a certificate, PEM, for one algorithm.
    pub(crate) fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let key = public_key(pem)?;
        Self::from_public_key(&key, Some(algorithm))
    }

    /// A public key for one algorithm, or for all that fit it.
    pub(super) fn from_public_key(key: &PKeyRef<Public>, only: Option<Algorithm>) -> Result<Self, KeyError> {
        let material = Material::of(key)?;
        match only {
            Some(algorithm) if !material.algorithms().contains(&algorithm) => {
                Err(KeyError::new(format!("a key of type {} cannot verify {}", material.kind(), algorithm.as_str())))
            }
            _ => Ok(Self { material, only }),
        }
    }

    /// Whether it may verify this algorithm. A token's header never widens it: an RSA key is no HMAC secret.
    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.only.map_or_else(|| self.material.algorithms().contains(&algorithm), |only| only == algorithm)
    }

    /// Whether a verification takes so long (a third of a millisecond and more) that it belongs on threads of its own.
    pub(crate) fn is_slow(&self) -> bool {
        match &self.material {
            Material::P384(_) | Material::P521(_) => true,
            Material::Rsa(key) => key.n.len() > 512,
            Material::Hmac(_) | Material::P256(_) | Material::Ed25519(_) | Material::Ed448(_) => false,
        }
    }

    /// Verifies a raw signature, as it stands in a compact token, of `input`. HMACs are compared in constant time.
    ///
    /// # Errors
    /// When it is not the key's, and when the algorithm is not one that the key is for.
    pub(crate) fn verify(&self, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        if !self.allows(algorithm) {
            return Err(BadSignature);
        }
        let rsa = |key: &RsaPublicKeyComponents<Vec<u8>>, parameters| key.verify(parameters, input, signature);
        match (&self.material, algorithm) {
            (Material::Hmac(key), Hs256 | Hs384 | Hs512) => hmac::verify(key, input, signature),
            (Material::Rsa(key), Rs256) => rsa(key, &ring_signature::RSA_PKCS1_2048_8192_SHA256),
            (Material::Rsa(key), Rs384) => rsa(key, &ring_signature::RSA_PKCS1_2048_8192_SHA384),
            (Material::Rsa(key), Rs512) => rsa(key, &ring_signature::RSA_PKCS1_2048_8192_SHA512),
            (Material::Rsa(key), Ps256) => rsa(key, &ring_signature::RSA_PSS_2048_8192_SHA256),
            (Material::Rsa(key), Ps384) => rsa(key, &ring_signature::RSA_PSS_2048_8192_SHA384),
            (Material::Rsa(key), Ps512) => rsa(key, &ring_signature::RSA_PSS_2048_8192_SHA512),
            (Material::P256(key), Es256) | (Material::P384(key), Es384) | (Material::Ed25519(key), EdDsa) => {
                key.verify(input, signature)
            }
            (Material::P521(key), Es512) => return accept(verify_p521(key, input, signature)),
            (Material::Ed448(key), EdDsa) => return accept(verify_ed448(key, input, signature)),
            _ => return Err(BadSignature),
        }
        .map_err(|_| BadSignature)
    }
}

/// The type and the algorithms; never the key.
impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey").field("kind", &self.material.kind()).field("only", &self.only).finish()
    }
}

impl Material {
    fn of(key: &PKeyRef<Public>) -> Result<Self, KeyError> {
        let unusable = |_: ErrorStack| KeyError::new("the key cannot be read");
        match key.id() {
            Id::RSA => rsa(&key.rsa().map_err(unusable)?),
            Id::EC => elliptic(key.ec_key().map_err(unusable)?),
            Id::ED25519 => {
                let octets = key.raw_public_key().map_err(unusable)?;
                Ok(Self::Ed25519(UnparsedPublicKey::new(&ring_signature::ED25519, octets)))
            }
            Id::ED448 => Ok(Self::Ed448(key.to_owned())),
            _ => Err(KeyError::new("only RSA, EC (P-256, P-384, P-521), Ed25519 and Ed448 keys are supported")),
        }
    }

    fn algorithms(&self) -> &'static [Algorithm] {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            // Each is made for the digest of one algorithm, which `only` names.
            Self::Hmac(_) => &[],
            Self::Rsa(_) => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            Self::P256(_) => &[Es256],
            Self::P384(_) => &[Es384],
            Self::P521(_) => &[Es512],
            Self::Ed25519(_) | Self::Ed448(_) => &[EdDsa],
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "HMAC",
            Self::Rsa(_) => "RSA",
            Self::P256(_) => "EC P-256",
            Self::P384(_) => "EC P-384",
            Self::P521(_) => "EC P-521",
            Self::Ed25519(_) => "Ed25519",
            Self::Ed448(_) => "Ed448",
        }
    }
}

fn public_key(pem: &str) -> Result<PKey<Public>, KeyError> {
    if pem.contains("PRIVATE KEY-----") {
        return Err(KeyError::new("this is a private key; who verifies needs the public half alone"));
    }
    let pem = pem.trim().as_bytes();
    let parsed = if pem.starts_with(b"-----BEGIN CERTIFICATE-----") {
        X509::from_pem(pem).and_then(|certificate| certificate.public_key())
    } else if pem.starts_with(b"-----BEGIN RSA PUBLIC KEY-----") {
        Rsa::public_key_from_pem_pkcs1(pem).and_then(PKey::from_rsa)
    } else {
        PKey::public_key_from_pem(pem)
    };
    parsed.map_err(|_| KeyError::new("not a public key or a certificate in PEM form"))
}

/// What ring would say of each signature is said here of the key.
fn rsa(key: &Rsa<Public>) -> Result<Material, KeyError> {
    let bits = key.n().num_bits();
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::new(format!("an RSA key of {bits} bits is not supported; 2048 to 8192")));
    }
    let (n, e) = (key.n().to_vec(), key.e().to_vec());
    let is_odd = |number: &[u8]| number.last().is_some_and(|octet| octet & 1 == 1);
    if !is_odd(&n) || !is_odd(&e) || e == [1] || key.e().num_bits() > 33 {
        return Err(KeyError::new("its modulus or exponent is not that of an RSA key"));
    }
    Ok(Material::Rsa(RsaPublicKeyComponents { n, e }))
}

fn elliptic(key: EcKey<Public>) -> Result<Material, KeyError> {
    let invalid = |_: ErrorStack| KeyError::new("its point is not on its curve");
    key.check_key().map_err(invalid)?;
    let point = || {
        let mut context = BigNumContext::new()?;
        key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)
    };
    match key.group().curve_name() {
        Some(Nid::X9_62_PRIME256V1) => {
            let point = point().map_err(invalid)?;
            Ok(Material::P256(UnparsedPublicKey::new(&ring_signature::ECDSA_P256_SHA256_FIXED, point)))
        }
        Some(Nid::SECP384R1) => {
            let point = point().map_err(invalid)?;
            Ok(Material::P384(UnparsedPublicKey::new(&ring_signature::ECDSA_P384_SHA384_FIXED, point)))
        }
        Some(Nid::SECP521R1) => Ok(Material::P521(key)),
        _ => Err(KeyError::new("of the elliptic curves, only P-256, P-384 and P-521 are supported")),
    }
}

fn verify_p521(key: &EcKey<Public>, input: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
    if signature.len() != 2 * P521_HALF {
        return Ok(false);
    }
    let (r, s) = signature.split_at(P521_HALF);
    let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
    signature.verify(&sha512(input), key)
}

fn verify_ed448(key: &PKey<Public>, input: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
    Verifier::new_without_digest(key)?.verify_oneshot(signature, input)
}

fn accept(verdict: Result<bool, ErrorStack>) -> Result<(), BadSignature> {
    if verdict.unwrap_or(false) { Ok(()) } else { Err(BadSignature) }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use openssl::{asn1::Asn1Time, hash::MessageDigest, x509::X509Name};

    use super::*;
    use crate::shared::testing::Forge;

    const INPUT: &[u8] = b"what is signed";

    fn reason(algorithm: Algorithm, pem: &str) -> String {
        VerificationKey::from_pem(algorithm, pem).expect_err("no key").to_string()
    }

    #[test]
    fn every_algorithm_verifies_its_own_signatures_and_no_others() {
        let forges = Algorithm::ALL.map(Forge::new);
        let signatures = forges.each_ref().map(|forge| forge.sign(INPUT));
        for (forge, own) in forges.iter().zip(&signatures) {
            let key = forge.verifier();
            let name = forge.algorithm.as_str();
            assert_eq!(key.verify(forge.algorithm, INPUT, own), Ok(()), "{name}");
            assert_eq!(key.verify(forge.algorithm, b"something else", own), Err(BadSignature), "{name}");
            assert_eq!(key.verify(forge.algorithm, INPUT, b""), Err(BadSignature), "{name}");
            assert_eq!(key.verify(forge.algorithm, INPUT, &own[..own.len() - 1]), Err(BadSignature), "{name}");
            assert_eq!(key.verify(forge.algorithm, INPUT, &[own, &b"\0"[..]].concat()), Err(BadSignature), "{name}");
            assert_eq!(key.verify(forge.algorithm, INPUT, &vec![0; own.len()]), Err(BadSignature), "{name}");
            for (other, signature) in
                forges.iter().zip(&signatures).filter(|(other, _)| other.algorithm != forge.algorithm)
            {
                assert_eq!(key.verify(other.algorithm, INPUT, signature), Err(BadSignature), "{name}");
                assert_eq!(key.verify(forge.algorithm, INPUT, signature), Err(BadSignature), "{name}");
            }
        }
    }

    #[test]
    fn a_public_key_is_no_shared_secret() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let forge = Forge::new(algorithm);
            let key = forge.verifier();
            for hmac in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
                let forged = Forge::shared(hmac, forge.pem().as_bytes()).sign(INPUT);
                assert_eq!(key.verify(hmac, INPUT, &forged), Err(BadSignature));
                assert_eq!(key.verify(algorithm, INPUT, &forged), Err(BadSignature));
                assert!(VerificationKey::from_pem(hmac, &forge.pem()).is_err());
                assert!(VerificationKey::from_secret(algorithm, forge.pem().as_bytes()).is_err());
            }
        }
    }

    #[test]
    fn one_rsa_key_serves_the_algorithm_that_it_was_given_for() {
        let forge = Forge::new(Algorithm::Rs256);
        for algorithm in [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512] {
            let other = forge.as_if(algorithm);
            assert_eq!(other.verifier().verify(algorithm, INPUT, &other.sign(INPUT)), Ok(()));
            assert_eq!(forge.verifier().verify(algorithm, INPUT, &other.sign(INPUT)), Err(BadSignature));
        }
    }

    #[test]
    fn ed448_is_an_eddsa_too() {
        let forge = Forge::with(Algorithm::EdDsa, PKey::generate_ed448().expect("a key"));
        assert_eq!(forge.verifier().verify(Algorithm::EdDsa, INPUT, &forge.sign(INPUT)), Ok(()));
        assert_eq!(forge.verifier().verify(Algorithm::EdDsa, b"", &forge.sign(INPUT)), Err(BadSignature));
    }

    #[test]
    fn the_signature_of_rfc_8037_verifies() {
        // Appendix A.4 of the RFC.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("base64url");
        let key = PKey::public_key_from_raw_bytes(&x, Id::ED25519).expect("a key");
        let key = VerificationKey::from_public_key(&key, None).expect("a key");
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert_eq!(key.verify(Algorithm::EdDsa, input, &signature), Ok(()));
    }

    #[test]
    fn a_key_comes_as_pkcs1_and_in_a_certificate_too() {
        let private = Rsa::generate(2048).expect("a key");
        let pkcs1 = String::from_utf8(private.public_key_to_pem_pkcs1().expect("PEM")).expect("text");
        let private = PKey::from_rsa(private).expect("a key");
        let mut name = X509Name::builder().expect("a name");
        name.append_entry_by_text("CN", "issuer").expect("a name");
        let name = name.build();
        let mut certificate = X509::builder().expect("a builder");
        certificate.set_subject_name(&name).expect("a subject");
        certificate.set_issuer_name(&name).expect("an issuer");
        certificate.set_pubkey(&private).expect("a key");
        certificate.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("a time");
        certificate.set_not_after(&Asn1Time::days_from_now(1).expect("a time")).expect("a time");
        certificate.sign(&private, MessageDigest::sha256()).expect("signed");
        let certificate = String::from_utf8(certificate.build().to_pem().expect("PEM")).expect("text");
        let forge = Forge::with(Algorithm::Rs256, private);
        for pem in [forge.pem(), format!("\n  {}", forge.pem()), pkcs1, certificate] {
            let key = VerificationKey::from_pem(Algorithm::Rs256, &pem).expect("a key");
            assert_eq!(key.verify(Algorithm::Rs256, INPUT, &forge.sign(INPUT)), Ok(()), "{pem}");
        }
    }

    #[test]
    fn every_unusable_key_is_refused_with_a_reason() {
        const NO_PEM: &str = "not a public key or a certificate in PEM form";
        let small = PKey::from_rsa(Rsa::generate(1024).expect("a key")).expect("a key");
        let private = String::from_utf8(small.private_key_to_pem_pkcs8().expect("PEM")).expect("text");
        let secp256k1 = openssl::ec::EcGroup::from_curve_name(Nid::SECP256K1).expect("a curve");
        let other_curve = PKey::from_ec_key(EcKey::generate(&secp256k1).expect("a key")).expect("a key");
        let agreement = PKey::generate_x25519().expect("a key");
        let es256 = Forge::new(Algorithm::Es256).pem();
        let cases = [
            (Algorithm::Rs256, String::new(), NO_PEM),
            (Algorithm::Rs256, "hello".to_owned(), NO_PEM),
            (Algorithm::Rs256, es256.replace('\n', " "), NO_PEM),
            (Algorithm::Rs256, es256[..es256.len() / 2].to_owned(), NO_PEM),
            (Algorithm::Rs256, private, "this is a private key; who verifies needs the public half alone"),
            (
                Algorithm::Rs256,
                Forge::with(Algorithm::Rs256, small).pem(),
                "an RSA key of 1024 bits is not supported; 2048 to 8192",
            ),
            (Algorithm::Rs256, es256.clone(), "a key of type EC P-256 cannot verify RS256"),
            (Algorithm::Es384, es256.clone(), "a key of type EC P-256 cannot verify ES384"),
            (Algorithm::Hs256, es256, "a key of type EC P-256 cannot verify HS256"),
            (
                Algorithm::Es256,
                Forge::with(Algorithm::Es256, other_curve).pem(),
                "of the elliptic curves, only P-256, P-384 and P-521 are supported",
            ),
            (
                Algorithm::EdDsa,
                Forge::with(Algorithm::EdDsa, agreement).pem(),
                "only RSA, EC (P-256, P-384, P-521), Ed25519 and Ed448 keys are supported",
            ),
        ];
        for (algorithm, pem, expected) in cases {
            assert_eq!(reason(algorithm, &pem), expected);
        }
        assert!(VerificationKey::from_secret(Algorithm::Hs256, b"").is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = VerificationKey::from_secret(Algorithm::Hs256, b"hunter2").expect("a key");
        assert_eq!(format!("{key:?}"), r#"VerificationKey { kind: "HMAC", only: Some(Hs256) }"#);
    }
}
