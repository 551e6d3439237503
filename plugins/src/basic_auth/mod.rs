//! `basic-auth`: a user name with a password, in `Authorization` or `Proxy-Authorization`.

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION, WWW_AUTHENTICATE},
};
use signet_plugin_api::{
    ConfigError, Context, CredentialKind, Flow, Handler, Identity, Phase, Plugin, PluginError, Request, Response, Scope,
};
use zeroize::Zeroizing;

use self::config::{Config, Users, Verdict};
use crate::shared::credentials::{Fallback, challenge};

const NAME: &str = "basic-auth";

/// Clients differ in whether they send the padding; Kong takes both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The compiled plugin.
pub(crate) struct BasicAuth {
    users: Arc<Users>,
    fallback: Fallback,
    hide_credentials: bool,
    refusal: Response,
}

impl Plugin for BasicAuth {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 1100;
    const PHASES: &'static [Phase] = &[Phase::Request];
    const CREDENTIALS: &'static [CredentialKind] = &[CredentialKind::of::<Users>()];
    const CONSUMER_SCOPE: bool = false;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let challenge = challenge("Basic", Some(&config.realm))?;
        Ok(Self {
            users: scope.credentials()?,
            fallback: Fallback::new(NAME, scope.anonymous(config.anonymous.as_deref())?),
            hide_credentials: config.hide_credentials,
            refusal: Response::error(StatusCode::UNAUTHORIZED, "Unauthorized").with_header(WWW_AUTHENTICATE, challenge),
        })
    }
}

#[async_trait]
impl Handler for BasicAuth {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        if self.fallback.is_settled(cx) {
            return Ok(Flow::Continue);
        }
        match self.authenticate(request) {
            Some(identity) => {
                cx.authenticate(identity.clone());
                Ok(Flow::Continue)
            }
            None => Ok(self.fallback.refuse(&self.refusal, cx)),
        }
    }
}

impl BasicAuth {
    /// `Authorization` is looked at only when `Proxy-Authorization` names no user of ours, as in Kong: that one may be
    /// meant for a proxy further on.
    fn authenticate(&self, request: &mut Request<'_>) -> Option<&Identity> {
        match self.verify(request, &PROXY_AUTHORIZATION) {
            Verdict::UnknownUser => match self.verify(request, &AUTHORIZATION) {
                Verdict::Accepted(identity) => Some(identity),
                Verdict::WrongPassword | Verdict::UnknownUser => None,
            },
            Verdict::WrongPassword => None,
            Verdict::Accepted(identity) => Some(identity),
        }
    }

    fn verify(&self, request: &mut Request<'_>, header: &HeaderName) -> Verdict<'_> {
        let Some(value) = request.header(header) else { return Verdict::UnknownUser };
        let verdict = match Given::decode(value) {
            Some(given) => self.users.verify(given.username(), given.password()),
            None => Verdict::UnknownUser,
        };
        if self.hide_credentials {
            request.head_mut().remove_header(header);
        }
        verdict
    }
}

/// A user name and a password as they were sent; wiped when the request is through.
struct Given {
    decoded: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Given {
    /// Kong knows the scheme as `Basic` and `basic` only.
    fn decode(value: &HeaderValue) -> Option<Self> {
        let value = value.as_bytes().trim_ascii();
        let encoded = value.strip_prefix(b"Basic").or_else(|| value.strip_prefix(b"basic"))?;
        if !encoded.first()?.is_ascii_whitespace() {
            return None;
        }
        let decoded = Zeroizing::new(BASE64.decode(encoded.trim_ascii_start()).ok()?);
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(Self { decoded, colon })
    }

    fn username(&self) -> &[u8] {
        self.decoded.get(..self.colon).unwrap_or_default()
    }

    fn password(&self) -> &[u8] {
        self.decoded.get(self.colon + 1..).unwrap_or_default()
    }
}
