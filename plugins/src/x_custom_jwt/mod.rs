//! `x-custom-jwt`: gives the upstream a token, signed by the gateway, that says who the caller is.

mod caller;
mod claims;
mod config;
mod issuer;
mod meters;
mod parts;
mod refusal;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use signet_plugin_api::{
    Busy, ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Request, Response, ResponseHeader, Scope,
    WorkPool, async_trait,
};

use self::{
    caller::{CallerSource, NoCaller},
    claims::{Facts, Mint},
    config::{Config, SentHeader},
    issuer::{Issuer, Issuing},
};
use crate::shared::{names::remove_lookalikes, refusal::overloaded};

pub use self::parts::TokenParts;

/// A generous guess at the claims of ours, so that one allocation is enough.
const USUAL_CLAIMS: usize = 512;

/// The plugin, compiled: the key is parsed, the token's header is encoded.
pub(crate) struct XCustomJwt {
    callers: CallerSource,
    mint: Mint,
    issuer: Issuer,
    pool: WorkPool,
    upstream: Bytes,
    downstream: Option<Bytes>,
    verbose: bool,
}

/// The token of this request, for the response.
struct Issued(HeaderValue);

impl Plugin for XCustomJwt {
    const NAME: &'static str = "x-custom-jwt";
    const PRIORITY: u32 = 1025;
    const PHASES: &'static [Phase] = &[Phase::Request, Phase::Response];
    const NEEDS_SERVICE: bool = true;
    type Config = Config;

    fn compile(mut config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        config.review(scope)?;
        Ok(Self {
            callers: CallerSource::new(&config),
            mint: Mint::new(&config, scope)?,
            issuer: Issuer::new(&mut config, scope)?,
            pool: scope.signing_pool(),
            upstream: config.upstream_custom_jwt_header.0,
            downstream: config.downstream_custom_jwt_header.map(|SentHeader(name)| name),
            verbose: config.verbose,
        })
    }
}

#[async_trait]
impl Handler for XCustomJwt {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let claims = match self.claims(request, cx) {
            Ok(claims) => claims,
            Err(NoCaller::Broken(error)) => return Err(error),
            Err(NoCaller::Refused(refusal)) => {
                tracing::info!(request_id = cx.request_id().as_str(), reason = %refusal, "no token");
                return Ok(Flow::Respond(refusal.respond(self.verbose)));
            }
        };
        let Some(issuing) = self.issuer.current()? else {
            let message = "no token can be signed at the moment";
            return Ok(Flow::Respond(Response::error(StatusCode::SERVICE_UNAVAILABLE, message)));
        };
        let Ok(signed) = self.sign(issuing, claims).await else {
            return Ok(Flow::Respond(overloaded("too many tokens are waiting to be signed")));
        };
        let value = signed?;
        if self.downstream.is_some() {
            cx.insert(Issued(value.clone()));
        }
        let head = request.head_mut();
        remove_lookalikes(head, &self.upstream);
        head.insert_header(self.upstream.clone(), value)?;
        Ok(Flow::Continue)
    }

    async fn on_response(&self, head: &mut ResponseHeader, cx: &mut Context) -> Result<(), PluginError> {
        if let (Some(name), Some(Issued(value))) = (&self.downstream, cx.get()) {
            head.insert_header(name.clone(), value.clone())?;
        }
        Ok(())
    }
}

impl XCustomJwt {
    fn claims(&self, request: &Request<'_>, cx: &Context) -> Result<Vec<u8>, NoCaller> {
        let caller = self.callers.find(request, cx)?;
        let service = cx.service().ok_or_else(|| NoCaller::Broken(PluginError::new("the route has no service")))?;
        let facts = Facts { caller: &caller, service, cx, head: request.head(), client: request.client() };
        let mut claims = Vec::with_capacity(USUAL_CLAIMS);
        match self.mint.write_claims(&mut claims, &facts) {
            Ok(()) => Ok(claims),
            Err(error) => Err(NoCaller::Broken(PluginError::with_source("the claims cannot be written", error))),
        }
    }

    /// RSA takes about a millisecond: on a thread of its own it delays no other request of this worker.
    async fn sign(&self, issuing: Arc<Issuing>, claims: Vec<u8>) -> Result<Result<HeaderValue, PluginError>, Busy> {
        let draft = issuing.encode(claims);
        if !issuing.is_slow() {
            return Ok(issuing.sign(draft));
        }
        self.pool.run(move || issuing.sign(draft)).await
    }
}
