//! What two plugins use.

// A request's credentials: where they stand, and what becomes of it when they are not good.
pub(crate) mod body;
mod multipart;
pub(crate) mod names;
pub(crate) mod refusal;

// Secrets, and how they are written.
pub(crate) mod encoding;
pub(crate) mod secret;

// Tokens that are signed here: `own_key` has a key that no set has, `jose` encodes.
pub(crate) mod jose;
pub(crate) mod own_key;

// Tokens of others: `jws` takes one apart, `verification` has the key, `claims` what it says.
pub(crate) mod claims;
pub(crate) mod jwks;
pub(crate) mod jws;
pub(crate) mod verification;

// What is written down, and sent to those who keep it.
pub(crate) mod log_entry;
pub(crate) mod queue;

// The world outside.
pub(crate) mod clock;
pub(crate) mod http;

#[cfg(test)]
pub(crate) mod testing;
