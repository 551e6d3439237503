//! The claims of a token, written as JSON text: first what lasts, then what differs each time.

use std::fmt;

use serde::Serializer as _;
use serde_json::value::RawValue;
use signet_plugin_api::{Claims, Identity, Proof, Service};
use uuid::Uuid;

use super::{
    caller::{Caller, ClientId},
    config::{Config, MoreClaims},
};
use crate::shared::{clock, jose::append_part};

/// The claims of ours that replace incoming ones of the same name.
const OURS: [&str; 7] = ["iss", "iat", "exp", "jti", "aud", "act", "client_id"];

/// Claims of ours where the configuration asks for them; then they replace incoming ones too.
const AMR: &str = "amr";
const CNF: &str = "cnf";

/// Everything about the claims of one configuration that does not change.
pub(super) struct Mint {
    /// `"iss":"…"` as JSON text.
    issuer: String,
    expires_in: u32,
    claims: MoreClaims,
    /// The names of incoming claims that are not copied.
    replaced: Vec<&'static str>,
}

impl Mint {
    pub(super) fn new(config: &Config) -> Result<Self, serde_json::Error> {
        let issuer = format!("\"iss\":{}", serde_json::to_string(&config.iss.0)?);
        let claims = config.claims;
        let more = [(AMR, claims.amr), (CNF, claims.cnf)].into_iter().filter(|(_, wanted)| *wanted);
        let replaced = OURS.into_iter().chain(more.map(|(name, _)| name)).collect();
        Ok(Self { issuer, expires_in: config.expires_in.0, claims, replaced })
    }

    /// All claims of a token.
    pub(super) fn write_claims(
        &self,
        out: &mut Vec<u8>,
        caller: &Caller<'_>,
        service: &Service,
    ) -> Result<(), serde_json::Error> {
        self.write_lasting(out, caller, service)?;
        self.write_issue(out, clock::now());
        Ok(())
    }

    /// The claims that are the same for every token of this caller, from the brace on: two callers of whom they are equal
    /// may have the same token.
    pub(super) fn write_lasting(
        &self,
        out: &mut Vec<u8>,
        caller: &Caller<'_>,
        service: &Service,
    ) -> Result<(), serde_json::Error> {
        let incoming = caller.claims.as_deref();
        out.push(b'{');
        if let Some(claims) = incoming {
            copy_members(out, claims, &self.replaced)?;
        }
        out.extend_from_slice(self.issuer.as_bytes());
        out.extend_from_slice(b",\"aud\":");
        serde_json::Serializer::new(&mut *out).collect_str(&Audience(service))?;
        out.extend_from_slice(b",\"act\":");
        write_actor(out, incoming.and_then(|claims| claims.get("act")), caller.actor)?;
        out.extend_from_slice(b",\"client_id\":");
        match &caller.client_id {
            ClientId::Json(json) => out.extend_from_slice(json.as_bytes()),
            ClientId::Text(text) => serde_json::to_writer(&mut *out, text)?,
        }
        if let Some(identity) = caller.identity {
            self.write_provenance(out, identity)?;
        }
        Ok(())
    }

    /// The claims of this one token, to the closing brace. `now` in seconds since 1970.
    pub(super) fn write_issue(&self, out: &mut Vec<u8>, now: u64) {
        out.extend_from_slice(b",\"iat\":");
        out.extend_from_slice(itoa::Buffer::new().format(now).as_bytes());
        out.extend_from_slice(b",\"exp\":");
        out.extend_from_slice(itoa::Buffer::new().format(now.saturating_add(u64::from(self.expires_in))).as_bytes());
        out.extend_from_slice(b",\"jti\":\"");
        out.extend_from_slice(Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        out.extend_from_slice(b"\"}");
    }

    fn write_provenance(&self, out: &mut Vec<u8>, identity: &Identity) -> Result<(), serde_json::Error> {
        if self.claims.amr {
            out.extend_from_slice(b",\"amr\":[");
            serde_json::to_writer(&mut *out, authentication_method(identity))?;
            out.push(b']');
        }
        if let (true, Proof::Certificate { fingerprint, .. }) = (self.claims.cnf, &identity.proof) {
            out.extend_from_slice(b",\"cnf\":{\"x5t#S256\":\"");
            append_part(fingerprint, out);
            out.extend_from_slice(b"\"}");
        }
        Ok(())
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

/// Writes each member but those in `except`, with a comma behind it.
fn copy_members(out: &mut Vec<u8>, members: &Claims, except: &[&str]) -> Result<(), serde_json::Error> {
    for (name, json) in members.iter().filter(|(name, _)| !except.contains(name)) {
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        out.extend_from_slice(json.get().as_bytes());
        out.push(b',');
    }
    Ok(())
}

/// The incoming actor with another `client_id`. Anything but an object is replaced: RFC 8693 allows nothing else.
fn write_actor(out: &mut Vec<u8>, incoming: Option<&RawValue>, client_id: &str) -> Result<(), serde_json::Error> {
    out.push(b'{');
    if let Some(members) = incoming.and_then(|act| Claims::parse(act.get().as_bytes()).ok()) {
        copy_members(out, &members, &["client_id"])?;
    }
    out.extend_from_slice(b"\"client_id\":");
    serde_json::to_writer(&mut *out, client_id)?;
    out.push(b'}');
    Ok(())
}

/// The service's URL as configured, without the ports 80 and 443, whatever the protocol: as Kong's plugin writes it.
struct Audience<'a>(&'a Service);

impl fmt::Display for Audience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(service) = self;
        write!(f, "{}://{}", service.protocol.as_str(), service.host)?;
        if !matches!(service.port, 80 | 443) {
            write!(f, ":{}", service.port)?;
        }
        f.write_str(service.path.as_deref().unwrap_or(""))
    }
}
