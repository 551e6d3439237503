//! The configuration of `basic-auth` and of its credentials.

use std::sync::Arc;

use hashbrown::HashMap;
use http::HeaderValue;
use serde::Deserialize;
use signet_plugin_api::{ConfigError, Consumer, CredentialRecord, CredentialStore, Identity, Proof};
use subtle::ConstantTimeEq;

use crate::shared::credentials::{Secret, fingerprint};

const METHOD: &str = super::NAME;

/// `config` of the plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(super) anonymous: Option<String>,
    pub(super) hide_credentials: bool,
    pub(super) realm: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { anonymous: None, hide_credentials: false, realm: "service".to_owned() }
    }
}

/// One of `basicauth_credentials`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    username: String,
    password: Secret,
}

/// Every user by name. Of a password only the digest is kept: equal lengths make the comparison constant in time.
pub(crate) struct Users(HashMap<Box<[u8]>, User>);

struct User {
    password: [u8; 32],
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
    pub(super) fn verify(&self, username: &[u8], password: &[u8]) -> Verdict<'_> {
        let user = self.0.get(username);
        let expected = user.map_or(&[0; 32], |user| &user.password);
        let equal: bool = fingerprint(password).ct_eq(expected).into();
        match user {
            Some(user) if equal => Verdict::Accepted(&user.identity),
            Some(_) => Verdict::WrongPassword,
            None => Verdict::UnknownUser,
        }
    }
}

impl CredentialStore for Users {
    const COLLECTION: &'static str = "basicauth_credentials";
    const UNIQUE: &'static str = "username";
    type Entry = Entry;

    fn build(records: Vec<CredentialRecord<Entry>>) -> Result<Self, Vec<(usize, ConfigError)>> {
        let mut users = HashMap::with_capacity(records.len());
        let mut errors = Vec::new();
        for (position, CredentialRecord { id, consumer, entry }) in records.into_iter().enumerate() {
            match user(&id, &entry, consumer) {
                Ok(user) => {
                    if users.insert(entry.username.as_bytes().into(), user).is_some() {
                        let reason = format!("the user name `{}` stands twice", entry.username);
                        errors.push((position, ConfigError::new("username", reason)));
                    }
                }
                Err(error) => errors.push((position, error)),
            }
        }
        if errors.is_empty() { Ok(Self(users)) } else { Err(errors) }
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
    let password = entry.password.expose();
    if is_hash(password) {
        return Err(ConfigError::new("password", "hashed passwords are not supported yet, only plain text"));
    }
    Ok(User {
        password: fingerprint(password.as_bytes()),
        identity: Identity {
            identifier: Some(identifier),
            credential_id: Some(Arc::clone(id)),
            ..Identity::new(METHOD, Some(consumer), Proof::Password { username: entry.username.as_str().into() })
        },
    })
}

fn is_hash(password: &str) -> bool {
    ["$argon2", "$2a$", "$2b$", "$2y$"].iter().any(|prefix| password.starts_with(prefix))
}
