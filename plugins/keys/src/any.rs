//! Keys in whatever form, whichever half.

use crate::{
    Algorithm, KeyError, LoadedKey, LoadedPublicKey, PublicKey, Secrets,
    jwk::{self, Members},
    pem,
};

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON (RFC 7517): one key or a set.
    Jwk,
    /// PEM (RFC 7468).
    Pem,
}

/// A key that was read, whichever half it is.
#[derive(Debug)]
pub enum AnyKey {
    /// With its private half; a shared secret is one, too.
    Private(LoadedKey),
    /// The public half alone.
    Public(LoadedPublicKey),
}

impl Form {
    /// What a text looks like.
    ///
    /// # Errors
    /// When it is neither.
    pub fn of(text: &str) -> Result<Self, KeyError> {
        if text.trim_start().starts_with('{') {
            return Ok(Self::Jwk);
        }
        if pem::is_pem(text) { Ok(Self::Pem) } else { Err(KeyError::new("neither a JWK (a JSON object) nor PEM")) }
    }
}

impl AnyKey {
    /// Reads a key from a JWK or PEM. `algorithm` is that of PEM, which does not say; without it, the default of the type.
    /// `secrets` is for symmetric keys.
    ///
    /// # Errors
    /// When it is none that can sign or verify.
    pub fn from_text(text: &str, algorithm: Option<Algorithm>, secrets: Secrets) -> Result<Self, KeyError> {
        match Form::of(text)? {
            Form::Pem if pem::is_private(text) => LoadedKey::from_pem(text, algorithm).map(Self::Private),
            Form::Pem => public_from_pem(text, algorithm).map(Self::Public),
            Form::Jwk => {
                let members = Members::parse(text)?;
                if jwk::PRIVATE.iter().any(|name| members.has(name)) {
                    return LoadedKey::from_jwk(text, secrets).map(Self::Private);
                }
                public_from_jwk(&members).map(Self::Public)
            }
        }
    }
}

fn public_from_pem(text: &str, algorithm: Option<Algorithm>) -> Result<LoadedPublicKey, KeyError> {
    let (key, kind) = pem::public_key(text)?;
    Ok(LoadedPublicKey { key: PublicKey::of(&key, kind.algorithm(algorithm)?)?, kid: None })
}

fn public_from_jwk(members: &Members) -> Result<LoadedPublicKey, KeyError> {
    let kind = jwk::kind(members)?;
    let algorithm = kind.algorithm(members.algorithm(kind)?)?;
    members.meant_for("verify")?;
    let key = PublicKey::of(&*jwk::public_key(members, kind)?, algorithm)?;
    Ok(LoadedPublicKey { key, kid: members.kid(&mut Vec::new())? })
}
