//! Keys: JWK and PEM, the algorithms that sign, public sets, and the life of a key.

mod algorithm;
mod generate;
mod jwk;
mod kid;
mod kind;
mod loaded;
mod pem;
mod private;
mod public;
mod rsa;
mod signer;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use kid::Kid;
pub use loaded::{LoadedKey, Secrets};
pub use private::{KeyError, Labels, PrivateKey};
pub use public::{LoadedPublicKey, PublicKey, jwk_set};
