//! Files of keys: read whole or not at all, and opened so that nothing that lies in their place can hold up or mislead who reads.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use zeroize::Zeroizing;

/// Keys are far shorter, in octets.
const LONGEST: u64 = 64 * 1024;

/// The text of a file of at most 64 KiB, wiped when it is dropped. Links are followed, as mounted secrets need it.
///
/// # Errors
/// Why it cannot be read, in words that quote nothing of it.
pub fn read_key_file(path: &Path) -> Result<Zeroizing<String>, String> {
    text(path, 0)
}

/// The same, but what lies elsewhere is not read: root would give it to whoever made the link.
pub(crate) fn read_without_links(path: &Path) -> Result<Zeroizing<String>, String> {
    text(path, libc::O_NOFOLLOW)
}

/// Opens what has to be a file. What was looked at before may have become something else since, and a pipe or a terminal
/// would keep its reader waiting.
pub(crate) fn open(options: &mut OpenOptions, flags: i32, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(flags | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("is no file")) }
}

fn text(path: &Path, flags: i32) -> Result<Zeroizing<String>, String> {
    let read = || -> io::Result<Zeroizing<Vec<u8>>> {
        // Room for all of it from the beginning: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or(0) + 1));
        open(OpenOptions::new().read(true), flags, path)?.take(LONGEST + 1).read_to_end(&mut text)?;
        Ok(text)
    };
    let mut octets = read().map_err(|error| format!("cannot be read: {error}"))?;
    if octets.len() as u64 > LONGEST {
        return Err(format!("is longer than {LONGEST} octets, which is no key"));
    }
    let text = String::from_utf8(std::mem::take(&mut *octets)).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        "is neither a JWK nor PEM: it is no text".to_owned()
    })?;
    Ok(Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, process::Command};

    use super::*;
    use crate::testing::Folder;

    #[test]
    fn what_is_no_file_keeps_nobody_waiting() {
        let folder = Folder::new();
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [&*fifo, Path::new("/dev/zero"), Path::new("/dev/tty"), folder.path()] {
            let error = read_key_file(path).unwrap_err();
            assert!(error.starts_with("cannot be read: "), "{error}");
        }
    }

    #[test]
    fn a_link_is_followed_only_where_that_gives_nothing_away() {
        let folder = Folder::new();
        symlink(folder.write("there", "text"), folder.path().join("link")).unwrap();
        let link = folder.path().join("link");
        assert_eq!(&*read_key_file(&link).unwrap(), "text");
        let error = read_without_links(&link).unwrap_err();
        assert!(error.starts_with("cannot be read: "), "{error}");
        assert_eq!(&*read_without_links(&folder.path().join("there")).unwrap(), "text");
    }
}
