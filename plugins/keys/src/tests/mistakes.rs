//! What is no key that can sign is refused, in words that name members and never show them.

use openssl::{
    dsa::Dsa,
    ec::{Asn1Flag, EcGroup, EcKey},
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    symm::Cipher,
};
use serde_json::{Value, json};

use super::{HS256, RS256, RS512, jwk, members, with, without};
use crate::{Algorithm, KeyError, Labels, LoadedKey, PrivateKey, PublicKey, Secrets};

const PRIVATE_MEMBERS: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

fn reason(text: &str) -> String {
    LoadedKey::from_jwk(text, Secrets::AsTheyStand).expect_err("a mistake").to_string()
}

fn pem(key: &PKey<Private>) -> String {
    String::from_utf8(key.private_key_to_pem_pkcs8().expect("PEM")).expect("text")
}

#[test]
fn every_unusable_key_is_refused_with_a_reason() {
    let cases = [
        (
            r#"{"kty": "RSA","kid": "kong",...<***CHANGE_ME***>}"#.to_owned(),
            "not JSON: key must be a string at line 1 column 29",
        ),
        (String::new(), "not JSON: EOF while parsing a value at line 1 column 0"),
        ("\"hello\"".to_owned(), "a JSON object (JWK) is needed, not a string"),
        (" 5".to_owned(), "a JSON object (JWK) is needed, not a number"),
        ("[]".to_owned(), "a JSON object (JWK) is needed, not a list"),
        ("null".to_owned(), "a JSON object (JWK) is needed, not a null"),
        ("{} {}".to_owned(), "not JSON: trailing characters at line 1 column 4"),
        (r#"{"keys": []}"#.to_owned(), "this is a set of keys; one key (JWK) is needed"),
        (r#"{"kty": "oct", "k": "a", "k": "b"}"#.to_owned(), "the member `k` is there twice at line 1 column 28"),
        (without(RS256, &["kty"]), "missing `kty`"),
        (with(RS256, "kty", "DSA"), "the key type (`kty`) `DSA` is not supported; RSA, EC, OKP or oct"),
        (with(RS256, "alg", 5), "`alg` must be a string, not a number"),
        (
            with(RS256, "alg", "ES256"),
            "the algorithm (`alg`) `ES256` is not supported for a key of type RSA; RS256, RS384, RS512, PS256, PS384 or PS512",
        ),
        (
            with(HS256, "alg", "RS256"),
            "the algorithm (`alg`) `RS256` is not supported for a key of type oct; HS256, HS384 or HS512",
        ),
        (
            with(HS256, "alg", "none"),
            "the algorithm (`alg`) `none` is not supported for a key of type oct; HS256, HS384 or HS512",
        ),
        (with(RS256, "use", "enc"), "not for signatures: `use` is not `sig`"),
        (with(RS256, "key_ops", json!(["verify"])), "not for signatures: `key_ops` lacks `sign`"),
        (with(RS256, "key_ops", "sign"), "`key_ops` must be a list, not a string"),
        (with(RS256, "nbf", "1"), "`nbf` must be whole seconds since 1970"),
        (with(RS256, "exp", -1), "`exp` must be whole seconds since 1970"),
        (with(RS256, "iat", 1.5), "`iat` must be whole seconds since 1970"),
        (with(&with(RS256, "nbf", 5), "exp", 5), "`exp` must be later than `nbf`"),
        (with(RS256, "kid", true), "`kid` must be a string, not a boolean"),
        (with(RS256, "kid", ""), "`kid` must be a text without control characters"),
        (with(RS256, "kid", "a\nb"), "`kid` must be a text without control characters"),
        (without(HS256, &["k"]), "missing `k`"),
        (with(HS256, "k", ""), "`k` is empty"),
        (with(HS256, "k", 12345), "`k` must be a string, not a number"),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(&text), expected);
    }
}

#[test]
fn every_unusable_rsa_key_is_refused_with_a_reason() {
    let cases = [
        (
            without(RS256, &PRIVATE_MEMBERS),
            "this is the public half of a key; signing needs `d`, `p`, `q`, `dp`, `dq` and `qi` too",
        ),
        (without(RS256, &["p", "qi"]), "missing `p`, `qi`; an RSA key needs all of d, p, q, dp, dq and qi"),
        (without(RS256, &["d"]), "missing `d`; an RSA key needs all of d, p, q, dp, dq and qi"),
        (with(RS256, "oth", json!([])), "a key of more than two primes (`oth`) is not supported"),
        (without(RS256, &["n"]), "missing `n`"),
        (with(RS256, "n", "not base64!"), "`n` is not base64url"),
        (with(RS256, "n", "AQAB"), "an RSA key of 17 bits is not supported; 2048 to 8192"),
        (with(RS256, "n", "_".repeat(1400)), "an RSA key of 8400 bits is not supported; 2048 to 8192"),
        (with(RS256, "e", "AQ"), "`e` is not the exponent of an RSA key: it must be odd, at least 3, at most 33 bits"),
        (
            with(RS256, "e", "AQAA"),
            "`e` is not the exponent of an RSA key: it must be odd, at least 3, at most 33 bits",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(&text), expected);
    }
    let small = PKey::from_rsa(Rsa::generate(1024).expect("a key")).expect("a key");
    let error = LoadedKey::from_pem(&pem(&small), None).expect_err("a mistake");
    assert_eq!(error.to_string(), "an RSA key of 1024 bits is not supported; 2048 to 8192");
}

#[test]
fn members_of_two_rsa_keys_are_not_taken_for_one() {
    let (other, bare) = (members(RS512), without(RS256, &["p", "q", "dp", "dq", "qi"]));
    let cases = [
        (RS256, "n", "`n` is not `p` times `q`"),
        (RS256, "p", "`n` is not `p` times `q`"),
        (RS256, "q", "`n` is not `p` times `q`"),
        (RS256, "d", "`d` is not the inverse of `e`"),
        (RS256, "dp", "`dp` is not `d` modulo `p` - 1"),
        (RS256, "dq", "`dq` is not `d` modulo `q` - 1"),
        (RS256, "qi", "`qi` is not the inverse of `q`"),
        (&bare, "n", "`d` is not the inverse of `e`"),
        (&bare, "d", "`d` is not the inverse of `e`"),
    ];
    for (text, name, expected) in cases {
        let mixed = reason(&with(text, name, other[name].clone()));
        assert!(mixed.starts_with("its members do not belong together: "), "{mixed}");
        assert!(mixed.ends_with(expected) || mixed.ends_with("`d` is larger than `n`"), "{name}: {mixed}");
    }
    let cases = [("e", "Aw", "`d` is not the inverse of `e`"), ("p", "AQ", "`n` is not `p` times `q`")];
    for (name, value, expected) in cases {
        assert_eq!(reason(&with(RS256, name, value)), format!("its members do not belong together: {expected}"));
    }
    let trivial = with(&with(RS256, "p", "AQ"), "q", members(RS256)["n"].clone());
    assert_eq!(
        reason(&trivial),
        "its members do not belong together: `p` and `q` must be two primes of about one size"
    );
}

#[test]
fn every_unusable_elliptic_key_is_refused_with_a_reason() {
    let (p256, ed25519) = (jwk(Algorithm::Es256), jwk(Algorithm::EdDsa));
    let other = members(&jwk(Algorithm::Es256));
    let apart = "its members do not belong together: `d` is not that of `x` and `y`";
    let cases = [
        (without(&p256, &["crv"]), "missing `crv`"),
        (with(&p256, "crv", "P-521"), "the curve (`crv`) `P-521` is not supported; P-256 or P-384"),
        (
            with(&p256, "crv", "P-384"),
            "the algorithm (`alg`) `ES256` is not supported for a key of type EC P-384; ES384",
        ),
        (
            with(&p256, "alg", "ES384"),
            "the algorithm (`alg`) `ES384` is not supported for a key of type EC P-256; ES256",
        ),
        (without(&p256, &["d"]), "this is the public half of a key; signing needs `d` too"),
        (without(&p256, &["y"]), "missing `y`"),
        (with(&p256, "x", other["x"].clone()), "`x` and `y` are not a point of the curve P-256"),
        (with(&p256, "d", other["d"].clone()), apart),
        (with(&p256, "d", "AA"), apart),
        (with(&p256, "d", "_".repeat(42) + "8"), apart),
        (with(&p256, "d", "_".repeat(48)), "`d` is longer than the 32 octets of P-256"),
        (with(&ed25519, "crv", "Ed448"), "the curve (`crv`) `Ed448` is not supported; Ed25519"),
        (without(&ed25519, &["d"]), "this is the public half of a key; signing needs `d` too"),
        (with(&ed25519, "d", "AQAB"), "`d` must have 32 octets, not 3"),
        (with(&ed25519, "x", "AQAB"), "`x` must have 32 octets, not 3"),
        (
            with(&ed25519, "d", members(&jwk(Algorithm::EdDsa))["d"].clone()),
            "its members do not belong together: `d` is not that of `x`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(&text), expected);
    }
}

#[test]
fn a_secret_of_a_set_is_as_long_as_the_hash() {
    for (algorithm, octets) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        let text =
            |length: usize| with(&jwk(algorithm), "k", "AAAA".repeat(length / 3) + ["", "AA", "AAA"][length % 3]);
        assert!(LoadedKey::from_jwk(&text(octets), Secrets::Decoded).is_ok());
        let error = LoadedKey::from_jwk(&text(octets - 1), Secrets::Decoded).expect_err("a mistake").to_string();
        let name = algorithm.as_str();
        assert_eq!(error, format!("`k` has {} octets; {name} needs at least {octets} (RFC 7518, 3.2)", octets - 1));
    }
    let error = LoadedKey::from_jwk(&with(HS256, "k", "not base64!"), Secrets::Decoded).expect_err("a mistake");
    assert_eq!(error.to_string(), "`k` is not base64url");
}

#[test]
fn pem_that_is_no_private_key_is_refused_with_a_reason() {
    let rsa = Rsa::generate(2048).expect("a key");
    let public = String::from_utf8(rsa.public_key_to_pem().expect("PEM")).expect("text");
    let key = PKey::from_rsa(rsa).expect("a key");
    let encrypted = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret").expect("PEM");
    let of_curve = |nid, flag| {
        let mut group = EcGroup::from_curve_name(nid).expect("a curve");
        group.set_asn1_flag(flag);
        pem(&PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key"))
    };
    let whole = pem(&key);
    let cases = [
        ("hello".to_owned(), "neither a JWK (a JSON object) nor PEM"),
        (String::new(), "neither a JWK (a JSON object) nor PEM"),
        (public, "this is the public half of a key; signing needs the private key"),
        (
            String::from_utf8(encrypted).expect("text"),
            "the private key is encrypted; one without a passphrase is needed",
        ),
        (whole.clone() + &whole, "more than one private key; one is needed"),
        (whole.replace("MII", "MIJ"), "not a private key in PEM that can be read"),
        ("-----BEGIN X509 CRL-----\n-----END X509 CRL-----".to_owned(), "there is no private key in it"),
        (
            of_curve(Nid::SECP521R1, Asn1Flag::NAMED_CURVE),
            "an EC key of the curve secp521r1 is not supported; P-256 or P-384",
        ),
        (
            pem(&PKey::generate_ed448().expect("a key")),
            "a key of this type is not supported; RSA, EC P-256, EC P-384 or Ed25519",
        ),
        (
            pem(&PKey::from_dsa(Dsa::generate(1024).expect("a key")).expect("a key")),
            "a key of this type is not supported; RSA, EC P-256, EC P-384 or Ed25519",
        ),
    ];
    for (text, expected) in cases {
        let error = LoadedKey::from_text(&text, None, Secrets::Decoded).expect_err("a mistake").to_string();
        assert_eq!(error, expected);
    }
    let error = LoadedKey::from_pem(&whole, Some(Algorithm::Es256)).expect_err("a mistake").to_string();
    assert!(error.starts_with("the algorithm (`alg`) `ES256` is not supported for a key of type RSA; "), "{error}");
}

#[test]
fn what_is_no_public_key_is_refused_with_a_reason() {
    let (rsa, p256) = (without(RS256, &PRIVATE_MEMBERS), without(&jwk(Algorithm::Es256), &["d"]));
    let cases = [
        (HS256.to_owned(), "a shared secret (`kty` `oct`) has no public half"),
        (without(HS256, &["k"]), "a shared secret (`kty` `oct`) has no public half"),
        (with(&rsa, "use", "enc"), "not for signatures: `use` is not `sig`"),
        (with(&rsa, "key_ops", json!(["sign"])), "not for signatures: `key_ops` lacks `verify`"),
        (with(&rsa, "n", "AQAB"), "an RSA key of 17 bits is not supported; 2048 to 8192"),
        (with(&rsa, "qi", "AQAB"), "missing `d`, `p`, `q`, `dp`, `dq`; an RSA key needs all of d, p, q, dp, dq and qi"),
        (with(&p256, "x", members(&p256)["y"].clone()), "`x` and `y` are not a point of the curve P-256"),
        (format!(r#"{{"keys": [{rsa}, {HS256}]}}"#), "keys[1]: a shared secret (`kty` `oct`) has no public half"),
        (r#"{"keys": "a secret"}"#.to_owned(), "`keys` must be a list of keys (JWK)"),
        ("a secret".to_owned(), "neither a JWK (a JSON object) nor PEM"),
    ];
    for (text, expected) in cases {
        assert_eq!(PublicKey::all_from_text(&text, None).expect_err("a mistake").to_string(), expected);
    }
}

#[test]
fn only_what_can_sign_is_generated() {
    let reason = |algorithm, bits| PrivateKey::generate(algorithm, bits).expect_err("a mistake").to_string();
    assert_eq!(reason(Algorithm::Es512, 2048), "ES512 is not supported for signing");
    for bits in [0, 1024, 2047, 2049, 3000, 8193, 16_384, u32::MAX] {
        let expected = format!("an RSA key has 2048 to 8192 bits, a multiple of 512; not {bits}");
        assert_eq!(reason(Algorithm::Ps512, bits), expected);
    }
}

#[test]
fn no_reason_shows_anything_of_the_key() {
    let check = |text: &str, key: &serde_json::Map<String, Value>| {
        let reason = reason(text);
        for secret in PRIVATE_MEMBERS.into_iter().filter_map(|name| key.get(name)) {
            assert!(!reason.contains(&secret.as_str().expect("text")[..6]), "{reason}");
        }
    };
    for text in [RS256.to_owned(), jwk(Algorithm::Es256), jwk(Algorithm::EdDsa)] {
        let key = members(&text);
        for name in PRIVATE_MEMBERS.into_iter().filter(|name| key.contains_key(*name)) {
            let secret = key[name].as_str().expect("text");
            check(&with(&text, name, 1).replace("\"kty\"", "\"kty"), &key);
            check(&with(&text, name, "AAAA"), &key);
            check(&with(&text, name, format!("{secret}!")), &key);
            check(&with(&text, name, json!([secret])), &key);
            check(&json!(secret).to_string(), &key);
            check(secret, &key);
        }
    }
}

#[test]
fn a_text_with_a_wrong_character_is_refused_or_still_the_same_key() {
    let pem = |algorithm| super::generated(algorithm).to_pem().expect("PEM").to_string();
    // A private key of Ed25519 in PEM is nothing but random octets: any other is a key, too.
    let texts = [
        RS256.to_owned(),
        without(RS256, &["p", "q", "dp", "dq", "qi"]),
        jwk(Algorithm::Es256),
        jwk(Algorithm::Es384),
        jwk(Algorithm::EdDsa),
        pem(Algorithm::Rs256),
        pem(Algorithm::Es384),
    ];
    for text in texts {
        let read = |text: &str| {
            let written = LoadedKey::from_text(text, None, Secrets::Decoded)?.key.to_jwk(&Labels::default())?;
            Ok::<_, KeyError>(without(&written, &["alg"]))
        };
        let (own, mut refused) = (read(&text).expect("a key"), 0);
        for (position, was) in text.char_indices() {
            let other = ['A', '_', '0', '"', 'd'][position % 5];
            let mut changed = text.clone();
            changed.replace_range(position..=position, other.encode_utf8(&mut [0; 4]));
            match read(&changed) {
                Ok(read) => assert!(read == own, "{other} for {was} at {position}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > text.len() * 3 / 5, "{refused} of {} places", text.len());
    }
}
