//! How the passwords of a file are kept, and against which of them an unknown user is verified.

use std::sync::Arc;

use ring::digest;

use super::{hash::PasswordHash, verified::HashedPassword};
use crate::shared::secret::{Secret, fingerprint};

/// A password as it is kept.
pub(super) enum Stored {
    /// One in plain text, as its digest: equal lengths make the comparison constant in time.
    Plain([u8; 32]),
    /// One that the file holds as a hash.
    Hashed(Arc<HashedPassword>),
}

impl Stored {
    /// Parses the password of a credential.
    ///
    /// # Errors
    /// What is wrong with a hash, without the hash itself.
    pub(super) fn new(credential_id: &str, password: &Secret) -> Result<Self, String> {
        let text = password.expose();
        Ok(match PasswordHash::parse(text)? {
            Some(hash) => Self::Hashed(Arc::new(HashedPassword::new(credential_id, text, hash))),
            None => Self::Plain(fingerprint(text.as_bytes())),
        })
    }

    /// What is unwise about it.
    pub(super) fn weakness(&self, password: &Secret) -> Option<String> {
        match self {
            Self::Hashed(hashed) if hashed.hash.cost.is_weak() => Some(format!(
                "{} is quickly guessed; OWASP advises argon2id with m=19456,t=2,p=1, or bcrypt with a cost of 10 or more",
                hashed.hash.cost
            )),
            Self::Hashed(_) => None,
            Self::Plain(_) => looks_hashed(password.expose()).map(|kind| {
                format!("looks like {kind}, of which no password can be verified; it is taken as the password itself")
            }),
        }
    }
}

/// Whom an unknown user is verified against. An unknown name costs what a user of the file costs, always the same one, so
/// that in a file with several kinds of passwords, too, the time says nothing about who exists.
pub(super) struct Decoys {
    /// The passwords of all users, by what they cost; none when all are in plain text.
    by_cost: Vec<Stored>,
    /// Chooses the decoy of a name. It comes from the file, so that all gateways with this file choose alike, and from one
    /// hash of it, so that they choose alike when others are added.
    secret: [u8; 32],
    plain: Stored,
}

impl Decoys {
    /// For a store of these passwords.
    pub(super) fn new<'a>(stored: impl Iterator<Item = &'a Stored>) -> Self {
        let cost = |stored: &Stored| match stored {
            Stored::Plain(_) => None,
            Stored::Hashed(hashed) => Some((hashed.hash.cost, hashed.record)),
        };
        // No password has the digest of zeros.
        let plain = || Stored::Plain([0; 32]);
        let mut by_cost: Vec<Stored> = stored
            .map(|stored| match stored {
                Stored::Plain(_) => plain(),
                Stored::Hashed(hashed) => Stored::Hashed(Arc::clone(hashed)),
            })
            .collect();
        by_cost.sort_by_key(cost);
        let secret = by_cost.iter().filter_map(cost).map(|(_, record)| record).min();
        if secret.is_none() {
            by_cost = Vec::new();
        }
        Self { by_cost, secret: secret.unwrap_or_default(), plain: plain() }
    }

    /// The decoy of a name that nobody has.
    pub(super) fn of(&self, username: &[u8]) -> &Stored {
        if self.by_cost.is_empty() {
            return &self.plain;
        }
        let mut choice = digest::Context::new(&digest::SHA256);
        choice.update(&self.secret);
        choice.update(username);
        let part = choice.finish().as_ref().iter().take(4).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        // `part` is evenly spread over 32 bits: the same part of the list, also when the list has grown a little.
        let position = (part * self.by_cost.len() as u64) >> 32;
        usize::try_from(position).ok().and_then(|position| self.by_cost.get(position)).unwrap_or(&self.plain)
    }
}

fn looks_hashed(password: &str) -> Option<&'static str> {
    let is_hex = password.len() == 40 && password.bytes().all(|byte| byte.is_ascii_hexdigit());
    // `$SCHEME$...`, as crypt(3) and its kin write it.
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let parts = password.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    if is_hex {
        Some("a hash out of Kong's database")
    } else if parts.is_some_and(|(scheme, hash)| is_word(scheme) && !hash.is_empty()) {
        Some("a hash of another kind")
    } else {
        None
    }
}
