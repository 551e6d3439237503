//! Keys: JWK and PEM, the algorithms that sign, public sets, and the life of a key.

mod algorithm;
#[cfg_attr(not(test), expect(dead_code, reason = "its readers are being built"))]
mod private;
mod signer;

pub use algorithm::Algorithm;
pub use private::{KeyError, PrivateKey};
