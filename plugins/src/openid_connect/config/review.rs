//! What one field of the configuration alone does not show.

use http::{HeaderName, Uri, uri::Scheme};
use signet_plugin_api::{ConfigError, Scope};

use super::{
    Config,
    kinds::{AuthMethod, ClientAuth, Place, endpoint},
};
use crate::shared::{names::settable_header, secret::Secret};

/// The paths of discovery documents (OpenID Connect Discovery, 4; RFC 8414, 3).
const WELL_KNOWN: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// Kong's words for `ignore_signature`; those that this plugin does not implement change nothing.
const IGNORABLE: [&str; 7] =
    ["password", "client_credentials", "authorization_code", "refresh_token", "session", "introspection", "userinfo"];

/// An identity provider by its name, and where its document is.
pub(in super::super) struct IssuerName {
    /// As tokens should name it; a slash at its end makes no difference until its document says.
    pub(in super::super) name: String,
    /// The document.
    pub(in super::super) document: Uri,
    /// For `WWW-Authenticate`.
    pub(in super::super) host: String,
}

impl Config {
    /// Refuses what would let anybody in or cannot work; warns of what is unwise.
    pub(in super::super) fn review(&self, scope: &Scope<'_>) -> Result<(), ConfigError> {
        let methods = self.methods()?;
        self.review_trust(scope)?;
        self.review_requirements()?;
        self.review_client(methods, scope)?;
        let cookie = self.bearer_token_param_type.as_ref().is_some_and(|places| places.contains(&Place::Cookie));
        if cookie && self.bearer_token_cookie_name.is_none() {
            return Err(ConfigError::new("bearer_token_cookie_name", "is needed to look for tokens in cookies"));
        }
        for (field, places) in [
            ("client_credentials_param_type", &self.client_credentials_param_type),
            ("password_param_type", &self.password_param_type),
        ] {
            if places.as_ref().is_some_and(|places| places.contains(&Place::Cookie)) {
                return Err(ConfigError::new(field, "header, query or body; a cookie holds tokens only"));
            }
        }
        if self.timeout.0 == 0 {
            return Err(ConfigError::new("timeout", "must be greater than 0"));
        }
        Ok(())
    }

    /// The methods, which have to be named.
    pub(in super::super) fn methods(&self) -> Result<&[AuthMethod], ConfigError> {
        match self.auth_methods.as_deref() {
            None => Err(ConfigError::new(
                "auth_methods",
                "Kong's default contains authorization_code, session, refresh_token and kong_oauth2, which are not \
                 implemented; name those you need of bearer, introspection, userinfo, password and client_credentials",
            )),
            Some([]) => Err(ConfigError::new("auth_methods", "without a method nobody can pass")),
            Some(methods) => Ok(methods),
        }
    }

    /// The issuer, with or without the path of its document.
    pub(in super::super) fn issuer(&self) -> Result<IssuerName, ConfigError> {
        let error = |reason: String| ConfigError::new("issuer", reason);
        let text = self.issuer.as_deref().ok_or_else(|| ConfigError::new("", "missing field `issuer`"))?;
        let known = WELL_KNOWN.iter().find_map(|path| Some((text.strip_suffix(path)?, *path)));
        let (name, path) = known.unwrap_or((text, WELL_KNOWN[0]));
        // First alone, so that a mistake shows what was written.
        endpoint(text).map_err(error)?;
        let document = endpoint(&format!("{}{path}", name.trim_end_matches('/'))).map_err(error)?;
        let host = document.host().unwrap_or_default().to_owned();
        Ok(IssuerName { name: name.to_owned(), document, host })
    }

    fn review_trust(&self, scope: &Scope<'_>) -> Result<(), ConfigError> {
        if !self.verify_signature.0 {
            return Err(ConfigError::new(
                "verify_signature",
                "must be true: a token whose signature is not verified can be made by anybody",
            ));
        }
        if let Some(unknown) = self.ignore_signature.iter().find(|method| !IGNORABLE.contains(&method.as_str())) {
            let reason = format!("`{unknown}` is none of {}", IGNORABLE.join(", "));
            return Err(ConfigError::new("ignore_signature", reason));
        }
        let unverified = |method: &&String| matches!(method.as_str(), "password" | "client_credentials");
        if let Some(method) = self.ignore_signature.iter().find(unverified) {
            return Err(ConfigError::new(
                "ignore_signature",
                format!("`{method}` is not possible: a token whose signature is not verified is not trusted"),
            ));
        }
        if !self.verify_claims.0 {
            scope.warn("verify_claims", "with false tokens are accepted whatever their `exp`, `nbf` and `iss` say");
        }
        if self.issuer()?.document.scheme() == Some(&Scheme::HTTPS) {
            if !self.ssl_verify {
                scope.warn(
                    "ssl_verify",
                    "with false (Kong's default) whoever is on the way can pretend to be the identity provider",
                );
            }
        } else {
            scope.warn("issuer", "without https whoever is on the way can pretend to be the identity provider");
        }
        Ok(())
    }

    /// An item without a word would be met by everybody.
    fn review_requirements(&self) -> Result<(), ConfigError> {
        for (field, required) in [
            ("scopes_required", &self.scopes_required),
            ("audience_required", &self.audience_required),
            ("roles_required", &self.roles_required),
            ("groups_required", &self.groups_required),
        ] {
            if let Some(at) = required.iter().flatten().position(|item| item.trim().is_empty()) {
                return Err(ConfigError::new(format!("{field}[{at}]"), "must not be empty: everybody would pass"));
            }
        }
        Ok(())
    }

    fn review_client(&self, methods: &[AuthMethod], scope: &Scope<'_>) -> Result<(), ConfigError> {
        one("client_id", self.client_id.as_deref())?;
        one("client_secret", self.client_secret.as_deref())?;
        one("client_auth", self.client_auth.as_deref())?;
        one("client_alg", self.client_alg.as_deref())?;
        one("client_jwk", self.client_jwk.as_deref())?;
        let asking = [AuthMethod::Introspection, AuthMethod::Password];
        if let Some(method) = methods.iter().find(|method| asking.contains(method))
            && self.client_id.is_none()
        {
            let method = if *method == AuthMethod::Password { "password" } else { "introspection" };
            return Err(ConfigError::new("client_id", format!("`{method}` needs a client of the identity provider")));
        }
        if methods.iter().any(|method| asking.contains(method)) && !self.says_how_it_proves_itself() {
            scope.warn(
                "client_secret",
                "without it, or `client_jwk`, the gateway tells the identity provider no more than its id; \
                 `client_auth: [none]` says that this is enough",
            );
        }
        if self.introspect_jwt_tokens && !methods.contains(&AuthMethod::Introspection) {
            return Err(ConfigError::new("introspect_jwt_tokens", "needs `introspection` in `auth_methods`"));
        }
        Ok(())
    }

    /// Whether there is a key, or word that none is needed.
    fn says_how_it_proves_itself(&self) -> bool {
        let by_endpoint = [self.token_endpoint_auth_method, self.introspection_endpoint_auth_method];
        self.client_secret.is_some()
            || self.client_jwk.is_some()
            || self.client_auth.is_some()
            || by_endpoint.iter().any(Option::is_some)
    }

    /// The way to authenticate that a field asks for must have its key.
    pub(in super::super) fn proof(&self, wanted: Option<ClientAuth>) -> Result<Option<ClientAuth>, ConfigError> {
        let wanted = wanted.or_else(|| self.client_auth.as_ref()?.first().copied());
        let missing =
            |field: &str, wanted: ClientAuth| Err(ConfigError::new(field, format!("`{}` needs it", wanted.name())));
        match wanted {
            Some(wanted @ (ClientAuth::SecretBasic | ClientAuth::SecretPost | ClientAuth::SecretJwt))
                if self.client_secret.is_none() =>
            {
                missing("client_secret", wanted)
            }
            Some(wanted @ ClientAuth::PrivateKeyJwt) if self.client_jwk.is_none() => missing("client_jwk", wanted),
            wanted => Ok(wanted),
        }
    }
}

/// Several clients, chosen by a parameter of the request, are Kong's `client_arg`.
fn one<T>(field: &str, list: Option<&[T]>) -> Result<(), ConfigError> {
    match list {
        None | Some([_]) => Ok(()),
        Some([]) => Err(ConfigError::new(field, "must not be empty")),
        Some(_) => Err(ConfigError::new(field, "several clients are not implemented; one is accepted")),
    }
}

/// Two lists of Kong's that belong together, as pairs.
pub(in super::super) fn arguments(
    field: &str,
    names: Option<&[String]>,
    values: Option<&[Secret]>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let (names, values) = (names.unwrap_or_default(), values.unwrap_or_default());
    if names.len() != values.len() {
        return Err(ConfigError::new(format!("{field}_values"), format!("must be as many as `{field}_names`")));
    }
    Ok(names.iter().zip(values).map(|(name, value)| (name.clone(), value.expose().to_owned())).collect())
}

/// The headers that carry claims.
pub(in super::super) fn claim_headers(
    field: &str,
    claims: Option<&[String]>,
    names: Option<&[String]>,
) -> Result<Vec<(String, HeaderName)>, ConfigError> {
    let (claims, names) = (claims.unwrap_or_default(), names.unwrap_or_default());
    if claims.len() != names.len() {
        return Err(ConfigError::new(format!("{field}_names"), format!("must be as many as `{field}_claims`")));
    }
    let header = |(at, name): (usize, &String)| {
        settable_header(name).map_err(|reason| ConfigError::new(format!("{field}_names[{at}]"), reason))
    };
    let names: Vec<HeaderName> = names.iter().enumerate().map(header).collect::<Result<_, _>>()?;
    Ok(claims.iter().cloned().zip(names).collect())
}
