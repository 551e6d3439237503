//! From a credential to verified claims, by whichever of the enabled methods fits.

use std::{borrow::Cow, sync::Arc};

use signet_plugin_api::Claims;

use super::{
    admission::{Admission, AdmissionRules, Verified},
    answers::{Answer, Digest, Digester, Digestible, Verdict},
    config::kinds::AuthMethod,
    exchange::{Exchange, Grant},
    issuer::Known,
    presented::{Credential, Origin},
    refusal::Refusal,
    token::{TokenRules, claims_to_be_signed},
    trouble::Trouble,
};
use crate::shared::jws::MAX_TOKEN;

/// The enabled methods, and what they need.
pub(super) struct Authenticator {
    pub(super) exchange: Arc<Exchange>,
    pub(super) rules: TokenRules,
    pub(super) admissions: AdmissionRules,
    pub(super) bearer: bool,
    pub(super) introspection: bool,
    pub(super) userinfo: bool,
    /// Whether the provider is asked about verified tokens too: they may be revoked.
    pub(super) introspect_jwts: bool,
}

/// A token whose claims are believed.
struct Believed {
    claims: Arc<Claims>,
    /// See [`Verified::until`].
    until: Option<u64>,
    generation: Option<u64>,
}

struct Token<'t>(&'t str);

impl Digestible for Token<'_> {
    fn digest(&self, digester: &Digester) -> Digest {
        digester.digest(b't', &[self.0.as_bytes()])
    }
}

impl Authenticator {
    /// Which of the methods are enabled.
    pub(super) fn new(
        methods: &[AuthMethod],
        introspect_jwts: bool,
        exchange: Arc<Exchange>,
        rules: TokenRules,
        admissions: AdmissionRules,
    ) -> Self {
        let has = |method| methods.contains(&method);
        Self {
            bearer: has(AuthMethod::Bearer),
            introspection: has(AuthMethod::Introspection),
            userinfo: has(AuthMethod::Userinfo),
            introspect_jwts,
            exchange,
            rules,
            admissions,
        }
    }

    /// What is known of the identity provider.
    ///
    /// # Errors
    /// As long as nothing is.
    pub(super) fn known(&self) -> Result<Arc<Known>, Refusal> {
        let unknown = || Refusal::Unavailable(Trouble::new("the identity provider has not been reached yet"));
        self.exchange.issuer.known().ok_or_else(unknown)
    }

    /// Admits the owner of a credential; also says where the credential stood.
    pub(super) async fn authenticate(
        &self,
        credential: &Credential,
        known: &Arc<Known>,
    ) -> Result<(Arc<Admission>, Origin), Refusal> {
        match credential {
            Credential::Token(token, origin) => Ok((self.admit_token(token, known).await?, origin.clone())),
            Credential::Grants(grants) => {
                let mut last = Refusal::Nothing;
                for (grant, origin) in grants {
                    match self.admit_grant(grant, known).await {
                        Ok(admission) => return Ok((admission, origin.clone())),
                        // The same user name and password may be good for the other kind of grant.
                        Err(refusal @ Refusal::Invalid(_)) => last = refusal,
                        Err(refusal) => return Err(refusal),
                    }
                }
                Err(last)
            }
        }
    }

    async fn admit_token(&self, token: &str, known: &Arc<Known>) -> Result<Arc<Admission>, Refusal> {
        if token.len() > MAX_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refusal::Invalid("that is no token".into()));
        }
        let digest = self.admissions.digest(&Token(token));
        if let Some(admission) = self.admissions.remembered(&digest, known) {
            return Ok(admission);
        }
        // In a box: what a new token needs must not make every request's state larger.
        let Believed { claims, until, generation } = Box::pin(self.believed(token, known)).await?;
        self.admissions.admit(digest, Verified { claims, token: token.to_owned(), until, generation })
    }

    async fn admit_grant(&self, grant: &Grant, known: &Arc<Known>) -> Result<Arc<Admission>, Refusal> {
        let digest = self.admissions.digest(grant);
        if let Some(admission) = self.admissions.remembered(&digest, known) {
            return Ok(admission);
        }
        // A refused credential is not tried again: a provider counts wrong passwords, and its refusal is remembered.
        let answer = good(self.exchange.grant(known, grant).await?)?;
        let verified = match Box::pin(self.exchanged(answer, grant, known)).await {
            // The token may have been kept longer than it is good: the provider has new keys, or revoked it.
            Err(Refusal::Invalid(_)) => {
                self.exchange.forget(grant).await;
                let answer = good(self.exchange.grant(known, grant).await?)?;
                Box::pin(self.exchanged(answer, grant, known)).await?
            }
            other => other?,
        };
        self.admissions.admit(digest, verified)
    }

    async fn believed(&self, token: &str, known: &Arc<Known>) -> Result<Believed, Refusal> {
        if self.bearer && (claims_to_be_signed(token) || !self.asks()) {
            self.verify(token, known).await
        } else if self.introspection {
            self.introspect(token, known).await
        } else {
            self.ask_user_info(token, known).await
        }
    }

    async fn exchanged(&self, answer: Arc<Answer>, grant: &Grant, known: &Arc<Known>) -> Result<Verified, Refusal> {
        let token = answer.access_token.as_deref().map_or("", String::as_str);
        let believed = if claims_to_be_signed(token) {
            self.verify(token, known).await?
        } else if self.introspection {
            self.introspect(token, known).await?
        } else if let Some(id_token) = &answer.id_token {
            self.verify_id_token(id_token, grant, known).await?
        } else {
            // The provider gave a token for the credential and said nothing of its owner.
            Believed { claims: Arc::default(), until: Some(answer.until), generation: None }
        };
        let until = believed.until.filter(|_| self.exchange.token.keep).map(|until| until.min(answer.until));
        Ok(Verified { claims: believed.claims, token: token.to_owned(), until, generation: believed.generation })
    }

    /// Whether the provider can be asked about a token that is no JWT.
    fn asks(&self) -> bool {
        self.introspection || self.userinfo
    }

    async fn verify(&self, token: &str, known: &Arc<Known>) -> Result<Believed, Refusal> {
        let (claims, known) = self.rules.verify(token, &self.exchange.issuer, known).await?;
        let mut until = Some(u64::MAX);
        if self.introspect_jwts {
            until = self.introspect(token, &known).await?.until;
        }
        Ok(Believed { claims: Arc::new(claims), until, generation: Some(known.generation) })
    }

    async fn verify_id_token(&self, token: &str, grant: &Grant, known: &Arc<Known>) -> Result<Believed, Refusal> {
        let (claims, known) = self.rules.verify(token, &self.exchange.issuer, known).await?;
        let client = match grant {
            Grant::Client { id, .. } => Some(id.as_str()),
            Grant::Password { .. } => self.exchange.client.as_ref().map(|client| client.id()),
        };
        if !client.is_some_and(|client| TokenRules::is_for(&claims, client)) {
            return Err(Refusal::Invalid("the token about the user is for another client".into()));
        }
        Ok(Believed { claims: Arc::new(claims), until: Some(u64::MAX), generation: Some(known.generation) })
    }

    async fn introspect(&self, token: &str, known: &Arc<Known>) -> Result<Believed, Refusal> {
        let answer = good(self.exchange.introspect(known, token).await?)?;
        self.believe(&answer, known, self.exchange.introspection.keep)
    }

    async fn ask_user_info(&self, token: &str, known: &Arc<Known>) -> Result<Believed, Refusal> {
        let answer = good(self.exchange.user_info(known, token).await?)?;
        self.believe(&answer, known, self.exchange.userinfo.keep)
    }

    fn believe(&self, answer: &Answer, known: &Known, keep: bool) -> Result<Believed, Refusal> {
        self.rules.check(&answer.claims, known, false).map_err(|reason| Refusal::Invalid(reason.into()))?;
        Ok(Believed { claims: Arc::clone(&answer.claims), until: keep.then_some(answer.until), generation: None })
    }
}

fn good(verdict: Verdict) -> Result<Arc<Answer>, Refusal> {
    match verdict {
        Verdict::Good(answer) => Ok(answer),
        Verdict::Bad(reason) => Err(Refusal::Invalid(Cow::Borrowed(reason))),
    }
}
