//! Secrets of a configuration and of a request: never shown, wiped when they are no longer needed, compared by their digests.

use std::{borrow::Cow, fmt};

use ring::digest::{SHA256, digest};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use zeroize::Zeroizing;

/// A string of a configuration that no message may show, not even the one about its type.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                if text.is_empty() {
                    return Err(E::custom("must not be empty"));
                }
                Ok(Secret(Zeroizing::new(text.to_owned())))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(not_a_string())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(not_a_string())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                Err(not_a_string())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                Err(not_a_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "writeOnly": true})
    }
}

/// The API key of this request, for the plugin that puts it into a token: it exists only when `key-auth` accepted it, and
/// is wiped when the request is through.
pub(crate) struct PresentedKey(Zeroizing<String>);

impl PresentedKey {
    /// The key of an accepted credential.
    pub(crate) fn new(key: String) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key itself: a secret.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedKey")
    }
}

/// The SHA-256 of a credential: credentials are looked up and compared by it, so that neither takes longer the more of a
/// guess is right.
pub(crate) fn fingerprint(credential: &[u8]) -> [u8; 32] {
    array(digest(&SHA256, credential).as_ref())
}

/// The first bytes of a digest, whose type does not say its length.
pub(crate) fn array<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(digest) {
        *to = *from;
    }
    array
}

fn not_a_string<E: Error>() -> E {
    E::custom("must be a string: put it in quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_the_wrong_type_is_not_shown() {
        for yaml in ["12345", "-5", "1.5", "true"] {
            let error = serde_yaml::from_str::<Secret>(yaml).expect_err("not a string").to_string();
            assert!(error.contains("put it in quotes") && !error.contains(yaml), "{error}");
        }
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert!(serde_yaml::from_str::<Secret>("''").is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret: Secret = serde_yaml::from_str("hunter2").expect("a string");
        assert_eq!(format!("{secret:?} {:?}", PresentedKey::new("hunter2".into())), "Secret PresentedKey");
    }
}
