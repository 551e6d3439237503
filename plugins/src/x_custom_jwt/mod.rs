//! `x-custom-jwt`: gives the upstream a token, signed by the gateway, that says who the caller is.

mod caller;
mod config;
mod parts;
mod refusal;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use signet_plugin_api::{
    Busy, ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Request, ResponseHeader, Scope, Signer,
    WorkPool, async_trait,
};

use self::{
    caller::{CallerSource, NoCaller},
    config::{Config, SentHeader},
    token::{Draft, Mint},
};
use crate::shared::{names::remove_lookalikes, refusal::overloaded};

pub use self::parts::TokenParts;

/// The plugin, compiled: the key is parsed, the token's header is encoded.
pub(crate) struct XCustomJwt {
    callers: CallerSource,
    mint: Mint,
    signer: Arc<dyn Signer>,
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

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        config.review(scope)?;
        Ok(Self {
            callers: CallerSource::new(&config),
            mint: Mint::new(&config).map_err(|error| ConfigError::new("", error.to_string()))?,
            signer: config.private_jwk.signer,
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
        let draft = match self.draft(request, cx) {
            Ok(draft) => draft,
            Err(NoCaller::Broken(error)) => return Err(error),
            Err(NoCaller::Refused(refusal)) => {
                tracing::info!(request_id = cx.request_id().as_str(), reason = %refusal, "no token");
                return Ok(Flow::Respond(refusal.respond(self.verbose)));
            }
        };
        let Ok(signed) = self.sign(draft).await else {
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
    fn draft(&self, request: &Request<'_>, cx: &Context) -> Result<Draft, NoCaller> {
        let caller = self.callers.find(request, cx)?;
        let service = cx.service().ok_or_else(|| NoCaller::Broken(PluginError::new("the route has no service")))?;
        self.mint.draft(&caller, service).map_err(NoCaller::Broken)
    }

    /// RSA takes about a millisecond: on a thread of its own it delays no other request of this worker.
    async fn sign(&self, draft: Draft) -> Result<Result<HeaderValue, PluginError>, Busy> {
        if !self.signer.is_slow() {
            return Ok(draft.sign(&*self.signer));
        }
        let signer = Arc::clone(&self.signer);
        self.pool.run(move || draft.sign(&*signer)).await
    }
}
