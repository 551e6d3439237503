//! Mistakes and warnings as the command line and the log show them.

use std::{
    fmt,
    io::{self, Write},
    path::Path,
};

use crate::config::Mistake;

/// One line on standard error. A full disk behind it is no reason to end, as `eprintln!` would.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// `FILE:LINE: path: reason`
pub(crate) fn mistake<'a>(file: &'a Path, mistake: &'a Mistake) -> impl fmt::Display + 'a {
    Located { file, mistake, kind: "" }
}

/// `FILE:LINE: path: warning: reason`
pub(crate) fn warning<'a>(file: &'a Path, warning: &'a Mistake) -> impl fmt::Display + 'a {
    Located { file, mistake: warning, kind: "warning: " }
}

/// `FILE:LINE: path: quarantined: reason`
pub(crate) fn quarantined<'a>(file: &'a Path, mistake: &'a Mistake) -> impl fmt::Display + 'a {
    Located { file, mistake, kind: "quarantined: " }
}

struct Located<'a> {
    file: &'a Path,
    mistake: &'a Mistake,
    kind: &'static str,
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { path, line, reason } = self.mistake;
        write!(f, "{}", self.file.display())?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "{}{reason}", self.kind)
    }
}
