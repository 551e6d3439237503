//! Both libraries, each checked by the other.

use ::openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::{Rsa, RsaPrivateKeyBuilder},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::*;
use crate::private::Material;

const INPUT: &[u8] = b"what is signed";

/// What tokens are signed with: all but ES512.
const SIGNING: [Algorithm; 12] = {
    use Algorithm::{EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    [Hs256, Hs384, Hs512, Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, EdDsa]
};

const BACKENDS: [SigningBackend; 2] = [SigningBackend::Ring, SigningBackend::Openssl];

const RSA_8192: &str = include_str!("../../../../test-keys/rsa8192-private.pem");

fn group(curve: Nid) -> EcGroup {
    EcGroup::from_curve_name(curve).expect("a curve")
}

fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&group(curve)).expect("a key")).expect("a key")
}

fn rsa(key: Result<Rsa<Private>, ErrorStack>) -> PKey<Private> {
    PKey::from_rsa(key.expect("a key")).expect("a key")
}

fn pair(algorithm: Algorithm, key: PKey<Private>) -> PrivateKey {
    PrivateKey::new(algorithm, Material::Pair(key)).expect("a key")
}

fn secret(algorithm: Algorithm, octets: &[u8]) -> PrivateKey {
    PrivateKey::new(algorithm, Material::Secret(Zeroizing::new(octets.to_vec()))).expect("a key")
}

fn a_key(algorithm: Algorithm) -> PrivateKey {
    match algorithm {
        symmetric if symmetric.is_symmetric() => secret(algorithm, &[7; 64]),
        Algorithm::Es256 => pair(algorithm, ec(Nid::X9_62_PRIME256V1)),
        Algorithm::Es384 => pair(algorithm, ec(Nid::SECP384R1)),
        Algorithm::EdDsa => pair(algorithm, PKey::generate_ed25519().expect("a key")),
        _ => pair(algorithm, rsa(Rsa::generate(2048))),
    }
}

fn signer(key: &PrivateKey, backend: SigningBackend) -> Arc<dyn Signer> {
    key.signer(backend).unwrap_or_else(|error| panic!("{key:?} with {backend:?}: {error}"))
}

fn signature(key: &PrivateKey, backend: SigningBackend, input: &[u8]) -> Vec<u8> {
    let mut signature = b"before".to_vec();
    signer(key, backend).sign(input, &mut signature).expect("signed");
    assert_eq!(signature.drain(..6).as_slice(), b"before", "what stood there stays");
    signature
}

fn reason(key: &PrivateKey, backend: SigningBackend) -> String {
    key.signer(backend).err().expect("a mistake").to_string()
}

/// Verified by ring, which has nothing to do with what OpenSSL makes and believes.
fn ring_verifies(key: &PrivateKey, input: &[u8], signature: &[u8]) -> bool {
    use ::ring::{hmac, signature as public};
    let pair = match key.material() {
        Material::Secret(secret) => {
            let digest = match key.algorithm() {
                Algorithm::Hs256 => hmac::HMAC_SHA256,
                Algorithm::Hs384 => hmac::HMAC_SHA384,
                _ => hmac::HMAC_SHA512,
            };
            return hmac::verify(&hmac::Key::new(digest, secret), input, signature).is_ok();
        }
        Material::Pair(pair) => pair,
    };
    let form: &'static dyn public::VerificationAlgorithm = match key.algorithm() {
        Algorithm::Rs256 => &public::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &public::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &public::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &public::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &public::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &public::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 => &public::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &public::ECDSA_P384_SHA384_FIXED,
        _ => &public::ED25519,
    };
    let octets = match pair.id() {
        Id::RSA => pair.rsa().expect("RSA").public_key_to_der_pkcs1().expect("DER"),
        Id::EC => {
            let key = pair.ec_key().expect("EC");
            let mut context = BigNumContext::new().expect("memory");
            let form = ::openssl::ec::PointConversionForm::UNCOMPRESSED;
            key.public_key().to_bytes(key.group(), form, &mut context).expect("a point")
        }
        _ => pair.raw_public_key().expect("octets"),
    };
    public::UnparsedPublicKey::new(form, octets).verify(input, signature).is_ok()
}

#[test]
fn each_library_takes_what_the_other_signed_with_every_algorithm() {
    for algorithm in SIGNING {
        let key = a_key(algorithm);
        for backend in BACKENDS {
            let made = signature(&key, backend, INPUT);
            let name = format!("{algorithm:?} by {backend:?}");
            assert!(ring_verifies(&key, INPUT, &made), "{name}");
            assert!(openssl::verifies(&key, INPUT, &made), "{name}");
            assert!(!openssl::verifies(&key, b"something else", &made), "{name}");
            assert!(!openssl::verifies(&key, INPUT, &made[..made.len() - 1]), "{name}");
            assert!(!openssl::verifies(&key, INPUT, &[]), "{name}");
            assert!(!openssl::verifies(&a_key_like(&key), INPUT, &made), "{name}");
        }
    }
}

/// Another key for the same algorithm.
fn a_key_like(key: &PrivateKey) -> PrivateKey {
    match key.algorithm() {
        symmetric if symmetric.is_symmetric() => secret(symmetric, &[8; 64]),
        algorithm => a_key(algorithm),
    }
}

#[test]
fn where_a_signature_is_determined_both_libraries_make_the_same() {
    for algorithm in SIGNING {
        let key = a_key(algorithm);
        let (by_ring, by_openssl) = (BACKENDS[0], BACKENDS[1]);
        let mut inputs: Vec<Vec<u8>> = [0, 1, 63, 64, 65, 127, 128, 129, 4096].map(|length| vec![b'a'; length]).into();
        inputs.push(INPUT.to_vec());
        for input in inputs {
            let same = signature(&key, by_ring, &input) == signature(&key, by_openssl, &input);
            let is_random = matches!(
                algorithm,
                Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 | Algorithm::Es256 | Algorithm::Es384
            );
            assert_eq!(same, !is_random, "{algorithm:?}, {} octets", input.len());
        }
    }
}

#[test]
fn a_signer_says_what_it_is() {
    let expected = [32, 48, 64, 256, 256, 256, 256, 256, 256, 64, 96, 64];
    for (algorithm, length) in SIGNING.into_iter().zip(expected) {
        let key = a_key(algorithm);
        for backend in BACKENDS {
            let signer = signer(&key, backend);
            assert_eq!((signer.alg(), signer.signature_len()), (algorithm.as_str(), length));
            let quick = algorithm.is_symmetric() || matches!(algorithm, Algorithm::Es256 | Algorithm::EdDsa);
            assert_eq!(signer.is_slow(), !quick, "{algorithm:?}");
        }
    }
}

#[test]
fn an_ecdsa_signature_has_its_length_whatever_its_numbers() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let key = a_key(algorithm);
        let signer = signer(&key, SigningBackend::Openssl);
        let mut leading_zeros = 0;
        // One half in 256 begins with a zero, which DER leaves out: 3,000 without one would be a miracle.
        for count in 0..1_500_u32 {
            let mut made = Vec::new();
            signer.sign(&count.to_be_bytes(), &mut made).expect("signed");
            assert_eq!(made.len(), signer.signature_len());
            let short = made[0] == 0 || made[made.len() / 2] == 0;
            if short {
                leading_zeros += 1;
                assert!(ring_verifies(&key, &count.to_be_bytes(), &made), "{made:?}");
            }
            if leading_zeros == 3 {
                break;
            }
        }
        assert!(leading_zeros > 0);
    }
}

#[test]
fn threads_that_sign_with_one_key_do_not_disturb_each_other() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let key = a_key(algorithm);
        for backend in BACKENDS {
            let signer = signer(&key, backend);
            std::thread::scope(|threads| {
                for thread in 0..4_u8 {
                    let (key, signer) = (&key, &signer);
                    threads.spawn(move || {
                        for count in 0..20_u8 {
                            let (input, mut made) = ([thread, count], Vec::new());
                            signer.sign(&input, &mut made).expect("signed");
                            assert!(ring_verifies(key, &input, &made));
                        }
                    });
                }
            });
        }
    }
}

#[test]
fn what_ring_does_not_take_openssl_signs_with() {
    let public = |key: &Rsa<Private>| [key.n(), key.e(), key.d()].map(|number| number.to_owned().expect("a number"));
    let whole = Rsa::generate(2048).expect("a key");
    let [n, e, d] = public(&whole);
    let bare = RsaPrivateKeyBuilder::new(n, e, d).map(RsaPrivateKeyBuilder::build);
    let three = BigNum::from_u32(3).expect("a number");
    let long = BigNum::from_slice(&[1, 0, 0, 0, 0, 1]).expect("a number");
    let cases = [
        (
            PKey::private_key_from_pem(RSA_8192.as_bytes()).expect("a key"),
            "an RSA key of 8192 bits (it takes 2048 to 4096)",
        ),
        (rsa(Rsa::generate(2056)), "an RSA key with primes of 1028 bits (it takes multiples of 512)"),
        (rsa(bare), "an RSA key without `p`, `q`, `dp`, `dq` and `qi`"),
        (rsa(Rsa::generate_with_e(2048, &three)), "an RSA key with such a public exponent (it takes 65537 to 2^33)"),
        (rsa(Rsa::generate_with_e(2048, &long)), "an RSA key with such a public exponent (it takes 65537 to 2^33)"),
    ];
    for (key, what) in cases {
        for algorithm in [Algorithm::Rs256, Algorithm::Ps512] {
            let key = pair(algorithm, key.clone());
            let expected = format!("ring does not sign with {what}; `signing_backend: openssl` does");
            assert_eq!(reason(&key, SigningBackend::Ring), expected);
            let made = signature(&key, SigningBackend::Openssl, INPUT);
            assert!(openssl::verifies(&key, INPUT, &made), "{what}");
        }
    }
}

#[test]
fn the_smaller_prime_may_come_first() {
    let key = Rsa::generate(2048).expect("a key");
    let [n, e, d] = [key.n(), key.e(), key.d()].map(|number| number.to_owned().expect("a number"));
    let [p, q] = [key.p(), key.q()].map(|number| number.expect("a prime").to_owned().expect("a number"));
    let [dp, dq] = [key.dmp1(), key.dmq1()].map(|number| number.expect("a part").to_owned().expect("a number"));
    let mut context = BigNumContext::new().expect("memory");
    let mut inverse = BigNum::new().expect("memory");
    inverse.mod_inverse(&p, &q, &mut context).expect("an inverse");
    let swapped = RsaPrivateKeyBuilder::new(n, e, d)
        .and_then(|key| key.set_factors(q, p))
        .and_then(|key| key.set_crt_params(dq, dp, inverse))
        .map(RsaPrivateKeyBuilder::build);
    let key = pair(Algorithm::Rs256, rsa(swapped));
    assert_eq!(signature(&key, BACKENDS[0], INPUT), signature(&key, BACKENDS[1], INPUT));
}

#[test]
fn a_key_whose_halves_do_not_belong_together_is_refused() {
    let group = group(Nid::X9_62_PRIME256V1);
    let [one, other] = [(), ()].map(|()| EcKey::generate(&group).expect("a key"));
    let mixed = EcKey::from_private_components(&group, one.private_key(), other.public_key()).expect("unchecked");
    let elliptic = pair(Algorithm::Es256, PKey::from_ec_key(mixed).expect("a key"));

    let [one, other] = [(), ()].map(|()| Rsa::generate(2048).expect("a key"));
    let number = |number: &::openssl::bn::BigNumRef| number.to_owned().expect("a number");
    let mixed = RsaPrivateKeyBuilder::new(number(one.n()), number(one.e()), number(other.d()));
    let bare = pair(Algorithm::Rs256, rsa(mixed.map(RsaPrivateKeyBuilder::build)));

    let reasons = [
        reason(&elliptic, SigningBackend::Ring),
        reason(&elliptic, SigningBackend::Openssl),
        reason(&bare, SigningBackend::Openssl),
    ];
    assert_eq!(reasons, ["its members do not belong together: a trial signature failed"; 3]);
}

#[test]
fn a_key_of_another_type_than_its_algorithm_is_refused() {
    let ec = |curve| Material::Pair(ec(curve));
    let rsa = || Material::Pair(rsa(Rsa::generate(2048)));
    let cases = [
        (Algorithm::Rs256, ec(Nid::X9_62_PRIME256V1)),
        (Algorithm::Es256, rsa()),
        (Algorithm::EdDsa, ec(Nid::SECP384R1)),
        (Algorithm::EdDsa, Material::Pair(PKey::generate_ed448().expect("a key"))),
        (Algorithm::Hs256, rsa()),
        (Algorithm::Es512, ec(Nid::SECP521R1)),
        (Algorithm::Es256, ec(Nid::SECP384R1)),
        (Algorithm::Es256, ec(Nid::SECP256K1)),
        (Algorithm::Es384, ec(Nid::X9_62_PRIME256V1)),
        (Algorithm::Rs256, Material::Secret(Zeroizing::new(vec![7; 64]))),
    ];
    for (algorithm, material) in cases {
        assert!(PrivateKey::new(algorithm, material).is_err(), "{algorithm:?}");
    }
}

#[test]
fn the_hmac_of_rfc_7515_is_made() {
    // Appendix A.1 of the RFC.
    let octets = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = secret(Algorithm::Hs256, &URL_SAFE_NO_PAD.decode(octets).expect("base64url"));
    let input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for backend in BACKENDS {
        let made = URL_SAFE_NO_PAD.encode(signature(&key, backend, input.as_bytes()));
        assert_eq!(made, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }
}

#[test]
fn the_signature_of_rfc_8037_is_made() {
    // Appendix A.4 of the RFC.
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url");
    let key = pair(Algorithm::EdDsa, PKey::private_key_from_raw_bytes(&seed, Id::ED25519).expect("a key"));
    for backend in BACKENDS {
        let made = signature(&key, backend, b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
        assert_eq!(
            URL_SAFE_NO_PAD.encode(made),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        );
    }
}
