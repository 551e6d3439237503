//! The fields of the configuration that say what a token holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `claims`: what a token says beyond the claims of Kong's plugin.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct ClaimsConfig {
    /// How the caller authenticated (RFC 8176).
    pub(in super::super) amr: bool,
    /// The certificate that the caller holds the key of (RFC 8705, 3.1).
    pub(in super::super) cnf: bool,
    /// What becomes of the actors of an incoming token.
    pub(super) act: Act,
    /// Claims by name: constants and templates.
    pub(super) add: BTreeMap<String, Value>,
    /// Claims by name: where in the verified token they come from.
    pub(super) copy: BTreeMap<String, Place>,
    /// Names of claims that no token has.
    pub(super) remove: Vec<String>,
    /// Whether templates may read what a client says and nobody verified.
    pub(super) unverified: bool,
}

/// `claims.act`: how the actors of an incoming token and ours go together (RFC 8693, 4.1).
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    /// Ours takes the place of the latest one, whose other members stay.
    #[default]
    Merge,
    /// Ours is the latest one, and theirs are its predecessors.
    Nest,
}

/// A place in the verified token.
#[derive(Deserialize, Serialize, JsonSchema, Debug)]
#[serde(untagged, expecting = "expected the name of a claim, or a list of names that lead to one")]
pub(super) enum Place {
    Name(String),
    Path(Vec<String>),
}

/// `audience`
#[derive(Deserialize, Serialize, JsonSchema, Debug)]
#[serde(untagged, expecting = "expected a text, or a list of texts")]
pub(in super::super) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// `typ` of the JOSE header.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum TokenType {
    /// RFC 7519, 5.1.
    #[default]
    #[serde(rename = "JWT")]
    Jwt,
    /// An access token of OAuth 2.0 (RFC 9068).
    #[serde(rename = "at+jwt")]
    AccessToken,
}

impl TokenType {
    /// As it stands in the header.
    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AccessToken => "at+jwt",
        }
    }
}
