//! Passwords that were verified against their hash: a client with the right one pays for it once.

use std::{sync::Arc, time::Duration};

use moka::{future::Cache, policy::EvictionPolicy};
use ring::{
    digest::{Context, SHA256},
    error::Unspecified,
    hmac,
    rand::SystemRandom,
};
use signet_plugin_api::{Busy, WorkPool};
use zeroize::Zeroizing;

use super::hash::PasswordHash;
use crate::shared::secret::array;

/// What was verified stays true. It is forgotten all the same when nobody asks for it, since who could read the memory
/// of the process would test guesses faster against an entry than against the hash.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// Entries: only right passwords make one, so that the credentials of the file bound them first.
const CAPACITY: u64 = 65_536;

/// A hash of the file, and who it belongs to.
pub(super) struct HashedPassword {
    /// The hash.
    pub(super) hash: PasswordHash,
    /// SHA-256 over the id of the credential and the hash as it is written: another hash is another record.
    pub(super) record: [u8; 32],
}

impl HashedPassword {
    /// `text` is what `hash` was parsed from.
    pub(super) fn new(credential_id: &str, text: &str, hash: PasswordHash) -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(&(credential_id.len() as u64).to_be_bytes());
        digest.update(credential_id.as_bytes());
        digest.update(text.as_bytes());
        Self { hash, record: array(digest.finish().as_ref()) }
    }
}

/// One try to prove a user name.
pub(super) struct Attempt<'a> {
    /// The hash to verify against.
    pub(super) against: &'a Arc<HashedPassword>,
    /// Whether the hash is that user's; otherwise the attempt costs the same and fails.
    pub(super) is_known: bool,
    /// The user name, as it was sent.
    pub(super) username: &'a [u8],
    /// The password, as it was sent.
    pub(super) password: &'a [u8],
}

/// What was verified, as HMACs under a key of this process. Outlives the configuration: an entry says that a password
/// belongs to a hash, and who may use that hash is looked up in the current configuration every time.
pub(super) struct VerifiedPasswords {
    key: hmac::Key,
    cache: Cache<[u8; 32], ()>,
}

/// Why an attempt made no entry.
enum Failure {
    Wrong,
    Busy,
}

impl VerifiedPasswords {
    /// A key for [`VerifiedPasswords::new`].
    pub(super) fn random_key() -> Result<hmac::Key, Unspecified> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
    }

    /// Nothing is verified yet.
    pub(super) fn new(key: hmac::Key) -> Self {
        // Who came last stays: the default policy prefers who came often, and would let a new client pay again and again.
        let cache = Cache::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).time_to_idle(IDLE);
        Self { key, cache: cache.build() }
    }

    /// Whether the password is right: from memory, or computed on `pool`. Equal attempts at one time share one computation;
    /// a failed one is never remembered.
    pub(super) async fn verify(&self, attempt: Attempt<'_>, pool: &WorkPool) -> Result<bool, Busy> {
        match self.cache.try_get_with(self.proof(&attempt), compute(&attempt, pool)).await {
            Ok(()) => Ok(true),
            Err(failure) => match *failure {
                Failure::Wrong => Ok(false),
                Failure::Busy => Err(Busy),
            },
        }
    }

    /// The user name is a part of it, so that attempts for two unknown users are no more equal than for two known ones.
    fn proof(&self, attempt: &Attempt<'_>) -> [u8; 32] {
        let mut proof = hmac::Context::with_key(&self.key);
        proof.update(&attempt.against.record);
        proof.update(&(attempt.username.len() as u64).to_be_bytes());
        proof.update(attempt.username);
        proof.update(attempt.password);
        array(proof.sign().as_ref())
    }
}

async fn compute(attempt: &Attempt<'_>, pool: &WorkPool) -> Result<(), Failure> {
    let (against, is_known) = (Arc::clone(attempt.against), attempt.is_known);
    let password = Zeroizing::new(attempt.password.to_vec());
    match pool.run(move || against.hash.matches(&password)).await {
        Ok(Ok(right)) if right & is_known => Ok(()),
        Ok(Ok(_)) => Err(Failure::Wrong),
        Ok(Err(_)) | Err(Busy) => Err(Failure::Busy),
    }
}
