//! Sets of public keys (RFC 7517, 5), as issuers publish them.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    bn::BigNum,
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    nid::Nid,
    pkey::{Id, PKey, Public},
    rsa::Rsa,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use signet_keys::{Algorithm, KeyError};

use super::{jws::key_id, verification::VerificationKey};

/// How many keys a set may have.
const MAX_KEYS: usize = 100;

/// How many keys of a set are tried on one token: each costs a verification, and who sends the token chooses how many fit.
const MAX_TRIES: usize = 8;

/// The keys of a set that can verify signatures.
#[derive(Debug, Default)]
pub(crate) struct Jwks {
    keys: Vec<(Option<Box<str>>, Arc<VerificationKey>)>,
    skipped: Vec<KeyError>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The members of a JWK that matter for verifying (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2). Private ones are not looked at.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: String,
    #[serde(borrow)]
    kid: Option<&'a RawValue>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwks {
    /// Reads a set. Keys for something else and keys of kinds that are not known are skipped, as RFC 7517, 5 asks for.
    ///
    /// # Errors
    /// When it is not a set, or has too many keys.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let document: Document<'_> =
            serde_json::from_slice(json).map_err(|error| KeyError::new(format!("not a JWK set: {error}")))?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeyError::new(format!("more than {MAX_KEYS} keys")));
        }
        let mut set = Self::default();
        for (position, text) in document.keys.into_iter().enumerate() {
            match Jwk::parse(text).and_then(|jwk| Ok((jwk.key_id()?, Arc::new(jwk.verification_key()?)))) {
                Ok(key) => set.keys.push(key),
                Err(error) => set.skipped.push(KeyError::new(format!("keys[{position}]: {error}"))),
            }
        }
        Ok(set)
    }

    /// The keys that may have signed a token with this `kid` and algorithm: those of that name, or all if it names none.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Arc<VerificationKey>> {
        let named = move |name: &Option<Box<str>>| kid.is_none_or(|kid| name.as_deref() == Some(kid));
        self.keys
            .iter()
            .filter(move |(name, key)| named(name) && key.allows(algorithm))
            .map(|(_, key)| key)
            .take(MAX_TRIES)
    }

    /// How many keys can verify.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that cannot be used, each with its position and the reason.
    pub(crate) fn skipped(&self) -> &[KeyError] {
        &self.skipped
    }
}

impl<'a> Jwk<'a> {
    fn parse(text: &'a RawValue) -> Result<Self, KeyError> {
        serde_json::from_str(text.get()).map_err(|error| KeyError::new(error.to_string()))
    }

    fn key_id(&self) -> Result<Option<Box<str>>, KeyError> {
        self.kid.map(|kid| key_id(kid).ok_or_else(|| KeyError::new("`kid` must be a string"))).transpose()
    }

    fn verification_key(&self) -> Result<VerificationKey, KeyError> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err(KeyError::new("not for signatures (`use`)"));
        }
        if self.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|name| name == "verify")) {
            return Err(KeyError::new("not for verifying (`key_ops`)"));
        }
        let only = match self.alg.as_deref() {
            None => None,
            Some(name) => Some(
                Algorithm::parse(name)
                    .ok_or_else(|| KeyError::new(format!("the algorithm (`alg`) `{name}` is not supported")))?,
            ),
        };
        let key = self.public_key()?;
        VerificationKey::from_public_key(&key, only)
    }

    fn public_key(&self) -> Result<PKey<Public>, KeyError> {
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => rsa(&octets("n", &self.n)?, &octets("e", &self.e)?),
            ("EC", Some(curve)) => elliptic(nid(curve)?, &octets("x", &self.x)?, &octets("y", &self.y)?),
            ("OKP", Some("Ed25519")) => PKey::public_key_from_raw_bytes(&octets("x", &self.x)?, Id::ED25519),
            ("OKP", Some("Ed448")) => PKey::public_key_from_raw_bytes(&octets("x", &self.x)?, Id::ED448),
            (kty, crv) => {
                let curve = crv.map(|crv| format!(" ({crv})")).unwrap_or_default();
                return Err(KeyError::new(format!("the key type (`kty`) `{kty}`{curve} is not supported")));
            }
        };
        key.map_err(|_| KeyError::new("its members are not those of a public key"))
    }
}

fn rsa(n: &[u8], e: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    PKey::from_rsa(Rsa::from_public_components(BigNum::from_slice(n)?, BigNum::from_slice(e)?)?)
}

fn elliptic(curve: Nid, x: &[u8], y: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let group = EcGroup::from_curve_name(curve)?;
    let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
    PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&group, &x, &y)?)
}

fn nid(curve: &str) -> Result<Nid, KeyError> {
    match curve {
        "P-256" => Ok(Nid::X9_62_PRIME256V1),
        "P-384" => Ok(Nid::SECP384R1),
        "P-521" => Ok(Nid::SECP521R1),
        other => Err(KeyError::new(format!("the curve (`crv`) `{other}` is not supported"))),
    }
}

/// At most the octets of an RSA modulus of 8192 bits, and one zero in front of them.
fn octets(name: &str, text: &Option<String>) -> Result<Vec<u8>, KeyError> {
    const MOST: usize = 1025;
    let text = text.as_deref().ok_or_else(|| KeyError::new(format!("missing `{name}`")))?;
    let octets = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| KeyError::new(format!("`{name}` is not base64url")))?;
    if octets.len() > MOST { Err(KeyError::new(format!("`{name}` is too long"))) } else { Ok(octets) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::shared::{jws::Jws, testing::Forge};

    fn set(keys: &[Value]) -> Jwks {
        Jwks::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a set")
    }

    fn with(mut jwk: Value, members: &Value) -> Value {
        jwk.as_object_mut().expect("a key").extend(members.as_object().expect("members").clone());
        jwk
    }

    #[test]
    fn a_token_verifies_with_the_key_that_it_names() {
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()) {
            let (forge, other) = (Forge::new(algorithm), Forge::new(algorithm));
            let members =
                |kid: &str| json!({"kid": kid, "alg": algorithm.as_str(), "use": "sig", "key_ops": ["verify"]});
            let set = set(&[with(other.jwk(), &members("other")), with(forge.jwk(), &members("own"))]);
            assert_eq!((set.len(), set.skipped()), (2, &[][..]));
            for (kid, verifies) in [(Some("own"), true), (Some("other"), false), (Some("none"), false), (None, true)] {
                let header = json!({"alg": algorithm.as_str(), "kid": kid});
                let jws = Jws::parse(forge.token_with(&header, &json!({})).as_bytes()).expect("a token");
                let kid = jws.kid().map(ToOwned::to_owned);
                let candidates: Vec<_> = set.candidates(kid.as_deref(), jws.algorithm()).map(|key| &**key).collect();
                assert_eq!(jws.verify(candidates).is_ok(), verifies, "{} {kid:?}", algorithm.as_str());
            }
        }
    }

    #[test]
    fn a_key_without_an_algorithm_serves_those_that_fit_it() {
        let set = set(&[Forge::new(Algorithm::Rs256).jwk(), Forge::new(Algorithm::Es384).jwk()]);
        let tried: Vec<usize> =
            Algorithm::ALL.into_iter().map(|algorithm| set.candidates(None, algorithm).count()).collect();
        assert_eq!(tried, [0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0]);
    }

    #[test]
    fn what_cannot_verify_is_skipped_with_a_reason() {
        let rsa = Forge::new(Algorithm::Rs256).jwk();
        let curve = Forge::new(Algorithm::Es256).jwk();
        let cases = [
            (json!({"kty": "oct", "k": "c2VjcmV0"}), "the key type (`kty`) `oct` is not supported"),
            (with(rsa.clone(), &json!({"use": "enc"})), "not for signatures (`use`)"),
            (with(rsa.clone(), &json!({"key_ops": ["sign"]})), "not for verifying (`key_ops`)"),
            (with(rsa.clone(), &json!({"alg": "RSA-OAEP"})), "the algorithm (`alg`) `RSA-OAEP` is not supported"),
            (with(rsa.clone(), &json!({"alg": "none"})), "the algorithm (`alg`) `none` is not supported"),
            (with(rsa.clone(), &json!({"alg": "HS256"})), "a key of type RSA cannot verify HS256"),
            (with(rsa.clone(), &json!({"kid": {}})), "`kid` must be a string"),
            (with(rsa.clone(), &json!({"n": null})), "missing `n`"),
            (with(rsa.clone(), &json!({"n": "a b"})), "`n` is not base64url"),
            (with(rsa.clone(), &json!({"n": "A".repeat(2_000)})), "`n` is too long"),
            (with(rsa.clone(), &json!({"n": "AQAB"})), "an RSA key of 17 bits is not supported; 2048 to 8192"),
            (with(rsa.clone(), &json!({"e": "AQ"})), "its modulus or exponent is not that of an RSA key"),
            (with(rsa, &json!({"e": "AQAA"})), "its modulus or exponent is not that of an RSA key"),
            (with(curve.clone(), &json!({"x": curve["y"]})), "its members are not those of a public key"),
            (with(curve.clone(), &json!({"crv": "secp256k1"})), "the curve (`crv`) `secp256k1` is not supported"),
            (with(curve, &json!({"crv": "P-256", "alg": "ES384"})), "a key of type EC P-256 cannot verify ES384"),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}), "its members are not those of a public key"),
            (
                json!({"kty": "OKP", "crv": "X25519", "x": "AQAB"}),
                "the key type (`kty`) `OKP` (X25519) is not supported",
            ),
            (json!({"n": "AQAB"}), "missing field `kty` at line 1 column 12"),
        ];
        for (jwk, reason) in cases {
            let set = set(&[jwk]);
            assert_eq!(set.len(), 0, "{reason}");
            assert_eq!(
                set.skipped().iter().map(ToString::to_string).collect::<Vec<_>>(),
                [format!("keys[0]: {reason}")]
            );
        }
    }

    #[test]
    fn what_is_no_set_or_too_large_a_one_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys": 5}"#, r#"{"keys": [}"#] {
            assert!(Jwks::parse(text.as_bytes()).is_err(), "{text}");
        }
        let keys = vec![json!({}); MAX_KEYS + 1];
        assert!(Jwks::parse(json!({ "keys": keys }).to_string().as_bytes()).is_err());
    }

    #[test]
    fn only_so_many_keys_are_tried_on_one_token() {
        let set = set(&vec![Forge::new(Algorithm::EdDsa).jwk(); MAX_TRIES + 5]);
        assert_eq!(set.candidates(None, Algorithm::EdDsa).count(), MAX_TRIES);
    }
}
