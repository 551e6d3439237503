//! Which tokens are good: their signature, and what they say of themselves.

use std::{borrow::Cow, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use signet_keys::Algorithm;
use signet_plugin_api::{Busy, Claims, ConfigError, WorkPool};

use super::{
    config::Config,
    issuer::{Issuer, Known},
};
use crate::shared::{
    claims::{numeric_date, text, texts},
    clock::now,
    jws::Jws,
    verification::{BadSignature, VerificationKey},
};

/// What makes a token good.
pub(super) struct TokenRules {
    verify_claims: bool,
    leeway: f64,
    /// Other issuers than the one whose keys are used; none means that one.
    issuers: Vec<String>,
    /// The client's secret as a key, where tokens may be signed with it.
    shared: Vec<(Algorithm, Arc<VerificationKey>)>,
    pool: WorkPool,
}

/// Why a token is not good.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadToken {
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// Nobody has the time to find out.
    #[error("{0}")]
    Busy(#[from] Busy),
}

impl TokenRules {
    /// From `verify_claims`, `leeway`, `issuers_allowed` and `enable_hs_signatures`.
    pub(super) fn new(config: &Config, pool: WorkPool) -> Result<Self, ConfigError> {
        Ok(Self {
            verify_claims: config.verify_claims.0,
            leeway: config.leeway as f64,
            issuers: config.issuers_allowed.clone().unwrap_or_default(),
            shared: shared_keys(config)?,
            pool,
        })
    }

    /// The claims of a JWT, with what was known when it was verified. A key that is not known makes the issuer be asked
    /// again, now and then.
    pub(super) async fn verify(
        &self,
        token: &str,
        issuer: &Arc<Issuer>,
        known: &Arc<Known>,
    ) -> Result<(Claims, Arc<Known>), BadToken> {
        let jws = parse(token)?;
        let verified = if jws.algorithm().is_symmetric() {
            let is_meant = |(algorithm, _): &&(Algorithm, _)| *algorithm == jws.algorithm();
            let Some((_, key)) = self.shared.iter().find(is_meant) else {
                return Err(BadToken::Invalid("signatures with shared secrets are not enabled".into()));
            };
            let keys = vec![Arc::clone(key)];
            (self.signed(jws, keys).await?.map_err(|_| bad_signature())?, Arc::clone(known))
        } else {
            self.verify_with_keys_of(token, jws, issuer, known).await?
        };
        self.check(&verified.0, &verified.1, true).map_err(|reason| BadToken::Invalid(reason.into()))?;
        Ok(verified)
    }

    /// Whether what was said about a caller is of now and of the right issuer. An answer of the issuer itself may leave out
    /// when it ends.
    pub(super) fn check(&self, claims: &Claims, known: &Known, is_token: bool) -> Result<(), &'static str> {
        if !self.verify_claims {
            return Ok(());
        }
        let now = now() as f64;
        let date = |name| match claims.get(name) {
            None => Ok(None),
            Some(_) => numeric_date(claims, name).map(Some).ok_or("a date is not a number"),
        };
        match date("exp")? {
            None if is_token => return Err("the token does not say when it expires"),
            Some(exp) if exp + self.leeway <= now => return Err("the token has expired"),
            _ => {}
        }
        if [date("nbf")?, date("iat")?].into_iter().flatten().any(|start| start > now + self.leeway) {
            return Err("the token is not valid yet");
        }
        match text(claims, "iss") {
            None if is_token || claims.get("iss").is_some() => Err("the token does not say who issued it"),
            Some(issuer) if !self.is_allowed(&issuer, known) => Err("the token is of another issuer"),
            _ => Ok(()),
        }
    }

    /// Whether a token about a user was made for this client (OpenID Connect Core, 3.1.3.7).
    pub(super) fn is_for(claims: &Claims, client: &str) -> bool {
        let audiences = texts(claims, "aud");
        let authorized = text(claims, "azp").is_none_or(|party| party == client);
        authorized && audiences.iter().any(|audience| audience == client)
    }

    fn is_allowed(&self, issuer: &str, known: &Known) -> bool {
        if self.issuers.is_empty() {
            known.metadata.issuer == issuer
        } else {
            self.issuers.iter().any(|one| one == issuer)
        }
    }

    async fn verify_with_keys_of(
        &self,
        token: &str,
        jws: Jws,
        issuer: &Arc<Issuer>,
        known: &Arc<Known>,
    ) -> Result<(Claims, Arc<Known>), BadToken> {
        let keys = known.candidates(jws.kid(), jws.algorithm());
        if let Ok(claims) = self.signed(jws, keys).await? {
            return Ok((claims, Arc::clone(known)));
        }
        // Its keys may be newer than ours, under a new name or under the old one.
        let known = issuer.rediscover(known.generation).await.ok_or_else(bad_signature)?;
        let jws = parse(token)?;
        let keys = known.candidates(jws.kid(), jws.algorithm());
        let claims = self.signed(jws, keys).await?.map_err(|_| bad_signature())?;
        Ok((claims, known))
    }

    /// Verifies in place what takes microseconds, and elsewhere what does not.
    async fn signed(
        &self,
        jws: Jws,
        keys: Vec<Arc<VerificationKey>>,
    ) -> Result<Result<Claims, BadSignature>, BadToken> {
        if !keys.iter().any(|key| key.is_slow()) {
            return Ok(jws.verify(keys.iter().map(|key| &**key)));
        }
        let verify = move || jws.verify(keys.iter().map(|key| &**key));
        Ok(self.pool.run(verify).await?)
    }
}

/// Whether a token says of itself that it is signed, be it well-formed or not: then its signature is what counts, and the
/// provider is not asked instead. An encrypted one can be read by the provider only.
pub(super) fn claims_to_be_signed(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).ok().and_then(|json| Claims::parse(&json).ok());
    header.is_some_and(|header| header.get("alg").is_some() && header.get("enc").is_none())
}

/// Of the types that JWTs have (RFC 8725, 3.11) those that may stand for an access token.
fn parse(token: &str) -> Result<Jws, BadToken> {
    let jws = Jws::parse(token.as_bytes()).map_err(|error| BadToken::Invalid(error.to_string().into()))?;
    let typ = jws.typ().unwrap_or("JWT").to_ascii_lowercase();
    if typ == "jwt" || typ == "application/jwt" || typ.ends_with("at+jwt") {
        return Ok(jws);
    }
    Err(BadToken::Invalid("the token is of a type that is no access token".into()))
}

fn bad_signature() -> BadToken {
    BadToken::Invalid("no key of the issuer made its signature".into())
}

fn shared_keys(config: &Config) -> Result<Vec<(Algorithm, Arc<VerificationKey>)>, ConfigError> {
    if !config.enable_hs_signatures {
        return Ok(Vec::new());
    }
    let Some(secret) = config.client_secret.as_ref().and_then(|secrets| secrets.first()) else {
        return Err(ConfigError::new("client_secret", "`enable_hs_signatures` needs it"));
    };
    let key = |algorithm| match VerificationKey::from_secret(algorithm, secret.expose().as_bytes()) {
        Ok(key) => Ok((algorithm, Arc::new(key))),
        Err(reason) => Err(ConfigError::new("client_secret", reason.to_string())),
    };
    [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512].into_iter().map(key).collect()
}
