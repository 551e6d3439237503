//! What two plugins use.

pub(crate) mod credentials;
