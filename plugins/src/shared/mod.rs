//! What two plugins use.

pub(crate) mod credentials;
pub(crate) mod jose;
pub(crate) mod jwk;
pub(crate) mod names;
