//! Where callers put their credentials, and how these are taken away before the request goes on.

use std::borrow::Cow;

use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use signet_plugin_api::{PluginError, Request};
use zeroize::Zeroizing;

use super::{
    config::{
        Config,
        kinds::{AuthMethod, Place},
    },
    exchange::Grant,
};
use crate::shared::{
    body::{Fields, Presented},
    encoding::base64,
};

/// Headers that hold a bare token, as in Kong.
const TOKEN_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("access-token"), HeaderName::from_static("x-access-token")];
const TOKEN_PARAMETER: [&str; 1] = ["access_token"];
const PASSWORD_PARAMETERS: [&str; 2] = ["username", "password"];
const CLIENT_PARAMETERS: [&str; 2] = ["client_id", "client_secret"];

/// Where each kind of credential is looked for; nowhere when its methods are not enabled.
pub(super) struct Places {
    tokens: Vec<Place>,
    cookie: String,
    passwords: Vec<Place>,
    clients: Vec<Place>,
}

/// What a request has.
pub(super) enum Credential {
    /// A token, and where it stood.
    Token(Zeroizing<String>, Origin),
    /// What may be exchanged for a token, in the order in which it is tried. Never empty.
    Grants(Vec<(Grant, Origin)>),
}

/// Where a credential stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Header(HeaderName),
    Query(&'static [&'static str]),
    Body(&'static [&'static str]),
    Cookie,
}

impl Places {
    /// From `auth_methods` and the lists of places.
    pub(super) fn new(config: &Config, methods: &[AuthMethod]) -> Self {
        let tokens = [AuthMethod::Bearer, AuthMethod::Introspection, AuthMethod::Userinfo];
        let places = |enabled: bool, places: &Option<Vec<Place>>| match places {
            _ if !enabled => Vec::new(),
            Some(places) => places.clone(),
            None => vec![Place::Header, Place::Query, Place::Body],
        };
        let has = |method| methods.contains(&method);
        Self {
            tokens: places(tokens.into_iter().any(has), &config.bearer_token_param_type),
            cookie: config.bearer_token_cookie_name.clone().unwrap_or_default(),
            passwords: places(has(AuthMethod::Password), &config.password_param_type),
            clients: places(has(AuthMethod::ClientCredentials), &config.client_credentials_param_type),
        }
    }

    /// The first credential in Kong's order: tokens, passwords, clients. The body is read only where it is looked into and
    /// nothing was found before.
    pub(super) async fn find(&self, request: &mut Request<'_>) -> Option<Credential> {
        let mut body = None;
        for place in &self.tokens {
            if let Some((token, origin)) = self.token(*place, request, &mut body).await {
                return Some(Credential::Token(token, origin));
            }
        }
        let mut grants = Vec::new();
        let password = |username, password| Grant::Password { username, password };
        grants.extend(pair(&self.passwords, &PASSWORD_PARAMETERS, password, request, &mut body).await);
        let client = |id, secret| Grant::Client { id, secret };
        grants.extend(pair(&self.clients, &CLIENT_PARAMETERS, client, request, &mut body).await);
        (!grants.is_empty()).then_some(Credential::Grants(grants))
    }

    /// Takes a credential away.
    pub(super) async fn hide(&self, origin: &Origin, request: &mut Request<'_>) -> Result<(), PluginError> {
        match origin {
            Origin::Header(name) => drop(request.head_mut().remove_header(name)),
            Origin::Query(names) => {
                for name in *names {
                    request.remove_query(name)?;
                }
            }
            Origin::Body(names) => {
                if let Some(rest) = Fields::of(request).await.without(names) {
                    request.set_body(rest);
                }
            }
            Origin::Cookie => self.hide_cookie(request)?,
        }
        Ok(())
    }

    async fn token(
        &self,
        place: Place,
        request: &mut Request<'_>,
        body: &mut Option<Fields>,
    ) -> Option<(Zeroizing<String>, Origin)> {
        let (token, origin) = match place {
            Place::Header => return header_token(request),
            Place::Query => (query(request, TOKEN_PARAMETER[0])?, Origin::Query(&TOKEN_PARAMETER)),
            Place::Body => (field(request, body, TOKEN_PARAMETER[0]).await?, Origin::Body(&TOKEN_PARAMETER)),
            Place::Cookie => (self.cookie(request)?, Origin::Cookie),
        };
        Some((Zeroizing::new(token), origin))
    }

    fn cookie(&self, request: &Request<'_>) -> Option<String> {
        let values = request.head().headers.get_all(COOKIE).iter();
        let mut pairs = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        pairs.find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie && !value.is_empty()).then(|| value.to_owned())
        })
    }

    fn hide_cookie(&self, request: &mut Request<'_>) -> Result<(), PluginError> {
        let is_other = |pair: &&str| pair.split('=').next().is_none_or(|name| name.trim() != self.cookie);
        let values = request.head().headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let rest: Vec<&str> = values
            .flat_map(|value| value.split(';'))
            .filter(is_other)
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
            .collect();
        let rest = rest.join("; ");
        request.head_mut().remove_header(&COOKIE);
        if !rest.is_empty() {
            let rest = HeaderValue::from_str(&rest)
                .map_err(|error| PluginError::with_source("the cookies cannot be edited", error))?;
            request.head_mut().insert_header(COOKIE, rest)?;
        }
        Ok(())
    }
}

/// Whether a caller's own credential may stand in this header.
pub(super) fn may_hold_a_credential(name: &HeaderName) -> bool {
    *name == AUTHORIZATION || *name == COOKIE || TOKEN_HEADERS.contains(name)
}

fn header_token(request: &Request<'_>) -> Option<(Zeroizing<String>, Origin)> {
    if let Some(token) = request.header(&AUTHORIZATION).and_then(|value| after_scheme(value, "bearer")) {
        return Some((Zeroizing::new(token.to_owned()), Origin::Header(AUTHORIZATION)));
    }
    TOKEN_HEADERS.iter().find_map(|name| {
        let token = request.header(name)?.to_str().ok()?.trim();
        (!token.is_empty()).then(|| (Zeroizing::new(token.to_owned()), Origin::Header(name.clone())))
    })
}

/// What follows a scheme, whatever its case.
fn after_scheme<'v>(value: &'v HeaderValue, scheme: &str) -> Option<&'v str> {
    let (found, rest) = value.to_str().ok()?.trim().split_once(' ')?;
    let rest = rest.trim();
    (found.eq_ignore_ascii_case(scheme) && !rest.is_empty()).then_some(rest)
}

/// Two values that are needed together, from the first place that has both.
async fn pair(
    places: &[Place],
    names: &'static [&'static str; 2],
    grant: impl Fn(String, Zeroizing<String>) -> Grant,
    request: &mut Request<'_>,
    body: &mut Option<Fields>,
) -> Option<(Grant, Origin)> {
    for place in places {
        let found = match place {
            Place::Header => basic(request).map(|pair| (pair, Origin::Header(AUTHORIZATION))),
            Place::Query => {
                query(request, names[0]).zip(query(request, names[1])).map(|pair| (pair, Origin::Query(names)))
            }
            Place::Body => {
                let first = field(request, body, names[0]).await;
                first.zip(field(request, body, names[1]).await).map(|pair| (pair, Origin::Body(names)))
            }
            Place::Cookie => None,
        };
        if let Some(((name, secret), origin)) = found {
            return Some((grant(name, Zeroizing::new(secret)), origin));
        }
    }
    None
}

fn basic(request: &Request<'_>) -> Option<(String, String)> {
    let encoded = after_scheme(request.header(&AUTHORIZATION)?, "basic")?;
    let decoded = base64(encoded)?;
    let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    (!name.is_empty() && !secret.is_empty()).then(|| (name.to_owned(), secret.to_owned()))
}

fn query(request: &Request<'_>, name: &str) -> Option<String> {
    request.query_value(name).map(Cow::into_owned).filter(|value| !value.is_empty())
}

/// A field that stands twice is none: which of them counts is anybody's guess.
async fn field(request: &mut Request<'_>, body: &mut Option<Fields>, name: &str) -> Option<String> {
    if body.is_none() {
        *body = Some(Fields::of(request).await);
    }
    match body.as_ref()?.get(name) {
        Presented::Once(value) => String::from_utf8(value.into_owned()).ok().filter(|value| !value.is_empty()),
        Presented::Absent | Presented::Twice => None,
    }
}
