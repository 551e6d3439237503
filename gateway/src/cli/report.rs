//! Mistakes and warnings as the command line shows them.

use std::{fmt, path::Path};

use crate::config::Mistake;

/// `FILE:LINE: path: reason`
pub(super) fn mistake<'a>(file: &'a Path, mistake: &'a Mistake) -> impl fmt::Display + 'a {
    Located { file, mistake, kind: "" }
}

/// `FILE:LINE: path: warning: reason`
pub(super) fn warning<'a>(file: &'a Path, warning: &'a Mistake) -> impl fmt::Display + 'a {
    Located { file, mistake: warning, kind: "warning: " }
}

/// `FILE:LINE: path: quarantined: reason`
pub(super) fn quarantined<'a>(file: &'a Path, mistake: &'a Mistake) -> impl fmt::Display + 'a {
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
