//! `jwt`: a token signed by a client of ours, verified with the key of the consumer that it names.

mod checks;
mod config;
mod presented;
mod refusal;
mod secrets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, Method};
use signet_plugin_api::{
    Body, Claims, ConfigError, Context, CredentialKind, Flow, Handler, Phase, Plugin, PluginError, Rehearsal, Request,
    Response, Scope, WorkPool,
};

use self::{
    checks::Checks,
    config::Config,
    presented::{Places, Presented},
    refusal::{Refusal, Refusals},
    secrets::{Credential, Secrets},
};
use crate::shared::{
    claims,
    jws::Jws,
    refusal::{Fallback, overloaded},
    verification::VerificationKey,
};

const NAME: &str = "jwt";

/// The compiled plugin.
pub(crate) struct Jwt {
    secrets: Arc<Secrets>,
    places: Places,
    key_claim_name: String,
    secret_is_base64: bool,
    checks: Checks,
    run_on_preflight: bool,
    fallback: Fallback,
    refusals: Refusals,
    pool: WorkPool,
}

impl Plugin for Jwt {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 1450;
    const PHASES: &'static [Phase] = &[Phase::Request];
    const CREDENTIALS: &'static [CredentialKind] = &[CredentialKind::of::<Secrets>()];
    const CONSUMER_SCOPE: bool = false;
    const AUTHENTICATES: bool = true;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let secrets: Arc<Secrets> = scope.credentials()?;
        config.review(&secrets, scope)?;
        let places = config.places()?;
        let names = places.headers.iter().map(HeaderName::as_str).chain(places.parameters.iter().map(String::as_str));
        names.for_each(|name| scope.conceal(name));
        Ok(Self {
            places,
            checks: config.checks(),
            fallback: Fallback::new(NAME, scope.anonymous(config.anonymous.as_deref())?),
            refusals: Refusals::new(config.realm.as_deref(), config.key_claim_name.clone())?,
            key_claim_name: config.key_claim_name,
            secret_is_base64: config.secret_is_base64,
            run_on_preflight: config.run_on_preflight,
            pool: scope.signing_pool(),
            secrets,
        })
    }
}

#[async_trait]
impl Handler for Jwt {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let is_exempt = !self.run_on_preflight && request.method() == Method::OPTIONS;
        if is_exempt || self.fallback.is_settled(cx) {
            return Ok(Flow::Continue);
        }
        let verdict = match self.token(request) {
            Ok(jws) => self.authenticate(jws).await,
            Err(refusal) => Err(refusal),
        };
        match verdict {
            Ok((credential, claims)) => {
                cx.authenticate(credential.identity(claims));
                Ok(Flow::Continue)
            }
            Err(Refusal::Busy) => Ok(Flow::Respond(overloaded("too many tokens are waiting to be verified"))),
            Err(refusal) => Ok(self.fallback.refuse(&self.refusals.respond(&refusal), cx)),
        }
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        let flow = self.on_request(request, cx).await?;
        // Refusals say which check failed, and nothing of the token.
        let said = match &flow {
            Flow::Respond(Response { body: Body::Bytes(body), .. }) => String::from_utf8(body.to_vec()).ok(),
            _ => None,
        };
        let rehearsal = Rehearsal::from(flow);
        Ok(match said {
            Some(said) => rehearsal.showing("answer", said),
            None => rehearsal,
        })
    }
}

impl Jwt {
    fn token(&self, request: &Request<'_>) -> Result<Jws, Refusal> {
        match self.places.find(request) {
            Presented::Nothing => Err(Refusal::Nothing),
            Presented::Several => Err(Refusal::Several),
            Presented::Token(token) => Ok(Jws::parse(&token)?),
        }
    }

    async fn authenticate(&self, jws: Jws) -> Result<(&Credential, Claims), Refusal> {
        let credential = self.secrets.find(&self.key_of(&jws)?).ok_or(Refusal::UnknownKey)?;
        if jws.algorithm() != credential.algorithm() {
            return Err(Refusal::Algorithm);
        }
        let key = credential.key(self.secret_is_base64).ok_or(Refusal::Secret)?;
        let claims = self.verify(jws, key).await?;
        self.checks.apply(&claims)?;
        Ok((credential, claims))
    }

    /// The claim that names the credential; from the header only where the payload has none.
    fn key_of(&self, jws: &Jws) -> Result<String, Refusal> {
        let name = self.key_claim_name.as_str();
        let header;
        let mut members = jws.unverified_claims();
        if members.get(name).is_none() {
            header = jws.header()?;
            members = &header;
        }
        if members.get(name).is_none() {
            return Err(Refusal::NoKey);
        }
        match claims::text(members, name) {
            Some(key) if !key.is_empty() => Ok(key.into_owned()),
            _ => Err(Refusal::InvalidKey),
        }
    }

    /// What takes as long as a signature is done where signatures are made: it delays no other request of this worker.
    async fn verify(&self, jws: Jws, key: &Arc<VerificationKey>) -> Result<Claims, Refusal> {
        if !key.is_slow() {
            return Ok(jws.verify([&**key])?);
        }
        let key = Arc::clone(key);
        Ok(self.pool.run(move || jws.verify([&*key])).await??)
    }
}
