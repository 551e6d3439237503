//! Moments: seconds since 1970, and how RFC 3339 writes them.

use std::time::UNIX_EPOCH;

use chrono::DateTime;

/// This one. By a clock that stands before 1970 it is 1970.
pub(crate) fn now() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// The one that a text names as RFC 3339 writes it, if it is a whole second of 1970 or later.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let time = DateTime::parse_from_rfc3339(text).ok().filter(|time| time.timestamp_subsec_nanos() == 0)?;
    u64::try_from(time.timestamp()).ok()
}

/// As `2026-01-31T08:00:00Z`.
pub(crate) fn written(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| seconds.to_string(), |time| format!("{time:?}"))
}
