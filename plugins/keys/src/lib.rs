//! Keys: JWK and PEM, the algorithms that sign, public sets, and the life of a key.

mod algorithm;
mod any;
mod directory;
mod file;
mod generate;
mod jwk;
mod kid;
mod kind;
mod loaded;
mod pem;
mod private;
mod public;
mod rsa;
mod schedule;
mod signer;
mod states;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use any::{AnyKey, Form};
pub use directory::{Change, Directory, FileError, Reading, Replacement, Rotation};
pub use file::read_key_file;
pub use kid::Kid;
pub use loaded::{LoadedKey, Secrets};
pub use private::{KeyError, Labels, PrivateKey};
pub use public::{LoadedPublicKey, PublicKey, jwk_set};
pub use schedule::{Schedule, ScheduleMistake, check_overlap, overlap, scan_every};
pub use states::{At, SetKey, check_set, keys_at};
