//! Keys: JWK and PEM, the algorithms that sign, public sets, and the life of a key.

mod algorithm;
#[expect(dead_code, reason = "its readers and signers are being built")]
mod private;

pub use algorithm::Algorithm;
pub use private::{KeyError, PrivateKey};
