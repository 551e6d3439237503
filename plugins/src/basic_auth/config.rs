//! The configuration of `basic-auth` and of its credentials.

use std::sync::Arc;

use hashbrown::HashMap;
use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::{Busy, ConfigError, Consumer, CredentialRecord, CredentialStore, Identity, Proof, WorkPool};
use subtle::ConstantTimeEq;

use super::{
    Given,
    stored::{Decoys, Stored},
    verified::{Attempt, VerifiedPasswords},
};
use crate::shared::secret::{Secret, fingerprint};

const METHOD: &str = super::NAME;

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The consumer, by id or user name, that a request without a credential is taken for. Without one it is refused.
    pub(super) anonymous: Option<String>,
    /// Whether the credential is taken out of the request before it goes upstream.
    pub(super) hide_credentials: bool,
    /// The realm in `WWW-Authenticate`.
    pub(super) realm: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { anonymous: None, hide_credentials: false, realm: "service".to_owned() }
    }
}

/// One of `basicauth_credentials`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The user name, without a colon.
    username: String,
    /// The password in plain text, or its hash by Argon2id or bcrypt.
    password: Secret,
}

/// Every user by name.
pub(crate) struct Users {
    users: HashMap<Box<[u8]>, User>,
    decoys: Decoys,
    warnings: Vec<(usize, ConfigError)>,
}

struct User {
    password: Stored,
    identity: Identity,
}

/// What the store says about a user name and a password.
pub(super) enum Verdict<'a> {
    /// Both are right.
    Accepted(&'a Identity),
    /// The user exists, the password is another one.
    WrongPassword,
    /// Nobody has this name.
    UnknownUser,
}

impl Users {
    /// Looks a user up. The work is the same whether the user exists or not.
    ///
    /// # Errors
    /// When too many passwords wait to be verified.
    pub(super) async fn verify(
        &self,
        given: &Given,
        verified: &VerifiedPasswords,
        pool: &WorkPool,
    ) -> Result<Verdict<'_>, Busy> {
        let (username, password) = (given.username(), given.password());
        // Chosen for known users, too: that takes time.
        let decoy = self.decoys.of(username);
        let user = self.users.get(username);
        let stored = user.map_or(decoy, |user| &user.password);
        let equal = match stored {
            Stored::Plain(expected) => fingerprint(password).ct_eq(expected).into(),
            Stored::Hashed(against) => {
                let attempt = Attempt { against, is_known: user.is_some(), username, password };
                // In a box: what a password in plain text does not need must not make every request's state larger.
                Box::pin(verified.verify(attempt, pool)).await?
            }
        };
        Ok(match user {
            Some(user) if equal => Verdict::Accepted(&user.identity),
            Some(_) => Verdict::WrongPassword,
            None => Verdict::UnknownUser,
        })
    }
}

impl CredentialStore for Users {
    const COLLECTION: &'static str = "basicauth_credentials";
    const UNIQUE: &'static str = "username";
    type Entry = Entry;

    fn build(records: Vec<CredentialRecord<Entry>>) -> Result<Self, Vec<(usize, ConfigError)>> {
        let mut users = HashMap::with_capacity(records.len());
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        for (position, CredentialRecord { id, consumer, entry }) in records.into_iter().enumerate() {
            match user(&id, &entry, consumer) {
                Ok(user) => {
                    let unwise = user.password.weakness(&entry.password);
                    warnings.extend(unwise.map(|reason| (position, ConfigError::new("password", reason))));
                    if users.insert(entry.username.as_bytes().into(), user).is_some() {
                        let reason = format!("the user name `{}` stands twice", entry.username);
                        errors.push((position, ConfigError::new("username", reason)));
                    }
                }
                Err(error) => errors.push((position, error)),
            }
        }
        let decoys = Decoys::new(users.values().map(|user| &user.password));
        if errors.is_empty() { Ok(Self { users, decoys, warnings }) } else { Err(errors) }
    }

    fn take_warnings(&mut self) -> Vec<(usize, ConfigError)> {
        std::mem::take(&mut self.warnings)
    }
}

fn user(id: &Arc<str>, entry: &Entry, consumer: Arc<Consumer>) -> Result<User, ConfigError> {
    let wrong_name = |reason| Err(ConfigError::new("username", reason));
    if entry.username.is_empty() {
        return wrong_name("must not be empty");
    }
    if entry.username.contains(':') {
        return wrong_name("a colon ends the user name in Basic credentials, so nobody could ever send this one");
    }
    let Ok(identifier) = HeaderValue::from_bytes(entry.username.as_bytes()) else {
        return wrong_name("control characters cannot be sent upstream in a header");
    };
    Ok(User {
        password: Stored::new(id, &entry.password).map_err(|reason| ConfigError::new("password", reason))?,
        identity: Identity {
            identifier: Some(identifier),
            credential_id: Some(Arc::clone(id)),
            ..Identity::new(METHOD, Some(consumer), Proof::Password { username: entry.username.as_str().into() })
        },
    })
}
