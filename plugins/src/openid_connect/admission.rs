//! What a verified credential is worth: kept ready, so that the next request with it only looks it up.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use moka::sync::Cache;
use serde_json::Value;
use signet_plugin_api::{Claims, ConfigError, Identity, PluginError, Request, ResponseHeader, Scope};

use super::{
    answers::{Digest, Digester, Digestible, MEMORY, size},
    caller::CallerRules,
    claims::Requirement,
    config::{Config, kinds::TokenHeader, review::claim_headers},
    issuer::Known,
    presented::may_hold_a_credential,
    refusal::Refusal,
};
use crate::shared::{claims::numeric_date, clock::now, names::remove_lookalikes};

/// How long an admission that nobody uses is remembered: also those of configurations that are gone.
const IDLE: Duration = Duration::from_secs(600);

/// A credential that was found good, by whichever way.
pub(super) struct Verified {
    /// What is said about the caller.
    pub(super) claims: Arc<Claims>,
    /// The access token itself.
    pub(super) token: String,
    /// The end of what it rests on, in seconds since 1970; nothing when it may not be remembered.
    pub(super) until: Option<u64>,
    /// The keys that it rests on; nothing when it rests on an answer.
    pub(super) generation: Option<u64>,
}

/// A caller who may pass.
pub(super) struct Admission {
    identity: Identity,
    until: u64,
    generation: Option<u64>,
    token: HeaderValue,
    upstream: Vec<Option<HeaderValue>>,
    downstream: Vec<Option<HeaderValue>>,
    size: usize,
}

/// Who may pass, and what is said of them to the upstream and to the client.
pub(super) struct AdmissionRules {
    required: Vec<Requirement>,
    caller: CallerRules,
    token_header: TokenHeader,
    upstream: Vec<(String, HeaderName)>,
    downstream: Vec<(String, HeaderName)>,
    leeway: u64,
    /// Under a key of its own: what is admitted here is not admitted elsewhere.
    digester: Digester,
    admissions: Arc<Admissions>,
}

/// The admissions of all plugins, in one memory.
struct Admissions(Cache<Digest, Arc<Admission>>);

/// The admission of this request, for its response.
pub(super) struct Admitted(Arc<Admission>);

impl AdmissionRules {
    /// From the fields about claims, consumers and headers.
    pub(super) fn new(config: &Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let required = [
            Requirement::new(
                config.scopes_required.as_ref(),
                config.scopes_claim.as_ref(),
                "scope",
                "a scope is missing",
            ),
            Requirement::new(
                config.audience_required.as_ref(),
                config.audience_claim.as_ref(),
                "aud",
                "it is for others",
            ),
            Requirement::new(config.roles_required.as_ref(), config.roles_claim.as_ref(), "roles", "a role is missing"),
            Requirement::new(
                config.groups_required.as_ref(),
                config.groups_claim.as_ref(),
                "groups",
                "a group is missing",
            ),
        ];
        let headers = |field, claims: &Option<Vec<String>>, names: &Option<Vec<String>>| {
            claim_headers(field, claims.as_deref(), names.as_deref())
        };
        Ok(Self {
            required: required.into_iter().flatten().collect(),
            caller: CallerRules::new(config, scope),
            token_header: config.upstream_access_token_header.clone(),
            upstream: headers("upstream_headers", &config.upstream_headers_claims, &config.upstream_headers_names)?,
            downstream: headers(
                "downstream_headers",
                &config.downstream_headers_claims,
                &config.downstream_headers_names,
            )?,
            leeway: config.leeway,
            digester: Digester::new()?,
            admissions: scope.shared("", Admissions::new),
        })
    }

    /// How a credential is known here.
    pub(super) fn digest(&self, credential: &impl Digestible) -> Digest {
        credential.digest(&self.digester)
    }

    /// The admission of a credential that was here before, if nothing that it rests on has ended or changed.
    pub(super) fn remembered(&self, digest: &Digest, known: &Known) -> Option<Arc<Admission>> {
        let admission = self.admissions.0.get(digest)?;
        let is_current = admission.generation.is_none_or(|generation| generation == known.generation);
        if admission.until > now() && is_current {
            return Some(admission);
        }
        self.admissions.0.invalidate(digest);
        None
    }

    /// Admits the owner of a credential, if the claims allow it.
    pub(super) fn admit(&self, digest: Digest, verified: Verified) -> Result<Arc<Admission>, Refusal> {
        let Verified { claims, token, until, generation } = verified;
        if let Some(required) = self.required.iter().find(|required| !required.is_met(&claims)) {
            return Err(Refusal::Insufficient(required.missing));
        }
        let value = self.token_header.value(&token);
        let value = value.ok_or_else(|| Refusal::Invalid("the token cannot stand in a header".into()))?;
        let headers = |list: &[(String, HeaderName)]| list.iter().map(|(claim, _)| header(&claims, claim)).collect();
        let expires = numeric_date(&claims, "exp").map(|exp| (exp as u64).saturating_add(self.leeway));
        let keep = until.map(|until| expires.map_or(until, |expires| expires.min(until)));
        let admission = Arc::new(Admission {
            until: keep.unwrap_or(0),
            generation,
            token: value,
            upstream: headers(&self.upstream),
            downstream: headers(&self.downstream),
            // Headers repeat parts of the claims.
            size: 512 + token.len() + 2 * size(&claims),
            identity: self.caller.identity(claims).map_err(Refusal::Unknown)?,
        });
        if keep.is_some() {
            self.admissions.0.insert(digest, Arc::clone(&admission));
        }
        Ok(admission)
    }

    /// Removes what only we may say. A header in which callers send their own token stays until the token is read.
    pub(super) fn strip(&self, request: &mut Request<'_>) {
        let token = Some(&self.token_header.name).filter(|name| !may_hold_a_credential(name));
        for name in self.upstream.iter().map(|(_, name)| name).chain(token) {
            request.head_mut().remove_header(name);
            remove_lookalikes(request.head_mut(), name.as_ref());
        }
    }

    /// Tells the upstream who calls.
    pub(super) fn forward(&self, admission: &Admission, request: &mut Request<'_>) -> Result<(), PluginError> {
        let head = request.head_mut();
        remove_lookalikes(head, self.token_header.name.as_ref());
        head.insert_header(self.token_header.name.clone(), admission.token.clone())?;
        for ((_, name), value) in self.upstream.iter().zip(&admission.upstream) {
            if let Some(value) = value {
                head.insert_header(name.clone(), value.clone())?;
            }
        }
        Ok(())
    }

    /// Whether the response has something for the client.
    pub(super) fn answers_back(&self) -> bool {
        !self.downstream.is_empty()
    }

    /// Tells the client who it is.
    pub(super) fn answer(&self, admitted: Option<&Admitted>, head: &mut ResponseHeader) -> Result<(), PluginError> {
        for (at, (_, name)) in self.downstream.iter().enumerate() {
            match admitted.and_then(|Admitted(admission)| admission.downstream.get(at)?.as_ref()) {
                Some(value) => head.insert_header(name.clone(), value.clone())?,
                None => drop(head.remove_header(name)),
            }
        }
        Ok(())
    }
}

impl Admissions {
    fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(MEMORY)
            .weigher(|_, admission: &Arc<Admission>| u32::try_from(admission.size).unwrap_or(u32::MAX))
            .time_to_idle(IDLE)
            .build();
        Self(cache)
    }
}

impl Admission {
    /// Who the caller is.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl Admitted {
    /// For the response.
    pub(super) fn new(admission: Arc<Admission>) -> Self {
        Self(admission)
    }
}

/// A claim as the value of a header: text as it is, anything else as JSON.
fn header(claims: &Claims, name: &str) -> Option<HeaderValue> {
    let json = claims.get(name)?.get();
    match serde_json::from_str(json).ok()? {
        Value::Null => None,
        Value::String(text) => HeaderValue::from_bytes(text.as_bytes()).ok(),
        _ => HeaderValue::from_bytes(json.as_bytes()).ok(),
    }
}
