//! `x-custom-jwt`: gives the upstream a token, signed by the gateway, that says who the caller is.

mod caller;
mod claims;
mod config;
mod issuer;
mod issuing;
mod lineage;
mod meters;
mod parts;
mod refusal;
mod rehearsal;
mod reuse;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use signet_plugin_api::{
    Busy, ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Rehearsal, Request, Response,
    ResponseHeader, Scope, WorkPool, async_trait,
};

use self::{
    caller::{Caller, CallerSource, NoCaller},
    claims::{Facts, Mint},
    config::{Config, SentHeader},
    issuer::Issuer,
    issuing::Issuing,
    reuse::{NoToken, Reuse},
};
use crate::shared::{clock, names::remove_lookalikes, refusal::overloaded};

pub use self::parts::TokenParts;

/// No less than `iat`, `exp`, `nbf` and `jti` take.
const ISSUE: usize = 128;
/// A generous guess at the claims of ours, so that one allocation is enough.
const USUAL_CLAIMS: usize = 512 + ISSUE;

/// The plugin, compiled: the key is parsed, the token's header is encoded.
pub(crate) struct XCustomJwt {
    callers: CallerSource,
    mint: Mint,
    issuer: Issuer,
    reuse: Option<Reuse>,
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
        let mint = Mint::new(&config, scope)?;
        let downstream = config.downstream_custom_jwt_header.take().map(|SentHeader(name)| name);
        let sent = [Some(&config.upstream_custom_jwt_header.0), downstream.as_ref()];
        sent.into_iter().flatten().for_each(|name| scope.conceal(&String::from_utf8_lossy(name)));
        scope.conceal(config.apikey_header.0.as_str());
        Ok(Self {
            callers: CallerSource::new(&config),
            issuer: Issuer::new(&mut config, scope)?,
            reuse: Reuse::new(&config, &mint, scope)?,
            mint,
            pool: scope.signing_pool(),
            upstream: config.upstream_custom_jwt_header.0,
            downstream,
            verbose: config.verbose,
        })
    }
}

#[async_trait]
impl Handler for XCustomJwt {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let caller = match self.callers.find(request, cx) {
            Ok(caller) => caller,
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
        let lasting = self.lasting(&issuing, &caller, request, cx)?;
        let value = match self.token(issuing, lasting).await {
            Ok(value) => value,
            Err(error) => match &*error {
                NoToken::Busy => return Ok(Flow::Respond(overloaded("too many tokens are waiting to be signed"))),
                NoToken::Broken(_) => return Err(PluginError::with_source("there is no token", error)),
            },
        };
        if self.downstream.is_some() {
            cx.insert(Issued(value.clone()));
        }
        let head = request.head_mut();
        remove_lookalikes(head, &self.upstream);
        head.insert_header(self.upstream.clone(), value)?;
        Ok(Flow::Continue)
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        self.rehearsed(request, cx)
    }

    async fn on_response(&self, head: &mut ResponseHeader, cx: &mut Context) -> Result<(), PluginError> {
        if let (Some(name), Some(Issued(value))) = (&self.downstream, cx.get()) {
            head.insert_header(name.clone(), value.clone())?;
        }
        Ok(())
    }
}

impl XCustomJwt {
    /// All that enters a token but what is written when it is issued: its claims, and before them what its tokens have in
    /// common, where they are kept.
    fn lasting(
        &self,
        issuing: &Issuing,
        caller: &Caller<'_>,
        request: &Request<'_>,
        cx: &Context,
    ) -> Result<Vec<u8>, PluginError> {
        let service = cx.service().ok_or_else(|| PluginError::new("the route has no service"))?;
        let facts = Facts { caller, service, cx, head: request.head(), client: request.client() };
        let lineage = if self.reuse.is_some() { issuing.lineage() } else { &[] };
        let mut text = Vec::with_capacity(lineage.len() + USUAL_CLAIMS);
        text.extend_from_slice(lineage);
        self.mint
            .write_lasting(&mut text, &facts)
            .map_err(|error| PluginError::with_source("the claims cannot be written", error))?;
        Ok(text)
    }

    /// One that was signed before, where that is allowed, or a new one.
    async fn token(&self, issuing: Issuing, lasting: Vec<u8>) -> Result<HeaderValue, Arc<NoToken>> {
        let now = clock::now();
        let Some(reuse) = &self.reuse else { return self.sign(issuing, lasting, now).await.map_err(Arc::new) };
        if let Some(value) = reuse.known(&lasting, now).await {
            return Ok(value);
        }
        let mut claims = Vec::with_capacity(lasting.len() + ISSUE);
        claims.extend_from_slice(lasting.get(issuing.lineage().len()..).unwrap_or_default());
        // In a box: what a signature needs must not make every request's state larger.
        Box::pin(reuse.signed_once(&lasting, now, self.sign(issuing, claims, now))).await
    }

    /// RSA takes about a millisecond: on a thread of its own it delays no other request of this worker.
    async fn sign(&self, issuing: Issuing, mut claims: Vec<u8>, now: u64) -> Result<HeaderValue, NoToken> {
        self.mint.write_issue(&mut claims, now);
        let draft = issuing.encode(claims);
        if !issuing.is_slow() {
            return Ok(issuing.sign(draft)?);
        }
        Ok(self.pool.run(move || issuing.sign(draft)).await.map_err(|Busy| NoToken::Busy)??)
    }
}
