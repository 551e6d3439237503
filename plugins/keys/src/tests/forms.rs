//! What is written is read again, and nothing private is in what is public.

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::{HS256, RS256, RS512, algorithms, generated, jwk, loaded, members, with, without};
use crate::{Algorithm, Kid, Labels, LoadedKey, PrivateKey, PublicKey, Secrets, jwk_set};

#[test]
fn a_key_of_every_algorithm_goes_through_all_its_forms() {
    for algorithm in algorithms() {
        let key = generated(algorithm);
        let labels =
            Labels { kid: Some(Kid::new("a\"b")), issued_at: Some(1), not_before: Some(2), not_after: Some(3) };
        let text = key.to_jwk(&labels).expect("a JWK");
        let read = loaded(&text);
        assert_eq!((read.key.algorithm(), read.key.thumbprint()), (algorithm, key.thumbprint()));
        assert_eq!(read.key.public(), key.public());
        let Labels { kid, issued_at, not_before, not_after } = labels.clone();
        assert_eq!((read.kid, read.issued_at), (kid, issued_at));
        assert_eq!((read.not_before, read.not_after), (not_before, not_after));
        assert!(read.names_algorithm && read.remarks.is_empty());
        assert_eq!(read.key.to_jwk(&labels).expect("a JWK"), text);
        let kid = labels.kid.as_ref().expect("a kid");
        assert_eq!(text.capacity(), key.room() + kid.json().len(), "growing would have left a copy behind");
        if algorithm.is_symmetric() {
            assert_eq!(key.to_pem().expect_err("no PEM").to_string(), "a shared secret has no PEM form");
            continue;
        }
        let pem = key.to_pem().expect("PEM");
        let read = LoadedKey::from_text(&pem, Some(algorithm), Secrets::Decoded).expect("a key");
        assert_eq!((read.key.algorithm(), read.key.public()), (algorithm, key.public()));
        assert_eq!(read.key.to_jwk(&labels).expect("a JWK"), text);
    }
}

#[test]
fn two_keys_are_never_the_same() {
    for algorithm in algorithms() {
        assert_ne!(generated(algorithm).thumbprint(), generated(algorithm).thumbprint());
    }
}

#[test]
fn the_default_algorithm_is_that_of_the_type() {
    use Algorithm::{EdDsa, Es256, Es384, Hs256, Hs512, Ps384, Rs256};
    for (of, default) in [(Ps384, Rs256), (Es256, Es256), (Es384, Es384), (EdDsa, EdDsa), (Hs512, Hs256)] {
        let read = loaded(&without(&jwk(of), &["alg"]));
        assert_eq!((read.key.algorithm(), read.names_algorithm), (default, false));
        if let Ok(pem) = read.key.to_pem() {
            assert_eq!(LoadedKey::from_pem(&pem, None).expect("a key").key.algorithm(), default);
        }
    }
}

#[test]
fn a_thumbprint_is_that_of_the_rfc() {
    // RFC 7638, 3.1.
    let rsa = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
    let read = PublicKey::from_text(&rsa.to_string(), None).expect("a key");
    assert_eq!(read.key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(read.kid, Some(Kid::new("2011-04-29")));
    // RFC 8037, A.1 to A.3.
    let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let read = loaded(&ed25519.to_string());
    assert_eq!(read.key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(read.kid_or_thumbprint().text().as_ref(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_thumbprint_belongs_to_both_halves() {
    for algorithm in algorithms().filter(|algorithm| !algorithm.is_symmetric()) {
        let key = generated(algorithm);
        assert_eq!(key.public().expect("a public half").thumbprint(), key.thumbprint());
    }
}

#[test]
fn a_set_has_the_public_members_and_no_other() {
    let keys: Vec<_> = algorithms().map(generated).collect();
    let public: Vec<_> = keys.iter().filter_map(PrivateKey::public).collect();
    assert_eq!(public.len(), 9, "all but the symmetric ones");
    let kids: Vec<_> = public.iter().map(|key| Kid::new(&key.thumbprint())).collect();
    let text = jwk_set(public.iter().zip(&kids));
    let set: Value = serde_json::from_str(&text).expect("JSON");
    for ((jwk, key), kid) in set["keys"].as_array().expect("keys").iter().zip(&public).zip(&kids) {
        let names = |names: &[&str]| jwk.as_object().expect("a key").keys().all(|name| names.contains(&name.as_str()));
        assert!(names(&["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"]), "{jwk}");
        assert_eq!((&jwk["use"], &jwk["alg"]), (&json!("sig"), &json!(key.algorithm().as_str())));
        assert_eq!(jwk["kid"], json!(kid.text().as_ref()));
    }
    for key in keys {
        let own = members(&key.to_jwk(&Labels::default()).expect("a JWK"));
        for name in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            if let Some(secret) = own.get(name) {
                assert!(!text.contains(secret.as_str().expect("text")), "{name}");
            }
        }
    }
    let read = PublicKey::all_from_text(&text, None).expect("a set");
    let read: Vec<_> = read.into_iter().map(|read| (read.key, read.kid.expect("a kid"))).collect();
    assert_eq!(read, public.into_iter().zip(kids).collect::<Vec<_>>());
    assert_eq!(jwk_set([]), r#"{"keys":[]}"#);
}

#[test]
fn the_public_half_of_a_private_key_is_taken() {
    for algorithm in algorithms().filter(|algorithm| !algorithm.is_symmetric()) {
        let key = generated(algorithm);
        let texts = [key.to_jwk(&Labels::default()).expect("a JWK"), key.to_pem().expect("PEM")];
        for text in texts {
            let read = PublicKey::from_text(&text, Some(algorithm)).expect("a key");
            assert_eq!(Some(read.key), key.public());
        }
        let public = key.public().expect("a public half");
        let text = public.to_jwk(&Kid::new("k"));
        assert_eq!(PublicKey::from_text(&text, None).expect("a key").key, public);
        let pem = public.to_pem().expect("PEM");
        assert_eq!(PublicKey::from_text(&pem, Some(algorithm)).expect("a key").key, public);
    }
}

#[test]
fn an_rsa_key_needs_no_factors() {
    let bare = without(RS256, &["p", "q", "dp", "dq", "qi"]);
    let (read, whole) = (loaded(&bare), loaded(RS256));
    assert_eq!(read.key.public(), whole.key.public());
    let written = members(&read.key.to_jwk(&Labels::default()).expect("a JWK"));
    assert_eq!(written.keys().collect::<Vec<_>>(), ["alg", "d", "e", "kty", "n", "use"]);
    assert_eq!(
        read.key.to_pem().expect_err("no PEM").to_string(),
        "an RSA key without `p`, `q`, `dp`, `dq` and `qi` has no PEM form"
    );
}

#[test]
fn padding_and_leading_zeros_are_accepted() {
    let padded = |text: &str, names: &[&str]| {
        let mut members = members(text);
        for name in names {
            let mut octets = vec![0];
            octets.extend(URL_SAFE_NO_PAD.decode(members[*name].as_str().expect("text")).expect("base64url"));
            members.insert((*name).to_owned(), URL_SAFE.encode(octets).into());
        }
        Value::Object(members).to_string()
    };
    let rsa = padded(RS256, &["n", "e", "d", "p", "q", "dp", "dq", "qi"]);
    assert_eq!(loaded(&rsa).key.public(), loaded(RS256).key.public());
    let elliptic = jwk(Algorithm::Es384);
    assert_eq!(loaded(&padded(&elliptic, &["x", "y", "d"])).key.public(), loaded(&elliptic).key.public());
}

#[test]
fn coordinates_are_written_in_full_length() {
    // About one key in 128 has a coordinate or a private number that begins with a zero.
    for _ in 0..400 {
        let members = members(&jwk(Algorithm::Es256));
        for name in ["x", "y", "d"] {
            let octets = URL_SAFE_NO_PAD.decode(members[name].as_str().expect("text")).expect("base64url");
            assert_eq!(octets.len(), 32, "{name}");
        }
    }
}

#[test]
fn a_kid_is_kept_as_it_is() {
    let kid = |text: &str| {
        let kid = LoadedKey::from_jwk(text, Secrets::AsTheyStand).expect("a key").kid;
        kid.map(|kid| (kid.json().to_string(), kid.text().to_string()))
    };
    let some = |json: &str, text: &str| Some((json.to_owned(), text.to_owned()));
    assert_eq!(kid(HS256), some("\"signet-hs256\"", "signet-hs256"));
    assert_eq!(kid(&with(HS256, "kid", 7)), some("7", "7"));
    assert_eq!(kid(&with(HS256, "kid", "a\"b")), some(r#""a\"b""#, "a\"b"));
    assert_eq!(kid(&without(HS256, &["kid"])), None);
    assert_eq!(kid(&with(HS256, "kid", Value::Null)), None);
}

#[test]
fn a_secret_is_what_it_decodes_to_or_its_characters() {
    let octets = [7; 32];
    let text = json!({"kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(octets)}).to_string();
    let written = |secrets| {
        let key = LoadedKey::from_jwk(&text, secrets).expect("a key").key;
        members(&key.to_jwk(&Labels::default()).expect("a JWK"))["k"].clone()
    };
    assert_eq!(written(Secrets::Decoded), json!(URL_SAFE_NO_PAD.encode(octets)));
    assert_eq!(written(Secrets::AsTheyStand), json!(URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.encode(octets))));
}

#[test]
fn weak_choices_are_remarked_on() {
    let remarks = |text: &str| LoadedKey::from_jwk(text, Secrets::AsTheyStand).expect("a key").remarks.len();
    assert_eq!(remarks(HS256), 0);
    assert_eq!(remarks(&with(HS256, "k", "short")), 1);
    assert_eq!(remarks(&with(HS256, "kid", 7)), 1);
}

#[test]
fn a_key_shows_nothing_of_itself() {
    let read = loaded(RS512);
    let shown = format!("{read:?}");
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(!shown.contains(&members(RS512)[name].as_str().expect("text")[..8]), "{shown}");
    }
}
