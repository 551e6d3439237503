//! The claims of a token, written as JSON text: first what lasts, then what differs each time.

mod actor;
mod audience;
mod config;
mod expression;
mod facts;
mod path;
mod plan;
mod template;

use signet_plugin_api::{Claims, ConfigError, Identity, Proof, Scope};
use uuid::Uuid;

use self::{actor::write_actor, audience::Aud, config::Act, path::member_at, plan::Plan};
use super::{
    caller::ClientId,
    config::{Config, Seconds, WebUrl},
};
use crate::shared::jose::append_part;

pub(super) use self::{
    config::{Audience, ClaimsConfig, TokenType},
    facts::Facts,
};

/// Everything about the claims of one configuration that does not change.
pub(super) struct Mint {
    /// `"iss":"…"` as JSON text.
    issuer: String,
    expires_in: u32,
    not_before: Option<u32>,
    /// None: no `aud`.
    audience: Option<Aud>,
    /// None: no `act`.
    act: Option<Act>,
    has_client_id: bool,
    has_jti: bool,
    amr: bool,
    cnf: bool,
    plan: Plan,
}

impl Mint {
    /// Compiles what `config` says of claims, and tells what is unwise.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn new(config: &Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let plan = Plan::new(config, scope)?;
        let audience = Aud::new(config.audience.as_ref())?;
        let claims = &config.claims;
        let keeps = |name| !plan.removes(name);
        let WebUrl(issuer) = &config.iss;
        Ok(Self {
            issuer: format!("\"iss\":{}", template::string(issuer)),
            expires_in: config.expires_in.0,
            not_before: config.not_before.map(|Seconds(seconds)| seconds),
            audience: keeps("aud").then_some(audience),
            act: keeps("act").then_some(claims.act),
            has_client_id: keeps("client_id"),
            has_jti: keeps("jti"),
            amr: claims.amr,
            cnf: claims.cnf,
            plan,
        })
    }

    /// Whether no two tokens are alike for long: they hold the id of the request, or what a client is free to say.
    pub(super) fn varies_by_request(&self) -> bool {
        self.plan.varies_by_request()
    }

    /// The claims that are the same for every token of this caller, from the brace on: two callers of whom they are equal
    /// may have the same token.
    pub(super) fn write_lasting(&self, out: &mut Vec<u8>, facts: &Facts<'_>) -> Result<(), serde_json::Error> {
        let caller = facts.caller;
        let incoming = caller.claims.as_deref();
        out.push(b'{');
        if let Some(claims) = incoming {
            copy_members(out, claims, |name| !self.plan.replaces(name))?;
        }
        out.extend_from_slice(self.issuer.as_bytes());
        if let Some(audience) = &self.audience {
            out.extend_from_slice(b",\"aud\":");
            audience.write(out, facts.service)?;
        }
        if let Some(act) = self.act {
            out.extend_from_slice(b",\"act\":");
            write_actor(out, act, incoming.and_then(|claims| claims.get("act")), caller.actor)?;
        }
        if self.has_client_id {
            out.extend_from_slice(b",\"client_id\":");
            match &caller.client_id {
                ClientId::Json(json) => out.extend_from_slice(json.as_bytes()),
                ClientId::Text(text) => serde_json::to_writer(&mut *out, text)?,
            }
        }
        if let Some(identity) = caller.identity {
            self.write_provenance(out, identity)?;
        }
        self.write_configured(out, facts)
    }

    /// The claims of this one token, to the closing brace. `now` in seconds since 1970.
    pub(super) fn write_issue(&self, out: &mut Vec<u8>, now: u64) {
        write_number(out, ",\"iat\":", now);
        write_number(out, ",\"exp\":", now.saturating_add(u64::from(self.expires_in)));
        if let Some(earlier) = self.not_before {
            write_number(out, ",\"nbf\":", now.saturating_sub(u64::from(earlier)));
        }
        if self.has_jti {
            out.extend_from_slice(b",\"jti\":\"");
            out.extend_from_slice(Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            out.push(b'"');
        }
        out.push(b'}');
    }

    /// What [`Self::write_issue`] writes, in words, as JSON text.
    pub(super) fn at_signing(&self) -> String {
        let mut claims = vec![("iat", "now".to_owned()), ("exp", format!("iat + {}", self.expires_in))];
        claims.extend(self.not_before.map(|earlier| ("nbf", format!("iat - {earlier}"))));
        claims.extend(self.has_jti.then(|| ("jti", "a random UUID".to_owned())));
        let claims: serde_json::Map<_, _> =
            claims.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        serde_json::Value::Object(claims).to_string()
    }

    fn write_provenance(&self, out: &mut Vec<u8>, identity: &Identity) -> Result<(), serde_json::Error> {
        if self.amr {
            out.extend_from_slice(b",\"amr\":[");
            serde_json::to_writer(&mut *out, authentication_method(identity))?;
            out.push(b']');
        }
        if let (true, Proof::Certificate { fingerprint, .. }) = (self.cnf, &identity.proof) {
            out.extend_from_slice(b",\"cnf\":{\"x5t#S256\":\"");
            append_part(fingerprint, out);
            out.extend_from_slice(b"\"}");
        }
        Ok(())
    }

    /// `claims.copy` and `claims.add`
    fn write_configured(&self, out: &mut Vec<u8>, facts: &Facts<'_>) -> Result<(), serde_json::Error> {
        if let Some(claims) = facts.caller.claims.as_deref() {
            for copied in &self.plan.copied {
                if let Some(value) = member_at(claims, &copied.from) {
                    out.extend_from_slice(copied.start.as_bytes());
                    out.extend_from_slice(value.get().as_bytes());
                }
            }
        }
        self.plan.added.iter().try_for_each(|template| template.write(out, facts))
    }
}

/// RFC 8176, 2, where it has a value for the method. It has none for a key or a token that a client shows.
fn authentication_method(identity: &Identity) -> &'static str {
    match identity.proof {
        Proof::Password { .. } => "pwd",
        // The handshake proves possession of the key; whether hardware keeps it is not known.
        Proof::Certificate { .. } => "pop",
        Proof::Key => "apikey",
        Proof::Token { .. } => "token",
        _ => identity.method,
    }
}

/// Writes each member that is kept, with a comma behind it.
fn copy_members(out: &mut Vec<u8>, members: &Claims, kept: impl Fn(&str) -> bool) -> Result<(), serde_json::Error> {
    for (name, json) in members.iter().filter(|(name, _)| kept(name)) {
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        out.extend_from_slice(json.get().as_bytes());
        out.push(b',');
    }
    Ok(())
}

fn write_number(out: &mut Vec<u8>, start: &str, number: u64) {
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
