//! The values of single fields.

use http::{HeaderName, HeaderValue, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use signet_keys::Secrets;
use zeroize::Zeroizing;

use crate::shared::{names::settable_header, own_key::OwnKey, secret::fingerprint};

/// A switch with Kong's default.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(transparent)]
pub(in super::super) struct Switch<const DEFAULT: bool>(pub(in super::super) bool);

impl<const DEFAULT: bool> Default for Switch<DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

/// A number with Kong's default.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(transparent)]
pub(in super::super) struct Number<const DEFAULT: u64>(pub(in super::super) u64);

impl<const DEFAULT: u64> Default for Number<DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

/// A kind of credential that may be sent.
#[derive(Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(!try_from, rename_all = "snake_case")]
pub(in super::super) enum AuthMethod {
    /// A JWT that is verified here.
    Bearer,
    /// A token that the identity provider is asked about (RFC 7662).
    Introspection,
    /// A token with which the caller's claims are fetched (OpenID Connect Core, 5.3).
    Userinfo,
    /// A user name and a password, exchanged for a token (RFC 6749, 4.3).
    Password,
    /// A client's id and secret, exchanged for a token (RFC 6749, 4.4).
    ClientCredentials,
}

impl TryFrom<String> for AuthMethod {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        const OURS: &str = "bearer, introspection, userinfo, password and client_credentials are";
        match name.as_str() {
            "bearer" => Ok(Self::Bearer),
            "introspection" => Ok(Self::Introspection),
            "userinfo" => Ok(Self::Userinfo),
            "password" => Ok(Self::Password),
            "client_credentials" => Ok(Self::ClientCredentials),
            "authorization_code" | "session" | "refresh_token" => {
                Err(format!("`{name}` needs sessions of browsers, which are not implemented; {OURS}"))
            }
            "kong_oauth2" => Err(format!("`{name}` needs Kong's plugin oauth2, which is not implemented; {OURS}")),
            _ => Err(format!("there is no method `{name}`; {OURS}")),
        }
    }
}

/// Where a credential may stand.
#[derive(Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Place {
    /// A header.
    Header,
    /// A parameter of the query.
    Query,
    /// A field of the body.
    Body,
    /// A cookie.
    Cookie,
}

/// How the gateway proves to the identity provider who it is.
#[derive(Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(!try_from)]
pub(in super::super) enum ClientAuth {
    /// RFC 6749, 2.3.1.
    #[schemars(rename = "client_secret_basic")]
    SecretBasic,
    /// The same in the body.
    #[schemars(rename = "client_secret_post")]
    SecretPost,
    /// An assertion signed with the secret (RFC 7523).
    #[schemars(rename = "client_secret_jwt")]
    SecretJwt,
    /// An assertion signed with a private key.
    #[schemars(rename = "private_key_jwt")]
    PrivateKeyJwt,
    /// The id alone.
    #[schemars(rename = "none")]
    None,
}

impl ClientAuth {
    /// Kong's name, and that of the specifications.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::SecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

impl TryFrom<String> for ClientAuth {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "client_secret_basic" => Ok(Self::SecretBasic),
            "client_secret_post" => Ok(Self::SecretPost),
            "client_secret_jwt" => Ok(Self::SecretJwt),
            "private_key_jwt" => Ok(Self::PrivateKeyJwt),
            "none" => Ok(Self::None),
            "tls_client_auth" | "self_signed_tls_client_auth" => {
                Err(format!("`{name}` is not implemented; a gateway with a key of its own can use `private_key_jwt`"))
            }
            _ => Err(format!(
                "there is no `{name}`; client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none"
            )),
        }
    }
}

/// By what a consumer is found.
#[derive(Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum ConsumerBy {
    /// Its id.
    Id,
    /// Its user name.
    Username,
    /// Its own id of the operator.
    CustomId,
}

/// The URL of an identity provider.
#[derive(Deserialize, JsonSchema, Debug, Clone)]
#[serde(try_from = "String")]
pub(in super::super) struct Endpoint(#[schemars(with = "String")] pub(in super::super) Uri);

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        endpoint(&text).map(Self)
    }
}

/// An absolute URL that can be asked.
pub(in super::super) fn endpoint(text: &str) -> Result<Uri, String> {
    // `url` escapes what a URI may not contain; what it changes otherwise (case, default ports) makes no difference.
    let url = match url::Url::parse(text) {
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return Err(format!("`{text}` must begin with https:// or http:// and a host"));
        }
        other => other.map_err(|cause| format!("`{text}` is not a URL: {cause}"))?,
    };
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(format!("`{text}` must begin with https:// or http:// and a host"));
    }
    Uri::try_from(url.as_str()).map_err(|cause| format!("`{text}` is not a URL: {cause}"))
}

/// A header and, after a colon, the word before the token: `authorization:bearer`.
#[derive(Deserialize, Serialize, JsonSchema, Clone)]
#[serde(try_from = "String", into = "String")]
pub(in super::super) struct TokenHeader {
    #[schemars(with = "String")]
    pub(in super::super) name: HeaderName,
    /// Whether `Bearer` stands before the token.
    is_bearer: bool,
}

impl Default for TokenHeader {
    fn default() -> Self {
        Self { name: http::header::AUTHORIZATION, is_bearer: true }
    }
}

impl From<TokenHeader> for String {
    fn from(header: TokenHeader) -> Self {
        let name = header.name.as_str();
        if header.is_bearer { format!("{name}:bearer") } else { name.to_owned() }
    }
}

impl TryFrom<String> for TokenHeader {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, is_bearer) = match text.split_once(':') {
            Some((name, scheme)) if scheme.eq_ignore_ascii_case("bearer") => (name, true),
            Some((_, scheme)) => {
                return Err(format!("`{scheme}` is not implemented; only `bearer` may follow the colon"));
            }
            None => (text.as_str(), false),
        };
        Ok(Self { name: settable_header(name)?, is_bearer })
    }
}

impl TokenHeader {
    /// The value for a token; nothing for one that cannot stand in a header.
    pub(in super::super) fn value(&self, token: &str) -> Option<HeaderValue> {
        let scheme = if self.is_bearer { "Bearer " } else { "" };
        let text = Zeroizing::new(format!("{scheme}{token}"));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A private key in JWK form.
#[derive(JsonSchema)]
#[schemars(extend("writeOnly" = true))]
pub(in super::super) struct ClientKey {
    #[schemars(skip)]
    pub(in super::super) key: OwnKey,
    /// Of its text, to tell keys apart.
    #[schemars(skip)]
    pub(in super::super) fingerprint: [u8; 32],
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members =
            serde_json::Value::deserialize(deserializer).map_err(|_| D::Error::custom("a key (JWK) is needed"))?;
        let text = Zeroizing::new(members.to_string());
        let key = OwnKey::parse(&text, Secrets::Decoded).map_err(D::Error::custom)?;
        if key.is_symmetric() {
            return Err(D::Error::custom("a shared secret is no private key; `client_secret` is the field for one"));
        }
        Ok(Self { key, fingerprint: fingerprint(text.as_bytes()) })
    }
}
