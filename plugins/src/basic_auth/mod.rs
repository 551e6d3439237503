//! `basic-auth`: a user name with a password, in `Authorization` or `Proxy-Authorization`.

mod config;
mod hash;
mod stored;
#[cfg(test)]
mod tests;
mod verified;

use std::sync::Arc;

use async_trait::async_trait;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION, WWW_AUTHENTICATE},
};
use signet_plugin_api::{
    Busy, ConfigError, Context, CredentialKind, Flow, Handler, Identity, Phase, Plugin, PluginError, Rehearsal,
    Request, Response, Scope, WorkPool,
};
use zeroize::Zeroizing;

use self::{
    config::{Config, Users, Verdict},
    verified::VerifiedPasswords,
};
use crate::shared::{
    encoding::base64,
    refusal::{Fallback, challenge, overloaded},
};

const NAME: &str = "basic-auth";

/// The compiled plugin.
pub(crate) struct BasicAuth {
    users: Arc<Users>,
    verified: Arc<VerifiedPasswords>,
    pool: WorkPool,
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
    const AUTHENTICATES: bool = true;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let challenge = challenge("Basic", Some(&config.realm))?;
        let key = VerifiedPasswords::random_key()
            .map_err(|_| ConfigError::new("", "the system gives no random bytes for a key"))?;
        Ok(Self {
            users: scope.credentials()?,
            verified: scope.shared("", || VerifiedPasswords::new(key)),
            pool: scope.hashing_pool(),
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
        match self.authenticate(request).await {
            Ok(Some(identity)) => {
                cx.authenticate(identity.clone());
                Ok(Flow::Continue)
            }
            Ok(None) => Ok(self.fallback.refuse(&self.refusal, cx)),
            // Not even as `anonymous`: the password may be right.
            Err(Busy) => Ok(Flow::Respond(overloaded("too many passwords are waiting to be verified"))),
        }
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        Ok(self.on_request(request, cx).await?.into())
    }
}

impl BasicAuth {
    /// `Authorization` is looked at only when `Proxy-Authorization` names no user of ours, as in Kong: that one may be
    /// meant for a proxy further on.
    async fn authenticate(&self, request: &mut Request<'_>) -> Result<Option<&Identity>, Busy> {
        let mut verdict = self.verify(request, &PROXY_AUTHORIZATION).await?;
        if matches!(verdict, Verdict::UnknownUser) {
            verdict = self.verify(request, &AUTHORIZATION).await?;
        }
        Ok(match verdict {
            Verdict::Accepted(identity) => Some(identity),
            Verdict::WrongPassword | Verdict::UnknownUser => None,
        })
    }

    async fn verify(&self, request: &mut Request<'_>, header: &HeaderName) -> Result<Verdict<'_>, Busy> {
        let Some(value) = request.header(header) else { return Ok(Verdict::UnknownUser) };
        let given = Given::decode(value);
        if self.hide_credentials {
            request.head_mut().remove_header(header);
        }
        match given {
            Some(given) => self.users.verify(&given, &self.verified, &self.pool).await,
            None => Ok(Verdict::UnknownUser),
        }
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
        let decoded = base64(encoded.trim_ascii_start())?;
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
