//! For whom a token is signed: what an authentication plugin verified, or what the request's headers claim.

use std::borrow::Cow;

use http::{HeaderName, header};
use serde_json::value::RawValue;
use signet_plugin_api::{Claims, Consumer, Context, Identity, PluginError, Proof, Request};

use super::{
    config::{ApikeyClientId, Config, IdentitySource},
    refusal::Refusal,
};
use crate::shared::{encoding::either_base64, secret::PresentedKey};

/// What a token says about its caller.
pub(super) struct Caller<'a> {
    pub(super) client_id: ClientId<'a>,
    /// `act.client_id`
    pub(super) actor: &'a str,
    /// The claims that are copied.
    pub(super) claims: Option<Cow<'a, Claims>>,
    /// What was verified; none when the request's headers are believed.
    pub(super) identity: Option<&'a Identity>,
}

/// The `client_id` claim.
pub(super) enum ClientId<'a> {
    Text(Cow<'a, str>),
    /// A string or a number, as JSON text.
    Json(Cow<'a, str>),
}

/// Finds the caller as the configuration says.
pub(super) struct CallerSource {
    source: IdentitySource,
    apikey_client_id: ApikeyClientId,
    apikey_header: HeaderName,
    claim: String,
}

/// There is no caller: the client's doing, or a plugin's.
pub(super) enum NoCaller {
    Refused(Refusal),
    Broken(PluginError),
}

impl From<Refusal> for NoCaller {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl CallerSource {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            source: config.identity_source,
            apikey_client_id: config.apikey_client_id,
            apikey_header: config.apikey_header.0.clone(),
            claim: config.bearer_clientid_claim.0.clone(),
        }
    }

    pub(super) fn find<'a>(&self, request: &'a Request<'_>, cx: &'a Context) -> Result<Caller<'a>, NoCaller> {
        match self.source {
            IdentitySource::Verified => self.verified(request, cx),
            IdentitySource::Request => Ok(self.presented(request, cx)?),
        }
    }

    /// Whether `client_id` is the API key itself.
    pub(super) fn tells_the_key(&self, request: &Request<'_>, cx: &Context) -> bool {
        match self.source {
            IdentitySource::Request => matches!(self.presentation(request, cx.identity()), Presented::Key(_)),
            IdentitySource::Verified => {
                let is_key = cx.identity().is_some_and(|identity| matches!(identity.proof, Proof::Key));
                is_key && self.apikey_client_id == ApikeyClientId::Key
            }
        }
    }

    fn verified<'a>(&self, request: &Request<'_>, cx: &'a Context) -> Result<Caller<'a>, NoCaller> {
        let Some(identity) = cx.identity().filter(|identity| identity.is_authenticated()) else {
            let nothing = matches!(self.presentation(request, None), Presented::Nothing);
            return Err(if nothing { Refusal::NothingPresented } else { Refusal::NothingVerified }.into());
        };
        // A token without `act.client_id` would name nobody as its actor.
        let consumer = identity.consumer.as_deref().ok_or(Refusal::NothingVerified)?;
        let (client_id, claims) = match &identity.proof {
            Proof::Password { username } => (text(username)?, None),
            Proof::Key => (self.key_client_id(identity, consumer, cx)?, None),
            Proof::Certificate { subject, .. } | Proof::Other { subject } => (text(subject)?, None),
            Proof::Token { claims } => (ClientId::Json(self.claim_of(claims)?.into()), Some(Cow::Borrowed(&**claims))),
            _ => return Err(Refusal::NoClientId.into()),
        };
        Ok(Caller { client_id, actor: actor(consumer), claims, identity: Some(identity) })
    }

    fn key_client_id<'a>(
        &self,
        identity: &'a Identity,
        consumer: &'a Consumer,
        cx: &'a Context,
    ) -> Result<ClientId<'a>, NoCaller> {
        match self.apikey_client_id {
            ApikeyClientId::CredentialId => Ok(text(identity.credential_id.as_deref().unwrap_or_default())?),
            ApikeyClientId::Consumer => Ok(text(actor(consumer))?),
            ApikeyClientId::Key => match cx.get::<PresentedKey>() {
                Some(key) => Ok(text(key.as_str())?),
                None => Err(NoCaller::Broken(PluginError::new(
                    "the plugin that verified the API key did not leave it; set `apikey_client_id` to another value",
                ))),
            },
        }
    }

    fn presented<'a>(&self, request: &'a Request<'_>, cx: &'a Context) -> Result<Caller<'a>, Refusal> {
        let (client_id, claims) = match self.presentation(request, cx.identity()) {
            Presented::Nothing => return Err(Refusal::NothingPresented),
            Presented::Bearer(token) => {
                let claims = self.unverified_claims(token)?;
                (ClientId::Json(Cow::Owned(self.claim_of(&claims)?.to_owned())), Some(Cow::Owned(claims)))
            }
            Presented::Basic(credentials) => (basic_username(credentials)?, None),
            Presented::Subject(subject) => (text(subject)?, None),
            Presented::Key(key) => (text(std::str::from_utf8(key).map_err(|_| Refusal::NoClientId)?)?, None),
        };
        let consumer = cx.consumer().ok_or(Refusal::NothingVerified)?;
        Ok(Caller { client_id, actor: actor(consumer), claims, identity: None })
    }

    /// The first credential in the order of Kong's plugin.
    fn presentation<'a>(&self, request: &'a Request<'_>, identity: Option<&'a Identity>) -> Presented<'a> {
        let authorization = request.header(&header::AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        if let Some(token) = authorization.strip_prefix(b"Bearer ") {
            return Presented::Bearer(token.trim_ascii());
        }
        if let Some(credentials) = authorization.strip_prefix(b"Basic ") {
            return Presented::Basic(credentials.trim_ascii());
        }
        if let Some(Identity { proof: Proof::Certificate { subject, .. }, .. }) = identity {
            return Presented::Subject(subject);
        }
        request.header(&self.apikey_header).map_or(Presented::Nothing, |key| Presented::Key(key.as_bytes()))
    }

    fn unverified_claims(&self, token: &[u8]) -> Result<Claims, Refusal> {
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Refusal::NotThreeParts);
        };
        let json = either_base64(payload)
            .ok_or_else(|| Refusal::NotJson { reason: "the payload is not base64".to_owned() })?;
        serde_json::from_slice::<&RawValue>(&json).map_err(|error| Refusal::NotJson { reason: error.to_string() })?;
        Claims::parse(&json).map_err(|_| self.no_claim())
    }

    /// The JSON text of the configured claim, if it can name a client.
    fn claim_of<'a>(&self, claims: &'a Claims) -> Result<&'a str, Refusal> {
        match claims.get(&self.claim).map(RawValue::get) {
            Some(json)
                if json != "\"\"" && json.starts_with(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) =>
            {
                Ok(json)
            }
            _ => Err(self.no_claim()),
        }
    }

    fn no_claim(&self) -> Refusal {
        Refusal::NoClaim { claim: self.claim.clone() }
    }
}

enum Presented<'a> {
    Nothing,
    Bearer(&'a [u8]),
    Basic(&'a [u8]),
    Subject(&'a str),
    Key(&'a [u8]),
}

fn basic_username(credentials: &[u8]) -> Result<ClientId<'static>, Refusal> {
    let decoded = either_base64(credentials).ok_or(Refusal::NotBase64)?;
    let decoded = std::str::from_utf8(&decoded).map_err(|_| Refusal::NoClientId)?;
    match decoded.split_once(':') {
        Some((username, _)) if !username.is_empty() => Ok(ClientId::Text(Cow::Owned(username.to_owned()))),
        _ => Err(Refusal::NoClientId),
    }
}

fn text(name: &str) -> Result<ClientId<'_>, Refusal> {
    if name.is_empty() { Err(Refusal::NoClientId) } else { Ok(ClientId::Text(Cow::Borrowed(name))) }
}

fn actor(consumer: &Consumer) -> &str {
    consumer.custom_id.as_deref().unwrap_or(&consumer.id)
}
