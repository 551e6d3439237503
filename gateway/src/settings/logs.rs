//! Where logs go, how much there is of them, and in which form.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// `/dev/stdout`
    Stdout,
    /// `/dev/stderr`
    Stderr,
    /// A file, appended to.
    File(PathBuf),
}

/// nginx's levels: each shows itself and what is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are nginx's")]
pub enum LogLevel {
    Debug,
    Info,
    #[default]
    Notice,
    Warn,
    Error,
    Crit,
    Alert,
    Emerg,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogTarget {
    /// What a path means.
    pub(crate) fn of(path: &Path) -> Self {
        match path.to_str() {
            Some("/dev/stdout") => Self::Stdout,
            Some("/dev/stderr") => Self::Stderr,
            _ => Self::File(path.to_owned()),
        }
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("/dev/stdout"),
            Self::Stderr => f.write_str("/dev/stderr"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl LogLevel {
    /// nginx's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Crit => "crit",
            Self::Alert => "alert",
            Self::Emerg => "emerg",
        }
    }

    /// The level of the `tracing` crate that comes nearest.
    pub fn as_tracing(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info | Self::Notice => "info",
            Self::Warn => "warn",
            Self::Error | Self::Crit | Self::Alert | Self::Emerg => "error",
        }
    }
}

/// What the program has to say cannot be switched off, as in Kong.
pub(super) fn error_target(text: &str) -> Result<LogTarget, String> {
    match text {
        "off" => Err("the error log cannot be switched off; see `log_level`".to_owned()),
        path => target(path),
    }
}

/// None is `off`.
pub(super) fn access_target(text: &str) -> Result<Option<LogTarget>, String> {
    match text {
        "off" => Ok(None),
        path => target(path).map(Some),
    }
}

fn target(path: &str) -> Result<LogTarget, String> {
    if path.contains(char::is_whitespace) {
        return Err("expected a path; naming a format after it is not implemented, see `log_format`".to_owned());
    }
    Ok(LogTarget::of(Path::new(path)))
}

/// By its name, in any case.
pub(crate) fn level(text: &str) -> Result<LogLevel, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "notice" => LogLevel::Notice,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        "crit" => LogLevel::Crit,
        "alert" => LogLevel::Alert,
        "emerg" => LogLevel::Emerg,
        _ => return Err("expected debug, info, notice, warn, error, crit, alert or emerg".to_owned()),
    })
}

pub(super) fn format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected text or json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_to_a_stream_or_a_file() {
        assert_eq!(error_target("/dev/stdout"), Ok(LogTarget::Stdout));
        assert_eq!(error_target("logs/a.log"), Ok(LogTarget::File("logs/a.log".into())));
        assert!(error_target("logs/a.log basic").is_err());
        assert!(error_target("off").is_err());
        assert_eq!(access_target("off"), Ok(None));
        assert_eq!(access_target("/dev/stdout"), Ok(Some(LogTarget::Stdout)));
        assert!(access_target("a.log combined").is_err());
    }

    #[test]
    fn levels_are_those_of_nginx() {
        assert_eq!(level("Notice").map(LogLevel::as_tracing), Ok("info"));
        assert_eq!(level("crit").map(LogLevel::as_tracing), Ok("error"));
        assert!(level("verbose").is_err() && format("xml").is_err());
    }
}
