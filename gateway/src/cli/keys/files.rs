//! Files of keys: read and written so that nobody else sees what is private.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{self, ExitCode},
};

use signet_keys::KeyError;
use zeroize::Zeroizing;

/// The longest text that is taken for a key, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Why a command did not do what it should.
pub(super) enum Trouble {
    /// A file: exit code 1.
    File(String),
    /// A key that cannot be used: exit code 2.
    Key(String),
    /// What the operator has been told already.
    Told(ExitCode),
}

impl Trouble {
    /// With the key of this file.
    pub(super) fn with_key(path: &Path, error: &KeyError) -> Self {
        Self::Key(format!("{}: {error}", path.display()))
    }
}

/// The text of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Trouble> {
    let octets = if path == Path::new("-") { all(io::stdin().lock(), 0) } else { of_file(path) };
    let octets = octets.map_err(|error| Trouble::File(format!("cannot read {}: {error}", path.display())))?;
    if octets.len() as u64 > LONGEST {
        return Err(Trouble::Key(format!("{}: too long for a key", path.display())));
    }
    match std::str::from_utf8(&octets) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Trouble::Key(format!("{}: not text; a JWK or PEM is needed", path.display()))),
    }
}

/// Writes a text, with a newline at its end, to a new file that only its owner may read, or to standard output.
pub(super) fn write(text: &str, out: Option<&Path>) -> Result<(), Trouble> {
    let text = text.trim_end();
    match out {
        Some(path) => {
            create(text, path).map_err(|error| Trouble::File(format!("cannot write {}: {error}", path.display())))
        }
        None => writeln!(io::stdout(), "{text}").map_err(|error| Trouble::File(format!("cannot write: {error}"))),
    }
}

fn of_file(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(LONGEST);
    all(file, usize::try_from(length).unwrap_or_default())
}

/// All of it, up to one byte more than is taken. With room for all of it from the beginning no copy is left behind by
/// growing.
fn all(source: impl Read, length: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::with_capacity((length + 64).max(64 * 1024)));
    source.take(LONGEST + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

/// It appears whole or not at all, and never in the place of another: a gateway may be reading the folder.
fn create(text: &str, path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is such a file, and none is overwritten"));
    }
    let unfinished = unfinished(path)?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()?;
        // Unlike a renaming, this fails when somebody else has made the file in the meantime.
        fs::hard_link(&unfinished, path)
    });
    let removed = fs::remove_file(&unfinished);
    made.and(removed)
}

fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", process::id()));
    Ok(path.with_file_name(hidden))
}
