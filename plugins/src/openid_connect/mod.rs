//! `openid-connect`: tokens of an identity provider, and credentials that it exchanges for tokens.

mod admission;
mod answers;
mod asked;
mod authenticate;
mod caller;
mod claims;
mod client;
mod config;
mod exchange;
mod form;
mod issuer;
mod presented;
mod refusal;
#[cfg(test)]
mod tests;
mod token;
mod trouble;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use http::Method;
use signet_plugin_api::{
    ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Rehearsal, Request, ResponseHeader, Scope,
};
use tracing::{debug, info, warn};

use self::{
    admission::{Admission, AdmissionRules, Admitted},
    asked::exchange,
    authenticate::Authenticator,
    config::{AT_DEFAULT, Config},
    presented::{Origin, Places},
    refusal::{Refusal, Replies},
    token::TokenRules,
};
use crate::shared::{clock, refusal::Fallback};

const NAME: &str = "openid-connect";

/// The compiled plugin.
pub(crate) struct OpenidConnect {
    authenticator: Authenticator,
    places: Places,
    hide_credentials: bool,
    run_on_preflight: bool,
    fallback: Fallback,
    replies: Replies,
    /// The second of the last warning.
    warned: AtomicU64,
}

impl Plugin for OpenidConnect {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 1050;
    const PHASES: &'static [Phase] = &[Phase::Request, Phase::Response];
    const CONSUMER_SCOPE: bool = false;
    const AUTHENTICATES: bool = true;
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = AT_DEFAULT;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        config.review(scope)?;
        scope.conceal(config.upstream_access_token_header.name.as_str());
        let methods = config.methods()?;
        let authenticator = Authenticator::new(
            methods,
            config.introspect_jwt_tokens,
            exchange(&config, scope)?,
            TokenRules::new(&config, scope.signing_pool())?,
            AdmissionRules::new(&config, scope)?,
        );
        Ok(Self {
            authenticator,
            places: Places::new(&config, methods),
            hide_credentials: config.hide_credentials,
            run_on_preflight: config.run_on_preflight.0,
            fallback: Fallback::new(NAME, scope.anonymous(config.anonymous.as_deref())?),
            replies: Replies::new(&config, &config.issuer()?.host)?,
            warned: AtomicU64::new(0),
        })
    }
}

#[async_trait]
impl Handler for OpenidConnect {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let admissions = &self.authenticator.admissions;
        admissions.strip(request);
        let is_exempt = !self.run_on_preflight && request.method() == Method::OPTIONS;
        if is_exempt || self.fallback.is_settled(cx) {
            return Ok(Flow::Continue);
        }
        match self.admit(request).await {
            Ok((admission, origin)) => {
                if self.hide_credentials {
                    self.places.hide(&origin, request).await?;
                }
                admissions.forward(&admission, request)?;
                cx.authenticate(admission.identity().clone());
                if admissions.answers_back() {
                    cx.insert(Admitted::new(admission));
                }
                Ok(Flow::Continue)
            }
            Err(refusal) => Ok(self.refuse(&refusal, cx)),
        }
    }

    /// Only what needs nobody's word: who brings no credential is refused.
    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        self.authenticator.admissions.strip(request);
        let is_exempt = !self.run_on_preflight && request.method() == Method::OPTIONS;
        if is_exempt || self.fallback.is_settled(cx) {
            return Ok(Flow::Continue.into());
        }
        if self.places.find(request).await.is_none() {
            return Ok(self.refuse(&Refusal::Nothing, cx).into());
        }
        Ok(Rehearsal::unknown("whether the credential is good, the identity provider's keys or its answer say"))
    }

    async fn on_response(&self, head: &mut ResponseHeader, cx: &mut Context) -> Result<(), PluginError> {
        self.authenticator.admissions.answer(cx.get::<Admitted>(), head)
    }
}

impl OpenidConnect {
    async fn admit(&self, request: &mut Request<'_>) -> Result<(Arc<Admission>, Origin), Refusal> {
        let known = self.authenticator.known();
        let Some(credential) = self.places.find(request).await else {
            // Until the provider is known the route is not there; after that it is the caller who lacks something.
            return Err(known.err().filter(|_| !self.fallback.has_anonymous()).unwrap_or(Refusal::Nothing));
        };
        self.authenticator.authenticate(&credential, &known?).await
    }

    fn refuse(&self, refusal: &Refusal, cx: &mut Context) -> Flow {
        let request_id = cx.request_id().as_str();
        let response = self.replies.of(refusal);
        if let Refusal::Unavailable(trouble) = refusal {
            // It may be so for many requests at once: one warning a second is enough.
            let now = clock::now();
            if self.warned.swap(now, Relaxed) == now {
                debug!(request_id, reason = %trouble, "the identity provider is not available");
            } else {
                warn!(request_id, reason = %trouble, "the identity provider is not available");
            }
            return Flow::Respond(response);
        }
        if let Refusal::Busy(_) = refusal {
            // Counted with the queue. Not even as `anonymous`: the token may be good.
            return Flow::Respond(response);
        }
        info!(request_id, reason = %refusal, "not authenticated");
        self.fallback.refuse(&response, cx)
    }
}
