//! Why a request does not pass, and what its client is told.

use std::borrow::Cow;

use http::{
    HeaderValue, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use signet_plugin_api::{Busy, ConfigError, Response};

use super::{config::Config, token::BadToken, trouble::Trouble};
use crate::shared::refusal::overloaded;

/// A request that does not pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no credential.
    #[error("no credential was found")]
    Nothing,
    /// The credential is not good.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The caller lacks something that is required.
    #[error("{0}")]
    Insufficient(&'static str),
    /// The caller is nobody whom we know.
    #[error("{0}")]
    Unknown(&'static str),
    /// Nobody can say whether the credential is good.
    #[error("{0}")]
    Unavailable(Trouble),
    /// The threads that verify have too much to do.
    #[error("{0}")]
    Busy(Busy),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable(trouble)
    }
}

impl From<BadToken> for Refusal {
    fn from(bad: BadToken) -> Self {
        match bad {
            BadToken::Invalid(reason) => Self::Invalid(reason),
            BadToken::Busy(busy) => Self::Busy(busy),
        }
    }
}

/// The answers of one configuration.
pub(super) struct Replies {
    unauthorized: String,
    forbidden: String,
    display_errors: bool,
    bare: HeaderValue,
    invalid_token: HeaderValue,
    insufficient_scope: HeaderValue,
}

impl Replies {
    /// `host` is the issuer's: Kong's realm.
    pub(super) fn new(config: &Config, host: &str) -> Result<Self, ConfigError> {
        let challenge = |error: &str| {
            let error = if config.expose_error_code.0 { error } else { "" };
            HeaderValue::from_str(&format!("Bearer realm=\"{host}\"{error}"))
                .map_err(|_| ConfigError::new("issuer", "its host cannot stand in a header"))
        };
        Ok(Self {
            unauthorized: config.unauthorized_error_message.clone().unwrap_or_else(|| "Unauthorized".to_owned()),
            forbidden: config.forbidden_error_message.clone().unwrap_or_else(|| "Forbidden".to_owned()),
            display_errors: config.display_errors,
            bare: challenge("")?,
            invalid_token: challenge(", error=\"invalid_token\"")?,
            insufficient_scope: challenge(", error=\"insufficient_scope\"")?,
        })
    }

    /// The answer to a request that does not pass.
    pub(super) fn of(&self, refusal: &Refusal) -> Response {
        let (status, message, challenge) = match refusal {
            Refusal::Nothing => (StatusCode::UNAUTHORIZED, &self.unauthorized, &self.bare),
            Refusal::Invalid(_) => (StatusCode::UNAUTHORIZED, &self.unauthorized, &self.invalid_token),
            Refusal::Insufficient(_) => (StatusCode::FORBIDDEN, &self.forbidden, &self.insufficient_scope),
            Refusal::Unknown(_) => (StatusCode::FORBIDDEN, &self.forbidden, &self.bare),
            Refusal::Busy(_) => return overloaded("too many tokens are waiting to be verified"),
            Refusal::Unavailable(_) => {
                return Response::error(StatusCode::SERVICE_UNAVAILABLE, "The identity provider is not available")
                    .with_header(RETRY_AFTER, HeaderValue::from_static("5"));
            }
        };
        let message = if self.display_errors { format!("{message} ({refusal})") } else { message.clone() };
        Response::error(status, message).with_header(WWW_AUTHENTICATE, challenge.clone())
    }
}
