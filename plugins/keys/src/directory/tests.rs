//! Directories on the disk, with a clock that the test moves.

mod life;
mod reading;

use super::*;
use crate::{Kid, Labels, PrivateKey, testing::Folder};

const ALGORITHM: Algorithm = Algorithm::EdDsa;

fn directory(folder: &Folder) -> Directory {
    Directory::new(folder.path(), None, SigningBackend::Ring)
}

fn labels(kid: &str, not_before: Option<u64>) -> Labels {
    Labels { kid: Some(Kid::new(kid)), not_before, ..Labels::default() }
}

fn jwk(kid: &str, not_before: Option<u64>) -> String {
    let key = PrivateKey::generate(ALGORITHM, 2048).unwrap();
    key.to_jwk(&labels(kid, not_before)).unwrap().to_string()
}

fn kids(reading: &Reading) -> Vec<String> {
    reading.keys.iter().map(|key| key.kid.to_string()).collect()
}

/// The errors as `NAME: REASON`.
fn told(errors: &[FileError]) -> Vec<String> {
    errors.iter().map(|error| format!("{}: {}", error.path.file_name().unwrap().display(), error.reason)).collect()
}
