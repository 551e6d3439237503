//! The configuration of `x-custom-jwt`, with Kong's names and defaults, and fields of our own.

use bytes::Bytes;
use http::header::{self, HeaderName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signet_plugin_api::{ConfigError, Scope};
use url::Url;

use super::claims::{Audience, ClaimsConfig, TokenType};
use crate::shared::{
    names::{header_name, settable_header},
    own_key::OwnKey,
};

/// `config` of the plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The header in which callers send their API key, with `identity_source: request`.
    #[serde(default = "apikey_header")]
    pub(super) apikey_header: ReadHeader,
    /// The claim of an incoming token that names its client.
    #[serde(default = "bearer_clientid_claim")]
    pub(super) bearer_clientid_claim: ClaimName,
    /// The header in which the upstream gets the token.
    #[serde(default = "upstream_header")]
    pub(super) upstream_custom_jwt_header: SentHeader,
    /// A header in which the client gets the token, too; none by default.
    pub(super) downstream_custom_jwt_header: Option<SentHeader>,
    /// For how many seconds a token is good.
    #[serde(default)]
    pub(super) expires_in: Lifetime,
    /// For how many seconds a token is sent again; 0 is never.
    #[serde(default)]
    pub(super) reuse_for: Seconds,
    /// Who issues the token (`iss`).
    #[serde(default = "iss")]
    pub(super) iss: WebUrl,
    /// Where verifiers find the key (`jku` of the JOSE header).
    #[serde(default = "jku")]
    pub(super) jku: WebUrl,
    /// The private key, as a JWK in one string. This or `key_set`.
    pub(super) private_jwk: Option<OwnKey>,
    /// The name or id of a set, whose active key signs.
    pub(super) key_set: Option<String>,
    /// Whether the log says what was signed for whom.
    #[serde(default)]
    pub(super) verbose: bool,
    /// Where the caller's identity comes from.
    #[serde(default)]
    pub(super) identity_source: IdentitySource,
    /// What becomes `client_id` after key-auth.
    #[serde(default)]
    pub(super) apikey_client_id: ApikeyClientId,
    /// What a token says beyond the claims of Kong's plugin.
    #[serde(default)]
    pub(super) claims: ClaimsConfig,
    /// `aud`; none: the service.
    pub(super) audience: Option<Audience>,
    /// `typ` of the JOSE header.
    #[serde(default)]
    pub(super) typ: TokenType,
    /// For how many seconds before it was issued a token counts. None: no `nbf` of ours.
    pub(super) not_before: Option<Seconds>,
}

/// Where the caller's identity comes from.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum IdentitySource {
    /// What an authentication plugin verified on this request, and nothing else.
    #[default]
    Verified,
    /// The request's own headers in the order of Kong's plugin, whatever was verified.
    Request,
}

/// What becomes `client_id` after key-auth.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum ApikeyClientId {
    /// The API key itself.
    #[default]
    Key,
    /// The id of the credential.
    CredentialId,
    /// What `act.client_id` says too: the consumer's `custom_id`, or its id.
    Consumer,
}

/// A header that is looked up.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone)]
#[serde(try_from = "String", into = "String")]
pub(super) struct ReadHeader(#[schemars(with = "String")] pub(super) HeaderName);

/// A header that is set, in the case in which it was configured.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone)]
#[serde(try_from = "String", into = "String")]
pub(super) struct SentHeader(#[schemars(with = "String")] pub(super) Bytes);

/// The name of a claim.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone)]
#[serde(try_from = "String")]
#[schemars(!try_from)]
pub(super) struct ClaimName(#[schemars(length(min = 1))] pub(super) String);

/// An absolute URL, as it was written.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone)]
#[serde(try_from = "String")]
pub(super) struct WebUrl(pub(super) String);

/// Whole seconds, at least one.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy)]
#[serde(try_from = "f64")]
#[schemars(!try_from)]
pub(super) struct Lifetime(#[schemars(range(min = 1))] pub(super) u32);

/// Whole seconds, or none.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, Default)]
#[serde(try_from = "f64")]
#[schemars(!try_from)]
pub(super) struct Seconds(pub(super) u32);

impl Config {
    /// What one field alone does not show.
    pub(super) fn review(&self, scope: &Scope<'_>) -> Result<(), ConfigError> {
        if self.identity_source == IdentitySource::Request {
            for (field, wanted) in [("claims.amr", self.claims.amr), ("claims.cnf", self.claims.cnf)] {
                if wanted {
                    let reason = "says what was verified, and with `identity_source: request` nothing needs to be";
                    return Err(ConfigError::new(field, reason));
                }
            }
        }
        match (self.identity_source, self.apikey_client_id) {
            (IdentitySource::Verified, ApikeyClientId::Key) => scope.warn(
                "apikey_client_id",
                "with `key` the token shows the caller's API key to the upstream; `credential_id` and `consumer` do not",
            ),
            (IdentitySource::Verified, _) => {}
            (IdentitySource::Request, ApikeyClientId::Key) => scope.warn(
                "identity_source",
                "with `request` the token says what the request's headers say, verified or not: a client can have anything \
                 signed, and the token shows its API key; `verified` is safe",
            ),
            (IdentitySource::Request, _) => {
                return Err(ConfigError::new("apikey_client_id", "only `key` goes with `identity_source: request`"));
            }
        }
        Ok(())
    }
}

impl SentHeader {
    /// Whether the token is sent as `Bearer <token>`.
    pub(super) fn is_authorization(&self) -> bool {
        self.0.eq_ignore_ascii_case(header::AUTHORIZATION.as_str().as_bytes())
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self(1800)
    }
}

impl From<ReadHeader> for String {
    fn from(header: ReadHeader) -> Self {
        header.0.as_str().to_owned()
    }
}

impl From<SentHeader> for String {
    fn from(header: SentHeader) -> Self {
        Self::from_utf8_lossy(&header.0).into_owned()
    }
}

impl TryFrom<String> for ReadHeader {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        header_name(&name).map(Self)
    }
}

impl TryFrom<String> for SentHeader {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        settable_header(&name)?;
        Ok(Self(name.into()))
    }
}

impl TryFrom<String> for ClaimName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name.is_empty() { Err("the name of a claim is needed") } else { Ok(Self(name)) }
    }
}

impl TryFrom<String> for WebUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Url::parse(&text) {
            Ok(url) if url.has_host() => Ok(Self(text)),
            Ok(_) => Err(format!("`{text}` is not a URL with a host")),
            Err(cause) => Err(format!("`{text}` is not a URL: {cause}")),
        }
    }
}

impl TryFrom<f64> for Lifetime {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if seconds.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&seconds) {
            Ok(Self(seconds as u32))
        } else {
            Err("whole seconds greater than 0 are needed")
        }
    }
}

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if seconds.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&seconds) {
            Ok(Self(seconds as u32))
        } else {
            Err("whole seconds are needed, 0 or more")
        }
    }
}

fn apikey_header() -> ReadHeader {
    ReadHeader(HeaderName::from_static("apikey"))
}

fn bearer_clientid_claim() -> ClaimName {
    ClaimName("clientId".to_owned())
}

fn upstream_header() -> SentHeader {
    SentHeader(Bytes::from_static(b"X-Custom-Jwt"))
}

fn iss() -> WebUrl {
    WebUrl("https://kong-gateway:8443/x-custom-jwt".to_owned())
}

fn jku() -> WebUrl {
    WebUrl("https://kong-gateway:8443/x-custom-jwt/jwks".to_owned())
}
