//! Where the lines of a log go: a stream of the process or a file, which may be moved away while it is written.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    thread,
    time::Duration,
};

use crate::settings::LogTarget;

/// What a pipe takes at once without mixing it with what others write to it (`PIPE_BUF`).
const PIPE: usize = 4096;
/// How long a full pipe that does not wait is asked again.
const FULL: Duration = Duration::from_millis(10);
const FULL_TRIES: u32 = 100;

/// A target, and what is open of it.
#[derive(Debug)]
pub(super) struct Output {
    target: LogTarget,
    file: Option<File>,
    /// The last write ended within a line.
    torn: bool,
}

/// Not all could be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// Lines that are gone, whole or in part.
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

impl Output {
    /// Opens it.
    pub(super) fn open(target: LogTarget) -> io::Result<Self> {
        let mut output = Self::later(target);
        output.reopen()?;
        Ok(output)
    }

    /// Opens it when there is something to write.
    pub(super) fn later(target: LogTarget) -> Self {
        Self { target, file: None, torn: false }
    }

    /// As an operator knows it.
    pub(super) fn target(&self) -> &LogTarget {
        &self.target
    }

    /// Opens it again. In case of an error the old file stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let file = match &self.target {
            // A stream cannot move.
            LogTarget::Stdout | LogTarget::Stderr if self.file.is_some() => return Ok(()),
            LogTarget::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            LogTarget::Stderr => File::from(io::stderr().as_fd().try_clone_to_owned()?),
            // Else a FIFO that nobody reads would hold the thread for ever.
            LogTarget::File(path) => {
                OpenOptions::new().create(true).append(true).custom_flags(libc::O_NONBLOCK).open(path)?
            }
        };
        (self.file, self.torn) = (Some(file), false);
        Ok(())
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        if self.file.is_none()
            && let Err(error) = self.reopen()
        {
            return Err(Unwritten { lines: count(lines), error });
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut rest = lines;
        let mut result = if self.torn { write_all(file, &mut b"\n".as_slice()) } else { Ok(()) };
        while result.is_ok() && !rest.is_empty() {
            // A file takes everything at once, and others that append to it come before or after.
            let size = if matches!(self.target, LogTarget::File(_)) { rest.len() } else { whole_lines(rest) };
            let (mut now, later) = rest.split_at(size);
            result = write_all(file, &mut now);
            rest = if result.is_ok() { later } else { rest.get(size - now.len()..).unwrap_or_default() };
        }
        let begun = lines.len() - rest.len();
        match result {
            Ok(()) => {
                self.torn = false;
                Ok(())
            }
            Err(error) => {
                self.torn |= begun > 0 && lines.get(begun - 1) != Some(&b'\n');
                Err(Unwritten { lines: count(rest), error })
            }
        }
    }
}

/// As many lines as a pipe takes at once, but at least one.
fn whole_lines(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let at_once = lines.get(..PIPE.min(lines.len())).unwrap_or(lines);
    let end = at_once.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    end.map_or(lines.len(), |end| end + 1)
}

/// What was written is taken off the front.
fn write_all(file: &mut File, bytes: &mut &[u8]) -> io::Result<()> {
    let mut full = 0;
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever started us may have left its pipe like that.
            Err(error) if error.kind() == ErrorKind::WouldBlock && full < FULL_TRIES => {
                full += 1;
                thread::sleep(FULL);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The lines in it.
pub(super) fn count(lines: &[u8]) -> u64 {
    lines.split_inclusive(|byte| *byte == b'\n').count() as u64
}
