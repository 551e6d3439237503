//! The text of a declarative file, before anybody has looked into it, wiped when the last who has it is gone.

use std::{
    fmt, fs,
    io::{self, Read},
    ops::Deref,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::Mistake;

/// Far above any real configuration, far below what would take the machine down.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Where whoever started the process has opened something for it: `signet check /dev/stdin`, `signet run -c <(make-config)`.
const INHERITED: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// A text with what it takes to read it again. It holds credentials, and is never shown.
#[derive(Clone)]
pub struct Text {
    /// The text.
    pub content: Content,
    /// A file, or `POST /config`: for people.
    pub source: PathBuf,
    /// What the paths in it are relative to.
    pub base: PathBuf,
    /// JSON, not YAML.
    pub json: bool,
}

/// The letters of a text, shared.
#[derive(Clone)]
pub struct Content(Arc<Zeroizing<String>>);

impl Text {
    /// Reads a file. One whose name ends in `.json` is JSON, any other is YAML. Never waits for another process to write, nor
    /// reads more than it takes to know that a file is too long.
    ///
    /// # Errors
    /// When it cannot be read, or holds no text.
    pub fn read(path: &Path) -> Result<Self, Mistake> {
        Ok(Self::of(read(path)?, path))
    }

    /// A text as if it stood in the file `source`.
    pub fn of(content: impl Into<Content>, source: &Path) -> Self {
        let json = source.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let base = source.parent().unwrap_or(Path::new("")).to_owned();
        Self { content: content.into(), source: source.to_owned(), base, json }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("source", &self.source).field("json", &self.json).finish_non_exhaustive()
    }
}

impl Content {
    /// Its SHA-256, in hexadecimal.
    pub fn hash(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Deref for Content {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }
}

impl From<Zeroizing<String>> for Content {
    fn from(text: Zeroizing<String>) -> Self {
        Self(Arc::new(text))
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

fn read(path: &Path) -> Result<String, Mistake> {
    let cannot = |error: io::Error| Mistake::of_file(None, format!("cannot be read: {error}"));
    let wrong = |reason: &str| Err(Mistake::of_file(None, reason));
    let inherited = INHERITED.iter().any(|prefix| path.to_str().is_some_and(|path| path.starts_with(prefix)));
    let mut options = fs::OpenOptions::new();
    options.read(true);
    if !inherited {
        // Else to open a pipe waits until somebody writes.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    let kind = about.file_type();
    match () {
        () if kind.is_dir() => return wrong("is a directory, not a file"),
        () if kind.is_fifo() && !inherited => return wrong("is a pipe, not a file"),
        () if kind.is_char_device() && !inherited => return wrong("is a device, not a file"),
        () if about.len() > MAX_BYTES => return wrong(&too_long()),
        () => {}
    }
    // One byte more: what is added meanwhile makes no second, longer piece of memory.
    let mut bytes = Vec::with_capacity(usize::try_from(about.len() + 1).unwrap_or(0));
    // One byte more tells a text that is too long from one that just fits, where the length is not known ahead.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return wrong(&too_long());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + valid.filter(|byte| **byte == b'\n').count();
        Mistake::of_file(Some(line), "is not UTF-8 text")
    })
}

fn too_long() -> String {
    format!("is larger than {} MiB", MAX_BYTES >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: impl AsRef<Path>) -> String {
        Text::read(path.as_ref()).expect_err("a mistake").to_string()
    }

    #[test]
    fn files_that_are_no_text_are_told() {
        assert_eq!(told(std::env::temp_dir()), "is a directory, not a file");
        assert_eq!(told("/dev/zero"), "is a device, not a file");
        assert!(told("/nonexistent/kong.yml").starts_with("cannot be read: "));
        let path = std::env::temp_dir().join(format!("signet-read-{}.yml", std::process::id()));
        fs::write(&path, b"a: 1\nb: \xff\n").expect("a file");
        let reason = told(&path);
        fs::remove_file(&path).expect("removed");
        assert_eq!(reason, "2: is not UTF-8 text");
    }

    #[test]
    fn a_text_is_not_shown() {
        let text = Text::of("password: hunter2", Path::new("a/kong.json"));
        assert!(!format!("{text:?}").contains("hunter2"));
        assert!(text.json && text.base == Path::new("a"));
    }
}
