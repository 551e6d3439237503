//! What became of the last load: for `GET /config/status`, for the log, for whoever posted a configuration.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::loader::Wrong;
use crate::{config::Mistake, moment, prepare::Prepared, report, runtime::Counts};

/// What shows of a posted text, where a file would be named.
pub(super) const POSTED: &str = "POST /config";

/// Why something was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The process began.
    Start,
    /// SIGHUP.
    Hangup,
    /// A file is not what it was.
    Changed,
    /// `POST /config`.
    Posted,
}

/// One load.
#[derive(Debug)]
pub(crate) struct LastLoad {
    /// When it began.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Why.
    pub cause: Cause,
    /// The file, or `POST /config`; none without a file.
    pub from: Option<String>,
    /// The SHA-256 of the text, in hexadecimal; none when it could not be read.
    pub hash: Option<String>,
    /// Whether it serves, or has served.
    pub success: bool,
    /// The number of the configuration that serves after it, from 1.
    pub generation: u64,
    /// How much it serves.
    pub serving: Option<Counts>,
    /// Every mistake; with success, those for which routes are out of service.
    pub mistakes: Vec<Told>,
    /// Legal but unwise.
    pub warnings: Vec<Told>,
}

/// The last load, and the last that came to something: of what serves.
#[derive(Debug, Clone)]
pub(crate) struct Loads {
    /// The last.
    pub last: Arc<LastLoad>,
    /// The last with success.
    pub success: Arc<LastLoad>,
}

/// A mistake or a warning.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The line in the text, from 1, if it has one.
    pub line: Option<usize>,
    /// `services[0].routes[1]`; empty for what concerns no place in the text.
    pub path: String,
    /// What is wrong, and what would be right.
    pub reason: String,
    /// All of it on one line, with the file: as the command line and the log say it.
    pub shown: String,
}

impl LastLoad {
    /// One that ends now, of a text from `source` with what was made of it.
    pub(super) fn of(
        cause: Cause,
        at: SystemTime,
        took: Duration,
        (source, hash): (Option<&Path>, Option<String>),
        prepared: &Result<Prepared, Wrong>,
    ) -> Self {
        let source_or_none = source.unwrap_or(Path::new("-"));
        let told = |list: &[Mistake], show: fn(&Path, &Mistake) -> String| {
            list.iter().map(|mistake| Told::new(mistake, show(source_or_none, mistake))).collect()
        };
        let (mistakes, warnings, serving) = match prepared {
            Ok(Prepared { snapshot, warnings, quarantined }) => {
                (told(quarantined, quarantined_line), told(warnings, warning_line), Some(snapshot.counts))
            }
            Err(Wrong::Text(errors)) => {
                (told(&errors.mistakes, mistake_line), told(&errors.warnings, warning_line), None)
            }
            Err(Wrong::Settings(reason)) => (vec![Told::of_settings(reason)], Vec::new(), None),
        };
        let from = source.map(|source| source.display().to_string());
        let success = prepared.is_ok();
        Self { at, took, cause, from, hash, success, generation: 0, serving, mistakes, warnings }
    }

    /// Whether the text was posted: then no file has it.
    pub(crate) fn was_posted(&self) -> bool {
        self.from.as_deref() == Some(POSTED)
    }

    /// As `GET /config/status` shows it.
    pub(crate) fn to_json(&self) -> Value {
        let told = |list: &[Told]| list.iter().map(Told::to_json).collect::<Vec<_>>();
        json!({
            "at": moment::written(self.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())),
            "seconds": self.took.as_secs_f64(),
            "cause": self.cause.to_string(),
            "from": self.from,
            "hash": self.hash,
            "result": if self.success { "success" } else { "failure" },
            "generation": self.generation,
            "mistakes": told(&self.mistakes),
            "warnings": told(&self.warnings),
        })
    }
}

impl Loads {
    /// As `GET /config/status` shows it.
    pub(crate) fn to_json(&self) -> Value {
        let serving = self.success.serving.unwrap_or_default();
        json!({
            "generation": self.success.generation,
            "hash": self.success.hash,
            "from": self.success.from,
            "serving": {
                "services": serving.services,
                "routes": serving.routes,
                "plugins": serving.plugins,
                "consumers": serving.consumers,
            },
            "last": self.last.to_json(),
            "last_success": self.success.to_json(),
        })
    }
}

impl Told {
    fn new(mistake: &Mistake, shown: String) -> Self {
        let Mistake { path, line, reason } = mistake.clone();
        Self { line, path, reason, shown }
    }

    fn of_settings(reason: &str) -> Self {
        Self { line: None, path: String::new(), reason: reason.to_owned(), shown: format!("signet: {reason}") }
    }

    fn to_json(&self) -> Value {
        json!({"line": self.line, "path": self.path, "reason": self.reason, "shown": self.shown})
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Hangup => "hangup",
            Self::Changed => "changed",
            Self::Posted => "posted",
        })
    }
}

fn mistake_line(file: &Path, mistake: &Mistake) -> String {
    report::mistake(file, mistake).to_string()
}

fn warning_line(file: &Path, warning: &Mistake) -> String {
    report::warning(file, warning).to_string()
}

fn quarantined_line(file: &Path, mistake: &Mistake) -> String {
    report::quarantined(file, mistake).to_string()
}
