//! What two plugins use.

pub(crate) mod algorithm;
pub(crate) mod body;
pub(crate) mod claims;
pub(crate) mod credentials;
pub(crate) mod jose;
pub(crate) mod jwk;
pub(crate) mod jwks;
pub(crate) mod jws;
pub(crate) mod multipart;
pub(crate) mod names;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod verification;
