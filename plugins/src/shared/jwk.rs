//! Private keys in JWK form (RFC 7517), checked when the configuration is read.

use std::sync::Arc;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::rsa::{self, KeyPairComponents, PublicKeyComponents};
use serde::Deserialize;
use serde_json::{Map, Value};
use signet_plugin_api::Signer;
use zeroize::Zeroizing;

use super::{
    jose::{HmacSigner, RsaSigner},
    secret::Secret,
};

/// Some tools pad their base64url although RFC 7515 says not to.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const PRIVATE_MEMBERS: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

/// A key that signs, with the name under which verifiers find it.
#[derive(Deserialize)]
#[serde(try_from = "Secret")]
pub(crate) struct SigningKey {
    /// `kid` as JSON text: a string, or the number that some files have.
    pub(crate) kid: Option<Arc<str>>,
    /// The key with its algorithm.
    pub(crate) signer: Arc<dyn Signer>,
    /// What is legal but unwise about it.
    pub(crate) remarks: Vec<String>,
}

/// Why a JWK cannot sign. Names members, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct JwkError(String);

impl TryFrom<Secret> for SigningKey {
    type Error = JwkError;

    fn try_from(text: Secret) -> Result<Self, JwkError> {
        Self::parse(text.expose())
    }
}

impl SigningKey {
    /// Reads a private JWK and makes its key sign once, so that a key whose members do not belong together is found here.
    pub(crate) fn parse(text: &str) -> Result<Self, JwkError> {
        let Members(members) = &Members::parse(text)?;
        let mut remarks = Vec::new();
        let signer = match string(members, "kty")? {
            "RSA" => rsa_signer(members)?,
            "oct" => hmac_signer(members, &mut remarks)?,
            other => return Err(error(format!("the key type (`kty`) `{other}` is not supported; RSA or oct"))),
        };
        signer
            .sign(b"trial", &mut Vec::new())
            .map_err(|_| error("its members do not belong together: a trial signature failed"))?;
        let kid = kid(members, &mut remarks)?;
        Ok(Self { kid, signer, remarks })
    }
}

/// The members of a JWK, wiped when they are no longer needed.
struct Members(Map<String, Value>);

impl Members {
    fn parse(text: &str) -> Result<Self, JwkError> {
        // The messages of a syntax error give a place and no content.
        match serde_json::from_str(text).map_err(|cause| error(format!("not JSON: {cause}")))? {
            Value::Object(members) if members.contains_key("keys") => {
                Err(error("this is a set of keys; one key (JWK) with its private members is needed"))
            }
            Value::Object(members) => Ok(Self(members)),
            other => Err(error(format!("a JSON object (JWK) is needed, not a {}", kind(&other)))),
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                zeroize::Zeroize::zeroize(text);
            }
        }
    }
}

fn rsa_signer(members: &Map<String, Value>) -> Result<Arc<dyn Signer>, JwkError> {
    let sign_with = match string(members, "alg")? {
        "RS256" => RsaSigner::rs256,
        "RS512" => RsaSigner::rs512,
        other => return Err(wrong_alg(other, "RSA", "RS256 or RS512")),
    };
    Ok(Arc::new(sign_with(rsa_key(members)?)))
}

fn rsa_key(members: &Map<String, Value>) -> Result<rsa::KeyPair, JwkError> {
    refuse_half_a_key(members)?;
    let public_key = PublicKeyComponents { n: number(members, "n")?, e: number(members, "e")? };
    let bits = public_key.n.len() * 8 - public_key.n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2048..=4096).contains(&bits) {
        return Err(error(format!("an RSA key of {bits} bits is not supported; 2048 to 4096")));
    }
    let components = KeyPairComponents {
        public_key,
        d: number(members, "d")?,
        p: number(members, "p")?,
        q: number(members, "q")?,
        dP: number(members, "dp")?,
        dQ: number(members, "dq")?,
        qInv: number(members, "qi")?,
    };
    rsa::KeyPair::from_components(&components).map_err(|rejected| error(format!("not a usable RSA key: {rejected}")))
}

fn refuse_half_a_key(members: &Map<String, Value>) -> Result<(), JwkError> {
    let missing: Vec<_> = PRIVATE_MEMBERS.into_iter().filter(|name| !members.contains_key(*name)).collect();
    match missing.len() {
        0 => Ok(()),
        all if all == PRIVATE_MEMBERS.len() => {
            Err(error("this is the public half of a key; signing needs `d`, `p`, `q`, `dp`, `dq` and `qi` too"))
        }
        _ => Err(error(format!("missing `{}`; an RSA key needs all of d, p, q, dp, dq and qi", missing.join("`, `")))),
    }
}

fn hmac_signer(members: &Map<String, Value>, remarks: &mut Vec<String>) -> Result<Arc<dyn Signer>, JwkError> {
    let (signer, octets): (fn(&[u8]) -> HmacSigner, usize) = match string(members, "alg")? {
        "HS256" => (HmacSigner::hs256, 32),
        "HS512" => (HmacSigner::hs512, 64),
        other => return Err(wrong_alg(other, "oct", "HS256 or HS512")),
    };
    // The characters as they stand, not what they decode to: so does Kong's plugin, and its verifiers are set up for that.
    let secret = string(members, "k")?.as_bytes();
    if secret.is_empty() {
        return Err(error("`k` is empty"));
    }
    if secret.len() < octets {
        remarks.push(format!("`k` has fewer than the {octets} characters that RFC 7518 asks for; it can be guessed"));
    }
    Ok(Arc::new(signer(secret)))
}

fn kid(members: &Map<String, Value>, remarks: &mut Vec<String>) -> Result<Option<Arc<str>>, JwkError> {
    match members.get("kid") {
        None | Some(Value::Null) => Ok(None),
        Some(kid @ Value::String(_)) => Ok(Some(kid.to_string().into())),
        Some(kid @ Value::Number(_)) => {
            remarks.push("`kid` is a number and is sent as one; RFC 7515 asks for a string".to_owned());
            Ok(Some(kid.to_string().into()))
        }
        Some(other) => Err(error(format!("`kid` must be a string, not a {}", kind(other)))),
    }
}

/// A big-endian number without the leading zeros that some tools write.
fn number(members: &Map<String, Value>, name: &str) -> Result<Zeroizing<Vec<u8>>, JwkError> {
    let mut octets = BASE64URL
        .decode(string(members, name)?)
        .map(Zeroizing::new)
        .map_err(|_| error(format!("`{name}` is not base64url")))?;
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.drain(..zeros);
    Ok(octets)
}

fn string<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, JwkError> {
    match members.get(name) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(error(format!("missing `{name}`"))),
        Some(other) => Err(error(format!("`{name}` must be a string, not a {}", kind(other)))),
    }
}

fn wrong_alg(alg: &str, kty: &str, supported: &str) -> JwkError {
    error(format!("the algorithm (`alg`) `{alg}` is not supported for a key of type {kty}; {supported}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn error(reason: impl Into<String>) -> JwkError {
    JwkError(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key has no Debug, on purpose: `expect` cannot show the error of one.
    fn key(text: &str) -> SigningKey {
        SigningKey::parse(text).unwrap_or_else(|error| panic!("a key: {error}"))
    }

    const RS256: &str = include_str!("../../../test-keys/rs256-private-jwk.json");
    const HS256: &str = include_str!("../../../test-keys/hs256-jwk.json");

    fn changed(text: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut members: Map<String, Value> = serde_json::from_str(text).expect("a test key");
        change(&mut members);
        Value::Object(members).to_string()
    }

    fn without(text: &str, names: &[&str]) -> String {
        changed(text, |members| members.retain(|name, _| !names.contains(&name.as_str())))
    }

    fn with(text: &str, name: &str, value: impl Into<Value>) -> String {
        changed(text, |members| {
            members.insert(name.to_owned(), value.into());
        })
    }

    fn reason(text: &str) -> String {
        SigningKey::parse(text).err().expect("a mistake").to_string()
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
            ("5".to_owned(), "a JSON object (JWK) is needed, not a number"),
            (r#"{"keys": []}"#.to_owned(), "this is a set of keys; one key (JWK) with its private members is needed"),
            (without(RS256, &["kty"]), "missing `kty`"),
            (with(RS256, "kty", "EC"), "the key type (`kty`) `EC` is not supported; RSA or oct"),
            (without(RS256, &["alg"]), "missing `alg`"),
            (with(RS256, "alg", 5), "`alg` must be a string, not a number"),
            (
                with(RS256, "alg", "ES256"),
                "the algorithm (`alg`) `ES256` is not supported for a key of type RSA; RS256 or RS512",
            ),
            (
                with(HS256, "alg", "RS256"),
                "the algorithm (`alg`) `RS256` is not supported for a key of type oct; HS256 or HS512",
            ),
            (
                without(RS256, &PRIVATE_MEMBERS),
                "this is the public half of a key; signing needs `d`, `p`, `q`, `dp`, `dq` and `qi` too",
            ),
            (without(RS256, &["p", "qi"]), "missing `p`, `qi`; an RSA key needs all of d, p, q, dp, dq and qi"),
            (without(RS256, &["n"]), "missing `n`"),
            (with(RS256, "n", "not base64!"), "`n` is not base64url"),
            (with(RS256, "n", "AQAB"), "an RSA key of 17 bits is not supported; 2048 to 4096"),
            (with(RS256, "kid", true), "`kid` must be a string, not a boolean"),
            (without(HS256, &["k"]), "missing `k`"),
            (with(HS256, "k", ""), "`k` is empty"),
            (with(HS256, "k", 12345), "`k` must be a string, not a number"),
        ];
        for (text, expected) in cases {
            assert_eq!(reason(&text), expected);
        }
    }

    #[test]
    fn members_of_two_keys_are_not_taken_for_one() {
        let other: Value =
            serde_json::from_str(include_str!("../../../test-keys/rs512-private-jwk.json")).expect("a test key");
        for name in ["n", "p", "qi"] {
            assert_eq!(reason(&with(RS256, name, other[name].clone())), "not a usable RSA key: InconsistentComponents");
        }
        assert_eq!(
            reason(&with(RS256, "dp", other["dp"].clone())),
            "its members do not belong together: a trial signature failed",
        );
    }

    #[test]
    fn no_reason_shows_anything_of_the_key() {
        let key: Map<String, Value> = serde_json::from_str(RS256).expect("a test key");
        for name in PRIVATE_MEMBERS {
            let text = with(RS256, name, 1).replace("\"e\"", "\"e");
            for reason in [reason(&text), reason(&with(RS256, name, "AAAA"))] {
                for secret in PRIVATE_MEMBERS {
                    assert!(!reason.contains(&key[secret].as_str().expect("text")[..6]), "{reason}");
                }
            }
        }
    }

    #[test]
    fn padding_and_leading_zeros_are_accepted() {
        use base64::engine::general_purpose::URL_SAFE;
        let padded = changed(RS256, |members| {
            for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
                let mut octets = vec![0];
                octets.extend(BASE64URL.decode(members[name].as_str().expect("text")).expect("base64url"));
                members.insert(name.to_owned(), URL_SAFE.encode(octets).into());
            }
        });
        assert!(SigningKey::parse(&padded).is_ok());
    }

    #[test]
    fn a_kid_is_kept_as_it_is() {
        let kid = |text: &str| key(text).kid;
        assert_eq!(kid(HS256).as_deref(), Some("\"signet-hs256\""));
        assert_eq!(kid(&with(HS256, "kid", 7)).as_deref(), Some("7"));
        assert_eq!(kid(&with(HS256, "kid", "a\"b")).as_deref(), Some(r#""a\"b""#));
        assert_eq!(kid(&without(HS256, &["kid"])), None);
        assert_eq!(kid(&with(HS256, "kid", Value::Null)), None);
    }

    #[test]
    fn weak_choices_are_remarked_on() {
        let remarks = |text: &str| key(text).remarks.len();
        assert_eq!(remarks(HS256), 0);
        assert_eq!(remarks(&with(HS256, "k", "short")), 1);
        assert_eq!(remarks(&with(HS256, "kid", 7)), 1);
    }
}
