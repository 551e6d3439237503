//! What an identity provider says of itself (OpenID Connect Discovery, 3; RFC 8414, 2), as far as it can be believed.

use http::{Uri, uri::Scheme};
use serde::Deserialize;

use crate::openid_connect::config::kinds::endpoint;

/// A document that was found trustworthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Metadata {
    /// As tokens name it, to the letter.
    pub(in super::super) issuer: String,
    pub(in super::super) jwks: Option<Uri>,
    pub(in super::super) token: Option<Uri>,
    pub(in super::super) introspection: Option<Uri>,
    pub(in super::super) userinfo: Option<Uri>,
    /// Whether the token endpoint takes `client_secret_basic`; the default of RFC 8414 is that it does.
    pub(in super::super) basic: bool,
}

/// Why a document is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Untrusted {
    #[error("it is no discovery document: {0}")]
    Form(String),
    #[error("it is the document of another issuer, {0:?}")]
    Issuer(String),
    #[error("`{0}` is not a URL with https")]
    Endpoint(&'static str),
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Option<String>,
    token_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Metadata {
    /// Reads a document that was asked for as that of `issuer`.
    ///
    /// # Errors
    /// When it names another issuer, or endpoints to which secrets would go in plain text although the issuer has https.
    pub(super) fn parse(json: &[u8], issuer: &str) -> Result<Self, Untrusted> {
        let document: Document = serde_json::from_slice(json).map_err(|error| Untrusted::Form(error.to_string()))?;
        // Some names end with a slash that operators leave out.
        if document.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            return Err(Untrusted::Issuer(document.issuer.chars().take(200).collect()));
        }
        let plain = issuer.starts_with("http://");
        let uri = |field: &'static str, text: Option<String>| match text.map(|text| endpoint(&text)) {
            None => Ok(None),
            Some(Ok(uri)) if plain || uri.scheme() == Some(&Scheme::HTTPS) => Ok(Some(uri)),
            Some(_) => Err(Untrusted::Endpoint(field)),
        };
        let methods = document.token_endpoint_auth_methods_supported;
        Ok(Self {
            jwks: uri("jwks_uri", document.jwks_uri)?,
            token: uri("token_endpoint", document.token_endpoint)?,
            introspection: uri("introspection_endpoint", document.introspection_endpoint)?,
            userinfo: uri("userinfo_endpoint", document.userinfo_endpoint)?,
            basic: methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
            issuer: document.issuer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str, issuer: &str) -> Result<Metadata, Untrusted> {
        Metadata::parse(json.as_bytes(), issuer)
    }

    #[test]
    fn the_document_names_its_issuer_to_the_letter() {
        let metadata = parse(r#"{"issuer":"https://a.test/","jwks_uri":"https://b.test/k"}"#, "https://a.test");
        let metadata = metadata.expect("a document");
        assert_eq!(metadata.issuer, "https://a.test/");
        assert_eq!(metadata.jwks.expect("keys").to_string(), "https://b.test/k");
        assert!(metadata.basic && metadata.token.is_none());
    }

    #[test]
    fn the_document_of_another_issuer_is_not_believed() {
        for other in ["https://b.test", "https://a.test.b.test", "http://a.test", "https://a.test/x", ""] {
            let parsed = parse(&format!(r#"{{"issuer":"{other}"}}"#), "https://a.test");
            assert_eq!(parsed, Err(Untrusted::Issuer(other.to_owned())));
        }
        assert!(matches!(parse("{}", "https://a.test"), Err(Untrusted::Form(_))));
    }

    #[test]
    fn secrets_do_not_leave_https() {
        for uri in ["http://a.test/t", "ftp://a.test/t", "/t", "https://user:pw@a.test/t"] {
            let json = format!(r#"{{"issuer":"https://a.test","token_endpoint":"{uri}"}}"#);
            assert_eq!(parse(&json, "https://a.test"), Err(Untrusted::Endpoint("token_endpoint")), "{uri}");
        }
        let json = r#"{"issuer":"http://a.test","token_endpoint":"http://a.test/t"}"#;
        assert!(parse(json, "http://a.test").expect("a document").token.is_some());
    }
}
