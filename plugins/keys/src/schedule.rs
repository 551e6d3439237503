//! The periods of a rotation: when a key is made, how long it is published before it signs and after.

use std::time::Duration;

use signet_plugin_api::Overlap;

use crate::states::Window;

/// How many keys of one set may be published at a time.
const MOST_PUBLISHED: u64 = 100;
/// A hundred years: longer periods are slips, and sums of times stay far from the end of the numbers.
const LONGEST: u64 = 100 * 31_557_600;
/// How far the clocks of those who share keys may be apart, in seconds. A key that has to sign at once has signed for that
/// long already, so that nobody whose clock is behind finds none.
pub(crate) const SKEW: u64 = 60;

/// When the gateway makes keys, in seconds. [`Schedule::new`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Schedule {
    /// How long each key signs.
    pub rotate_every: u64,
    /// How long a key is published before it signs.
    pub publish_before: u64,
    /// How long a key is published after it signed for the last time.
    pub retire_after: u64,
}

/// A period that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ScheduleMistake {
    /// The field of the key set.
    pub field: &'static str,
    /// What is wrong with it, and what would not be.
    pub reason: String,
}

/// A key that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// No key signs: this one has to, from this time on.
    AtOnce(u64),
    /// Others sign until then.
    From(u64),
}

impl Schedule {
    /// With these periods.
    ///
    /// # Errors
    /// When nobody could keep them: see [`check_overlap`]; or when more than 100 keys would be published at a time.
    pub fn new(rotate_every: u64, publish_before: u64, retire_after: u64) -> Result<Self, ScheduleMistake> {
        within("rotate_every", rotate_every, 1)?;
        check_overlap(publish_before, retire_after)?;
        let published = (publish_before + retire_after).div_ceil(rotate_every);
        if published > MOST_PUBLISHED {
            return Err(ScheduleMistake {
                field: "rotate_every",
                reason: format!(
                    "{published} keys would be published at a time, at most {MOST_PUBLISHED} may: raise it to {} or more, or lower publish_before and retire_after",
                    (publish_before + retire_after).div_ceil(MOST_PUBLISHED)
                ),
            });
        }
        Ok(Self { rotate_every, publish_before, retire_after })
    }

    /// How often the files are to be looked at: [`scan_every`] of `publish_before`.
    pub fn scan_every(&self) -> Duration {
        scan_every(self.publish_before)
    }

    /// The next key that is to be made at `now`; none when the keys that are there suffice. It goes from the key that signs
    /// to its successors: where one follows too late, another is due. Far keys, of a clock that was wrong once, fill no gap.
    pub(crate) fn due(&self, in_order: &[Window], now: u64) -> Option<Due> {
        let Some(active) = in_order.iter().position(|window| window.contains(now)) else {
            return Some(Due::AtOnce(at_once(in_order, now)));
        };
        let horizon = now.saturating_add(self.publish_before).saturating_add(self.margin());
        let (_, onwards) = in_order.split_at_checked(active)?;
        for (at, window) in onwards.iter().enumerate() {
            let rotation = window.from.unwrap_or(0).saturating_add(self.rotate_every);
            let planned = window.not_after.map_or(rotation, |end| end.min(rotation));
            match onwards.get(at + 1).and_then(|successor| successor.from) {
                Some(successor) if successor <= planned.max(horizon) => {}
                _ if planned <= horizon => return Some(Due::From(planned.max(self.earliest(now)))),
                _ => return None,
            }
        }
        None
    }

    /// From when a key signs that is published now.
    pub(crate) fn earliest(&self, now: u64) -> u64 {
        now.saturating_add(self.publish_before)
    }

    /// Keys are made ahead of their time by what may go by until somebody looks again, and until a key is generated.
    fn margin(&self) -> u64 {
        2 * notice(self.publish_before) + 3
    }
}

/// How often the files of a key set are to be looked at: a tenth of `publish_before` (seconds), between 100 ms and 10 s.
pub fn scan_every(publish_before: u64) -> Duration {
    Duration::from_millis(publish_before.saturating_mul(100).clamp(100, 10_000))
}

/// What verifiers may count on. Of `publish_before` goes what another process takes to see a new key, and a second by which
/// clocks differ; of `retire_after` that second.
pub fn overlap(publish_before: u64, retire_after: u64) -> Overlap {
    Overlap {
        longest_cache: publish_before.saturating_sub(notice(publish_before) + 1),
        longest_token: retire_after.saturating_sub(1),
    }
}

/// Whether these periods (seconds) leave verifiers any time.
///
/// # Errors
/// When `publish_before` is shorter than what other processes take to see a key, or a period is nil or beyond 100 years.
pub fn check_overlap(publish_before: u64, retire_after: u64) -> Result<(), ScheduleMistake> {
    within("publish_before", publish_before, 2)?;
    within("retire_after", retire_after, 1)
}

/// From when a key signs without which none does at `now`: long enough ago for every clock, and not before the last one ended.
pub(crate) fn at_once(windows: &[Window], now: u64) -> u64 {
    let ended = windows.iter().filter_map(|window| window.until).filter(|until| *until <= now).max();
    now.saturating_sub(SKEW).max(ended.unwrap_or(0))
}

/// Within how many whole seconds all processes know of a change.
pub(crate) fn notice(publish_before: u64) -> u64 {
    u64::try_from(scan_every(publish_before).as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn within(field: &'static str, seconds: u64, least: u64) -> Result<(), ScheduleMistake> {
    if (least..=LONGEST).contains(&seconds) {
        return Ok(());
    }
    Err(ScheduleMistake { field, reason: format!("expected {least} to {LONGEST} seconds, found {seconds}") })
}

#[cfg(test)]
mod tests;
