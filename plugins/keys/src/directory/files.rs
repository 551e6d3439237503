//! The files of a key directory: what is there, who may write it, and files that appear whole or not at all.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::file;

/// The endings of files that hold keys.
const ENDINGS: [&str; 3] = ["jwk", "json", "pem"];
/// Whoever holds the lock of this file may write into the directory.
const LOCK: &str = ".lock";
/// A key that is being written. It is written under the lock: one that is there while nobody holds it was left behind.
const UNFINISHED: &str = ".unfinished";
/// How long others may hold the lock: they make one key, of RSA in some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is wrong with the directory of a key set, or with a file in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// The file, or the directory.
    pub path: PathBuf,
    /// What is wrong. Quotes nothing of the file.
    pub reason: String,
}

/// A file that may hold a key.
pub(super) struct Found {
    pub(super) name: OsString,
    pub(super) stamp: Stamp,
    pub(super) mistake: Option<String>,
    pub(super) warning: Option<String>,
}

/// What changes when somebody writes a file or puts another in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a directory holds.
pub(super) struct Listing {
    /// By name.
    pub(super) files: Vec<Found>,
    pub(super) warning: Option<String>,
    /// Somebody writes a key, or ended while he did.
    pub(super) unfinished: bool,
}

/// Ends with this value.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl FileError {
    pub(super) fn new(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    fn doing(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::new(path, format!("cannot {what}: {error}"))
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Since when the file is there as it is, in seconds since 1970: also when it was made elsewhere, and moved.
    pub(super) fn since(&self) -> u64 {
        u64::try_from(self.changed.0).unwrap_or(0)
    }
}

/// Lists what may hold a key: `*.jwk`, `*.json` and `*.pem` whose names begin with no dot.
pub(super) fn list(directory: &Path) -> Result<Listing, FileError> {
    let failed = FileError::doing("read the directory", directory);
    let metadata = fs::metadata(directory).map_err(&failed)?;
    let warning = guard(directory, &metadata)?;
    // Where everybody may add files, only those of the directory's owner count, as mounted secrets are.
    let owner = (metadata.mode() & 0o002 != 0).then(|| metadata.uid());
    let mut listing = Listing { files: Vec::new(), warning, unfinished: false };
    for entry in fs::read_dir(directory).map_err(&failed)? {
        let name = entry.map_err(&failed)?.file_name();
        listing.unfinished |= name == UNFINISHED;
        // Removed since it was listed: as if it had not been there.
        if holds_a_key(&name)
            && let Some(found) = look(directory, name, owner)
        {
            listing.files.push(found);
        }
    }
    listing.files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listing)
}

/// Waits until nobody else writes into the directory, which is made when it is not there, and removes what somebody left
/// unfinished.
pub(super) fn lock(directory: &Path) -> Result<Lock, FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(FileError::doing("make the directory", directory))?;
    let path = directory.join(LOCK);
    let failed = FileError::doing("lock the directory", directory);
    let file = open_lock(&path).and_then(|file| give(file, directory)).map_err(&failed)?;
    let end = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::WouldBlock) => {
                let reason = format!("another process has held it for {} seconds", PATIENCE.as_secs());
                return Err(FileError::new(path, reason));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    remove_if_there(&directory.join(UNFINISHED))?;
    Ok(Lock(file))
}

/// Writes a file that only its owner may read; it appears whole, in the place of one of this name.
pub(super) fn write(_: &Lock, directory: &Path, name: &OsStr, text: &str) -> Result<(), FileError> {
    let unfinished = directory.join(UNFINISHED);
    let path = directory.join(name);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file = give(file, directory)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync(directory)
    };
    write().map_err(|error| {
        // A full disk needs its room back; what cannot be removed now is removed by the next who has the lock.
        let _ = fs::remove_file(&unfinished);
        FileError::doing("write the key", &path)(error)
    })
}

/// Removes these files.
pub(super) fn remove(_: &Lock, directory: &Path, names: &[OsString]) -> Result<(), FileError> {
    names.iter().try_for_each(|name| remove_if_there(&directory.join(name)))?;
    sync(directory).map_err(FileError::doing("write the directory", directory))
}

/// Root gives the file away: it must not lie elsewhere, or have another name there.
fn open_lock(path: &Path) -> io::Result<File> {
    let options = &mut OpenOptions::new();
    let file = file::open(options.write(true).create(true).truncate(false).mode(0o600), libc::O_NOFOLLOW, path)?;
    match file.metadata()?.nlink() {
        0 | 1 => Ok(file),
        _ => Err(io::Error::other(format!("{LOCK} has another name"))),
    }
}

/// What root makes by hand has to be readable for the gateway, whose directory it is.
fn give(file: File, directory: &Path) -> io::Result<File> {
    let owner = fs::metadata(directory)?;
    if file.metadata()?.uid() == 0 && owner.uid() != 0 {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}

fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::doing("remove the file", path)(error)),
        _ => Ok(()),
    }
}

/// A name is on the disk when its directory is.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn holds_a_key(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().and_then(OsStr::to_str);
    !name.as_encoded_bytes().starts_with(b".") && ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Who may put keys here may sign as the gateway.
fn guard(directory: &Path, metadata: &Metadata) -> Result<Option<String>, FileError> {
    let mode = metadata.permissions().mode();
    if !metadata.is_dir() {
        return Err(FileError::new(directory, "is no directory"));
    }
    if mode & 0o1002 == 0o002 {
        let reason = format!("everybody may put keys there: its mode is {}, `chmod 700` makes it safe", octal(mode));
        return Err(FileError::new(directory, reason));
    }
    Ok(warning("the directory", mode, "700"))
}

fn look(directory: &Path, name: OsString, owner: Option<u32>) -> Option<Found> {
    let path = directory.join(&name);
    let (metadata, entry) = match (fs::metadata(&path), fs::symlink_metadata(&path)) {
        (Ok(metadata), Ok(entry)) => (metadata, entry),
        (_, Err(_)) => return None,
        // A link to nowhere.
        (Err(error), Ok(entry)) => {
            let mistake = Some(format!("cannot be read: {error}"));
            return Some(Found { name, stamp: Stamp::of(&entry), mistake, warning: None });
        }
    };
    let mode = metadata.permissions().mode();
    let foreign = |metadata: &Metadata| owner.is_some_and(|owner| ![0, owner].contains(&metadata.uid()));
    let mistake = if !metadata.is_file() {
        Some("is no file".to_owned())
    } else if mode & 0o002 != 0 {
        Some(format!("everybody may write it: its mode is {}, `chmod 600` makes it safe", octal(mode)))
    } else if foreign(&metadata) || foreign(&entry) {
        Some("is not of the owner of its directory, where everybody may put files".to_owned())
    } else {
        None
    };
    let warning = if mistake.is_none() { warning("it", mode, "600") } else { None };
    Some(Found { stamp: Stamp::of(&metadata), warning, name, mistake })
}

fn warning(what: &str, mode: u32, better: &str) -> Option<String> {
    let how = match mode & 0o077 {
        0 => return None,
        bits if bits & 0o022 != 0 => "write",
        _ => "read",
    };
    Some(format!("others may {how} {what}: its mode is {}, `chmod {better}` makes it private", octal(mode)))
}

fn octal(mode: u32) -> String {
    format!("{:03o}", mode & 0o7777)
}
