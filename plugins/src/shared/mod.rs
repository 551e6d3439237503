//! What two plugins use.

#[allow(dead_code, reason = "the plugins that verify tokens come next")]
pub(crate) mod algorithm;
#[allow(dead_code, reason = "the plugins that verify tokens come next")]
pub(crate) mod claims;
pub(crate) mod credentials;
#[cfg(test)]
pub(crate) mod forge;
pub(crate) mod jose;
pub(crate) mod jwk;
#[allow(dead_code, reason = "for plugins with key sets")]
pub(crate) mod jwks;
#[allow(dead_code, reason = "the plugins that verify tokens come next")]
pub(crate) mod jws;
pub(crate) mod names;
#[allow(dead_code, reason = "the plugins that verify tokens come next")]
pub(crate) mod verification;
