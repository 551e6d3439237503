//! What an authentication plugin established about the caller. Tokens are signed from this and from nothing else.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Consumer;

/// The caller, as verified on this request.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The plugin that verified it, for logs and metrics.
    pub method: &'static str,
    /// The consumer, if one is mapped.
    pub consumer: Option<Arc<Consumer>>,
    /// `X-Credential-Identifier` of the upstream request.
    pub identifier: Option<HeaderValue>,
    /// The id of the credential, if it is one of the configuration.
    pub credential_id: Option<Arc<str>>,
    /// Groups that the credential itself proves (Kong: authenticated groups); those of the consumer are elsewhere.
    pub groups: Option<Arc<[Arc<str>]>>,
    /// What was verified. Never a secret.
    pub proof: Proof,
}

impl Identity {
    /// A caller whose credential was verified; the other fields are empty.
    pub fn new(method: &'static str, consumer: Option<Arc<Consumer>>, proof: Proof) -> Self {
        Self { method, consumer, identifier: None, credential_id: None, groups: None, proof }
    }

    /// The anonymous consumer: named by the configuration, proven by nothing.
    pub fn anonymous(method: &'static str, consumer: Arc<Consumer>) -> Self {
        Self::new(method, Some(consumer), Proof::Anonymous)
    }

    /// Whether a credential was verified.
    pub fn is_authenticated(&self) -> bool {
        !matches!(self.proof, Proof::Anonymous)
    }
}

/// The kind of credential that was verified, with what it says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Proof {
    /// Nothing was verified; the consumer is the configured `anonymous` one.
    Anonymous,
    /// A user name with its password.
    Password {
        /// The user name.
        username: Arc<str>,
    },
    /// An API key: [`Identity::credential_id`] says which, the key itself stays a secret.
    Key,
    /// A token whose signature, or whose issuer's answer, was verified.
    Token {
        /// All of its claims.
        claims: Arc<Claims>,
    },
    /// A client certificate whose chain was verified.
    Certificate {
        /// The subject DN in certificate order: `C=US, O=Kong Inc., CN=kong`.
        subject: Arc<str>,
        /// SHA-256 of the certificate's DER: `cnf.x5t#S256` (RFC 8705, 3.1).
        fingerprint: [u8; 32],
    },
    /// A method of a third party's plugin.
    Other {
        /// Who the caller is, in that method's terms.
        subject: Arc<str>,
    },
}

/// The claims of a token, each value as the JSON text it came in: numbers, nulls, empty arrays and any nesting survive.
#[derive(Debug, Clone, Default)]
pub struct Claims(Vec<(String, Box<RawValue>)>);

/// A payload that is not a JSON object.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClaimsError(#[from] serde_json::Error);

impl ClaimsError {
    /// Whether it is no JSON, or JSON that is something else.
    pub fn category(&self) -> serde_json::error::Category {
        self.0.classify()
    }
}

impl Claims {
    /// Reads a JSON object. Of a name that stands twice the last value counts, as in most parsers.
    ///
    /// # Errors
    /// When `json` is not one object and nothing else.
    pub fn parse(json: &[u8]) -> Result<Self, ClaimsError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Reads a JSON object. A name that stands twice is an error: two readers of the same token could take it for two
    /// different statements (RFC 7519, 4).
    ///
    /// # Errors
    /// When `json` is not one object and nothing else, or a name stands twice.
    pub fn parse_unique(json: &[u8]) -> Result<Self, ClaimsError> {
        let Members(claims) = serde_json::from_slice(json)?;
        // Sorting, since who sends the token chooses how many there are.
        let mut names: Vec<&str> = claims.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.is_sorted_by(|one, next| one < next) {
            Ok(Self(claims))
        } else {
            Err(serde_json::Error::custom("a name stands twice").into())
        }
    }

    /// The JSON text of a claim.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Names and JSON texts, in the token's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), &**value))
    }
}

impl<'de> serde::Deserialize<'de> for Claims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Members(members) = Members::deserialize(deserializer)?;
        let mut claims: Vec<(String, Box<RawValue>)> = Vec::with_capacity(members.len());
        for (name, value) in members {
            match claims.iter_mut().find(|(key, _)| *key == name) {
                Some((_, slot)) => *slot = value,
                None => claims.push((name, value)),
            }
        }
        Ok(Self(claims))
    }
}

/// All members of an object, in their order.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_keep_what_a_parser_would_round() {
        let claims = Claims::parse(br#"{"n":123456789012345678901234567890,"e":[],"o":{},"x":null,"f":1.10}"#)
            .expect("an object");
        let text = |name| claims.get(name).map(RawValue::get);
        assert_eq!(text("n"), Some("123456789012345678901234567890"));
        assert_eq!(text("f"), Some("1.10"));
        assert_eq!((text("e"), text("o"), text("x")), (Some("[]"), Some("{}"), Some("null")));
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        let claims = Claims::parse(br#"{"a":1,"a":2}"#).expect("an object");
        assert_eq!(claims.get("a").map(RawValue::get), Some("2"));
        assert_eq!(claims.iter().count(), 1);
    }

    #[test]
    fn a_name_that_stands_twice_is_an_error_where_it_matters() {
        for text in [r#"{"a":1,"b":2,"a":1}"#, r#"{"a":1,"\u0061":2}"#] {
            let error = Claims::parse_unique(text.as_bytes()).expect_err("a name that stands twice");
            assert_eq!(error.category(), serde_json::error::Category::Data);
        }
        let claims = Claims::parse_unique(br#"{"b":1,"a":{"a":2}}"#).expect("an object");
        assert_eq!(claims.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn deep_nesting_does_not_end_the_process() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Claims::parse(deep.as_bytes()).is_ok());
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for text in ["", "[]", "\"a\"", "{} x", "null", "{\"a\":}"] {
            assert!(Claims::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
