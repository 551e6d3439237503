//! `config.queue` of the plugins that send what is done, with Kong's names.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signet_plugin_api::ConfigError;

/// More than that never waits, in bytes, whatever the configuration says.
const ROOM: usize = 64 * 1024 * 1024;

/// What waits to be sent, and what becomes of a batch that cannot be.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QueueConfig {
    /// Entries that are sent at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) max_batch_size: usize,
    /// Seconds for which a batch waits to be full.
    #[schemars(range(min = 0, max = 3600))]
    pub(crate) max_coalescing_delay: f64,
    /// Entries that may wait; past it the oldest are dropped.
    #[schemars(range(min = 1, max = 1_000_000))]
    max_entries: usize,
    /// Bytes that may wait.
    max_bytes: Option<usize>,
    /// Seconds after which a batch is given up; -1 for one try.
    #[schemars(range(min = -1, max = 1_000_000))]
    max_retry_time: f64,
    /// Seconds before a batch is sent again; doubled each time.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    initial_retry_delay: f64,
    /// The most that they become.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    max_retry_delay: f64,
    /// Batches that are sent at the same time: only 1 is implemented.
    concurrency_limit: i64,
}

/// How much waits, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) batch: usize,
    pub(crate) delay: Duration,
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) patience: Duration,
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
}

impl QueueConfig {
    /// The defaults, but for the size of a batch.
    pub(crate) fn of_batches(max_batch_size: usize) -> Self {
        Self { max_batch_size, ..Self::default() }
    }

    /// # Errors
    /// When a value is out of range, with its field in `queue`.
    pub(crate) fn limits(&self) -> Result<Limits, ConfigError> {
        if self.concurrency_limit != 1 {
            return Err(wrong(
                "concurrency_limit",
                "this field of Kong's is not implemented; only its default (1) is accepted",
            ));
        }
        Ok(Limits {
            batch: count("max_batch_size", self.max_batch_size)?,
            delay: seconds("max_coalescing_delay", self.max_coalescing_delay, 0.0, 3600.0)?,
            entries: count("max_entries", self.max_entries)?,
            bytes: self.max_bytes.unwrap_or(ROOM).min(ROOM),
            // Kong: -1 is no second try.
            patience: seconds("max_retry_time", self.max_retry_time, -1.0, 1e6)?,
            first_pause: seconds("initial_retry_delay", self.initial_retry_delay, 0.001, 1e6)?,
            longest_pause: seconds("max_retry_delay", self.max_retry_delay, 0.001, 1e6)?,
        })
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_batch_size: 1,
            max_coalescing_delay: 1.0,
            max_entries: 10_000,
            max_bytes: None,
            max_retry_time: 60.0,
            initial_retry_delay: 0.01,
            max_retry_delay: 60.0,
            concurrency_limit: 1,
        }
    }
}

fn count(field: &str, value: usize) -> Result<usize, ConfigError> {
    match value {
        1..=1_000_000 => Ok(value),
        _ => Err(wrong(field, "must be from 1 to 1000000")),
    }
}

fn seconds(field: &str, value: f64, least: f64, most: f64) -> Result<Duration, ConfigError> {
    match (least..=most).contains(&value) {
        true => Ok(Duration::from_secs_f64(value.max(0.0))),
        false => Err(wrong(field, &format!("must be from {least} to {most} seconds"))),
    }
}

fn wrong(field: &str, reason: &str) -> ConfigError {
    ConfigError::new(format!("queue.{field}"), reason)
}
