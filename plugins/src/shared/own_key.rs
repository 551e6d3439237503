//! A private key that stands in a plugin's own configuration, as a JWK.

use schemars::JsonSchema;
use serde::Deserialize;
use signet_keys::{KeyError, LoadedKey, Secrets};
use signet_plugin_api::{ConfigError, Scope, SigningKey};

use super::secret::Secret;

/// A key that signs at all times: it is read with the configuration, and made ready to sign when that is compiled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Secret")]
pub(crate) struct OwnKey(#[schemars(with = "Secret")] LoadedKey);

impl TryFrom<Secret> for OwnKey {
    type Error = KeyError;

    /// The characters of a shared secret stand for themselves: so does Kong's `x-custom-jwt`, and its verifiers are set up
    /// for that.
    fn try_from(text: Secret) -> Result<Self, KeyError> {
        Self::parse(text.expose(), Secrets::AsTheyStand)
    }
}

impl OwnKey {
    /// Reads a private JWK that says with which algorithm it signs.
    pub(crate) fn parse(text: &str, secrets: Secrets) -> Result<Self, KeyError> {
        let key = LoadedKey::from_jwk(text, secrets)?;
        if !key.names_algorithm {
            return Err(KeyError::new("missing `alg`"));
        }
        if key.not_before.or(key.not_after).is_some() {
            return Err(KeyError::new(
                "`nbf` and `exp` say when a key of a key set signs; this one signs at all times",
            ));
        }
        Ok(Self(key))
    }

    /// Whether who verifies can also sign.
    pub(crate) fn is_symmetric(&self) -> bool {
        self.0.key.algorithm().is_symmetric()
    }

    /// Ready to sign. What is unwise about it is told of `field`.
    ///
    /// # Errors
    /// When the library that signs does not take it.
    pub(crate) fn signing_key(&self, field: &str, scope: &Scope<'_>) -> Result<SigningKey, ConfigError> {
        let Self(LoadedKey { key, kid, remarks, .. }) = self;
        remarks.iter().for_each(|remark| scope.warn(field, remark));
        let signer = key.signer(scope.signing_backend()).map_err(|error| ConfigError::new(field, error.to_string()))?;
        Ok(SigningKey { kid: kid.as_ref().map(|kid| kid.json().clone()), signer })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use signet_plugin_api::{Resources, SigningBackend};

    use super::*;

    const RS256: &str = include_str!("../../../test-keys/rs256-private-jwk.json");
    const HS256: &str = include_str!("../../../test-keys/hs256-jwk.json");

    fn with(text: &str, name: &str, value: Value) -> String {
        let mut key: Value = serde_json::from_str(text).expect("a test key");
        key[name] = value;
        key.to_string()
    }

    fn signing_key(text: &str, backend: SigningBackend) -> Result<(SigningKey, usize), String> {
        let resources = Resources { signing_backend: backend, ..Resources::default() };
        let scope = Scope::new(&resources);
        let key = OwnKey::parse(text, Secrets::AsTheyStand).map_err(|error| error.to_string())?;
        let key = key.signing_key("the_field", &scope).map_err(|error| error.to_string())?;
        Ok((key, scope.into_warnings().len()))
    }

    #[test]
    fn a_key_says_its_algorithm_and_signs_at_all_times() {
        let times = "`nbf` and `exp` say when a key of a key set signs; this one signs at all times";
        let cases = [
            (with(RS256, "alg", Value::Null), "missing `alg`"),
            (with(RS256, "nbf", json!(1)), times),
            (with(RS256, "exp", json!(4_000_000_000_u64)), times),
        ];
        for (text, expected) in cases {
            assert_eq!(OwnKey::parse(&text, Secrets::AsTheyStand).expect_err("a mistake").to_string(), expected);
        }
        assert!(OwnKey::parse(&with(RS256, "iat", json!(1)), Secrets::AsTheyStand).is_ok());
    }

    #[test]
    fn a_kid_is_kept_as_it_is() {
        let kid = |text: &str| signing_key(text, SigningBackend::Ring).expect("a key").0.kid;
        assert_eq!(kid(HS256).as_deref(), Some("\"signet-hs256\""));
        assert_eq!(kid(&with(HS256, "kid", json!(7))).as_deref(), Some("7"));
        assert_eq!(kid(&with(HS256, "kid", json!("a\"b"))).as_deref(), Some(r#""a\"b""#));
        assert_eq!(kid(&with(HS256, "kid", Value::Null)), None);
    }

    #[test]
    fn weak_choices_are_remarked_on() {
        let remarks = |text: &str| signing_key(text, SigningBackend::Ring).expect("a key").1;
        assert_eq!(remarks(HS256), 0);
        assert_eq!(remarks(&with(HS256, "k", json!("short"))), 1);
        assert_eq!(remarks(&with(HS256, "kid", json!(7))), 1);
    }

    #[test]
    fn what_ring_does_not_take_is_a_mistake_that_names_the_way() {
        let bare = ["p", "q", "dp", "dq", "qi"]
            .into_iter()
            .fold(RS256.to_owned(), |text, name| with(&text, name, Value::Null));
        let reason = signing_key(&bare, SigningBackend::Ring).expect_err("a mistake");
        let expected = "the_field: ring does not sign with an RSA key without `p`, `q`, `dp`, `dq` and `qi`; \
                        `signing_backend: openssl` does";
        assert_eq!(reason, expected);
        let (key, _) = signing_key(&bare, SigningBackend::Openssl).expect("a key");
        let (whole, _) = signing_key(RS256, SigningBackend::Ring).expect("a key");
        let sign = |key: &SigningKey| {
            let mut signature = Vec::new();
            key.signer.sign(b"input", &mut signature).expect("signed");
            signature
        };
        assert_eq!(sign(&key), sign(&whole));
    }
}
