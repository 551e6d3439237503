//! What a configuration needs of its provider, compared with what the provider says it can (`verify_parameters`).

use serde::Deserialize;

/// What is needed. Empty where nothing is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Demands {
    pub(in super::super) scopes: Vec<String>,
    pub(in super::super) grants: Vec<&'static str>,
    pub(in super::super) proofs: Vec<&'static str>,
    /// `introspection_endpoint` and its kin.
    pub(in super::super) endpoints: Vec<&'static str>,
}

/// What the provider does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider does not support {what} `{name}`")]
pub(in super::super) struct Unsupported {
    what: &'static str,
    name: String,
}

/// The lists of a document; one that is missing says nothing.
#[derive(Deserialize)]
struct Supported {
    scopes_supported: Option<Vec<String>>,
    grant_types_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

impl Demands {
    /// Compares with a document.
    ///
    /// # Errors
    /// The first that is not supported.
    pub(super) fn compare(&self, json: &[u8]) -> Result<(), Unsupported> {
        if *self == Self::default() {
            return Ok(());
        }
        let unreadable = |_| Unsupported { what: "what its document says of", name: "itself".to_owned() };
        let supported: Supported = serde_json::from_slice(json).map_err(unreadable)?;
        compare("the scope", self.scopes.iter().map(String::as_str), &supported.scopes_supported)?;
        compare("the grant", self.grants.iter().copied(), &supported.grant_types_supported)?;
        compare("the authentication", self.proofs.iter().copied(), &supported.token_endpoint_auth_methods_supported)?;
        match self.endpoints.iter().find(|name| !supported.others.contains_key(**name)) {
            None => Ok(()),
            Some(missing) => Err(Unsupported { what: "an", name: (*missing).to_owned() }),
        }
    }
}

fn compare<'n>(
    what: &'static str,
    mut needed: impl Iterator<Item = &'n str>,
    supported: &Option<Vec<String>>,
) -> Result<(), Unsupported> {
    let Some(supported) = supported else { return Ok(()) };
    match needed.find(|name| !supported.iter().any(|known| known == name)) {
        None => Ok(()),
        Some(missing) => Err(Unsupported { what, name: missing.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_does_not_list_is_named() {
        let document = br#"{"scopes_supported":["openid","read"],"grant_types_supported":["password"],
            "token_endpoint_auth_methods_supported":["client_secret_basic"],"introspection_endpoint":"https://a.test/i"}"#;
        let told = |demands: Demands| demands.compare(document).map_err(|unsupported| unsupported.to_string());
        let demands = Demands {
            scopes: vec!["read".to_owned()],
            grants: vec!["password"],
            proofs: vec!["client_secret_basic"],
            endpoints: vec!["introspection_endpoint"],
        };
        assert_eq!(told(demands.clone()), Ok(()));
        let says = |demands| told(demands).expect_err("a demand");
        let scopes = vec!["read".to_owned(), "admin".to_owned()];
        assert!(says(Demands { scopes, ..demands.clone() }).ends_with("the scope `admin`"));
        assert!(
            says(Demands { grants: vec!["client_credentials"], ..demands.clone() }).ends_with("`client_credentials`")
        );
        assert!(says(Demands { proofs: vec!["private_key_jwt"], ..demands.clone() }).ends_with("`private_key_jwt`"));
        assert!(
            says(Demands { endpoints: vec!["userinfo_endpoint"], ..demands.clone() }).ends_with("`userinfo_endpoint`")
        );
        assert_eq!(
            demands.compare(b"{\"introspection_endpoint\":\"x\"}"),
            Ok(()),
            "a list that is missing says nothing"
        );
        assert_eq!(Demands::default().compare(b"no document"), Ok(()));
    }
}
