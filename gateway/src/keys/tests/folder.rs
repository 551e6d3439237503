//! A folder of one test, removed with it.

use std::{
    env,
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("signet-key-sets-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file that appears whole.
    pub(super) fn write(&self, name: &str, text: &str) {
        let unfinished = self.0.join(".test");
        fs::write(&unfinished, text).unwrap();
        fs::set_permissions(&unfinished, Permissions::from_mode(0o600)).unwrap();
        fs::rename(unfinished, self.0.join(name)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    /// How many keys are in the folder of this name.
    pub(super) fn keys(&self, name: &str) -> usize {
        let entries = fs::read_dir(self.0.join(name)).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "jwk")).count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is the temporary folder's business.
        let _ = fs::remove_dir_all(&self.0);
    }
}
