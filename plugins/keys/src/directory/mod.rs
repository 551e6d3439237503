//! A directory with one key in each file: what is in it, and that it holds the keys that its schedule wants.

mod files;
mod rotation;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use signet_plugin_api::SigningBackend;

use self::files::{Found, Listing, Stamp};
use crate::{Algorithm, KeyError, LoadedKey, Secrets, SetKey, file::read_key_file, states};

pub use files::FileError;
pub use rotation::{Change, Replacement, Rotation};

/// A directory of keys: `*.jwk`, `*.json` and `*.pem`, of which names that begin with a dot are passed over.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    algorithm: Option<Algorithm>,
    backend: SigningBackend,
    known: Mutex<Known>,
}

/// What a directory holds.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Those that can be used, by the names of their files.
    pub keys: Vec<Arc<SetKey>>,
    /// Files that cannot be used. The key of one that could be at an earlier reading is still among `keys`: only who removes
    /// the file takes the key away.
    pub mistakes: Vec<FileError>,
    /// What is legal but unwise: who may read the files, and remarks on the keys.
    pub warnings: Vec<FileError>,
}

/// What earlier readings found.
#[derive(Debug, Default)]
struct Known {
    files: BTreeMap<OsString, Remembered>,
    /// Files of retired keys, with the time at which they were first seen to be that.
    retired: BTreeMap<OsString, u64>,
}

/// A file as it was read.
#[derive(Debug, Default)]
struct Remembered {
    /// None: it could not be read, which may pass without a trace.
    stamp: Option<Stamp>,
    key: Option<Member>,
    mistake: Option<String>,
    remarks: Vec<String>,
}

/// A key with its file.
#[derive(Debug, Clone)]
struct Member {
    name: OsString,
    key: Arc<SetKey>,
    /// Since when the file is there, in seconds since 1970.
    since: u64,
}

/// One look at the directory.
#[derive(Debug, Default)]
struct Scan {
    members: Vec<Member>,
    /// All files of keys, also those that cannot be used.
    names: Vec<OsString>,
    mistakes: Vec<FileError>,
    warnings: Vec<FileError>,
    unfinished: bool,
}

impl SetKey {
    /// Of a key that was read, whose `kid` is else its thumbprint.
    ///
    /// # Errors
    /// When `backend` does not take the key.
    pub fn from_loaded(loaded: &LoadedKey, backend: SigningBackend) -> Result<Self, KeyError> {
        Ok(Self {
            kid: loaded.kid_or_thumbprint(),
            algorithm: loaded.key.algorithm(),
            signer: loaded.key.signer(backend)?,
            public: loaded.key.public(),
            not_before: loaded.not_before,
            not_after: loaded.not_after,
        })
    }
}

impl Directory {
    /// The directory of this path, which need not be there yet. `algorithm` is that of PEM files, which do not say theirs.
    pub fn new(path: impl Into<PathBuf>, algorithm: Option<Algorithm>, backend: SigningBackend) -> Self {
        Self { path: path.into(), algorithm, backend, known: Mutex::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks what is there. Files that are the same as before are not read again. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be listed, or everybody may put keys there.
    pub fn read(&self) -> Result<Reading, FileError> {
        let scan = self.scan()?;
        let keys = scan.members.into_iter().map(|member| member.key).collect();
        Ok(Reading { keys, mistakes: scan.mistakes, warnings: scan.warnings })
    }

    fn scan(&self) -> Result<Scan, FileError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Listing { files, warning, unfinished } = files::list(&self.path)?;
        let mut scan = Scan { unfinished, ..Scan::default() };
        scan.warnings.extend(warning.map(|reason| FileError::new(&self.path, reason)));
        let mut before = std::mem::take(&mut known.files);
        let mut kids: HashSet<Arc<str>> = HashSet::new();
        for found in files {
            let path = self.path.join(&found.name);
            let file = self.look(&path, &found, before.remove(&found.name).unwrap_or_default());
            let said = found.warning.iter().chain(&file.remarks);
            scan.warnings.extend(said.map(|reason| FileError::new(&path, reason)));
            scan.mistakes.extend(file.mistake.as_ref().map(|reason| FileError::new(&path, reason)));
            match &file.key {
                Some(member) if kids.insert(Arc::clone(member.key.kid.text())) => scan.members.push(member.clone()),
                Some(member) => {
                    let reason = format!("has the kid `{}` of another file, which is used", member.key.kid);
                    scan.mistakes.push(FileError::new(&path, reason));
                }
                None => {}
            }
            scan.names.push(found.name.clone());
            known.files.insert(found.name, file);
        }
        Ok(scan)
    }

    /// The file as it is now, or, where it is the same or cannot be used, as it was.
    fn look(&self, path: &Path, found: &Found, before: Remembered) -> Remembered {
        if let Some(mistake) = &found.mistake {
            return Remembered { stamp: None, mistake: Some(mistake.clone()), ..before };
        }
        if before.stamp == Some(found.stamp) {
            return before;
        }
        let text = match read_key_file(path) {
            Ok(text) => text,
            Err(mistake) => return Remembered { stamp: None, mistake: Some(mistake), ..before },
        };
        match self.load(&text) {
            Ok((key, loaded)) => {
                let since = found.stamp.since();
                let key = Some(Member { name: found.name.clone(), key: Arc::new(key), since });
                Remembered { stamp: Some(found.stamp), key, mistake: None, remarks: loaded.remarks }
            }
            Err(error) => Remembered {
                stamp: Some(found.stamp),
                mistake: Some(error.to_string()),
                key: before.key,
                remarks: Vec::new(),
            },
        }
    }

    fn load(&self, text: &str) -> Result<(SetKey, LoadedKey), KeyError> {
        let loaded = LoadedKey::from_text(text, self.algorithm, Secrets::Decoded)?;
        let key = SetKey::from_loaded(&loaded, self.backend)?;
        match states::never_signs(&key) {
            Some(mistake) => Err(mistake),
            None => Ok((key, loaded)),
        }
    }
}
