//! What tokens must have in common, besides their claims, so that one can be sent in place of another: configuration and key.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use signet_plugin_api::{Scope, Signer, SigningKey};

/// Of the tokens of one configuration.
pub(super) struct Lineage {
    /// Of the configuration, a `private_jwk` included.
    digest: [u8; 32],
    signers: Arc<Signers>,
}

/// The keys of key sets, numbered. A `kid` would not do: an operator may give the same to another key.
#[derive(Default)]
struct Signers(Mutex<Known>);

#[derive(Default)]
struct Known {
    last: u64,
    /// A weak handle keeps the address, so that no other key can have it.
    numbers: Vec<(Weak<dyn Signer>, u64)>,
}

impl Lineage {
    pub(super) fn new(scope: &Scope<'_>) -> Self {
        Self { digest: *scope.config_digest(), signers: scope.shared("signers", Signers::default) }
    }

    /// With a key that is a part of the configuration.
    pub(super) fn with_own_key(&self, key: &SigningKey) -> Vec<u8> {
        self.written(0, key)
    }

    /// With a key that changes while the configuration stays.
    pub(super) fn with_key_of_set(&self, key: &SigningKey) -> Vec<u8> {
        self.written(self.signers.number(&key.signer), key)
    }

    /// The digest and the number have a fixed length, and a JSON text shows where it ends: no two are read alike.
    fn written(&self, number: u64, key: &SigningKey) -> Vec<u8> {
        let kid = key.kid.as_deref().unwrap_or_default();
        [&self.digest[..], &number.to_be_bytes(), kid.as_bytes()].concat()
    }
}

impl Signers {
    fn number(&self, signer: &Arc<dyn Signer>) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.numbers.retain(|(other, _)| other.strong_count() > 0);
        let address = Arc::as_ptr(signer);
        if let Some((_, number)) = known.numbers.iter().find(|(other, _)| std::ptr::addr_eq(other.as_ptr(), address)) {
            return *number;
        }
        known.last += 1;
        let number = known.last;
        known.numbers.push((Arc::downgrade(signer), number));
        number
    }
}
