//! What waits in a queue: within its bounds, the oldest first.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Limits;

/// What one request left.
#[derive(Debug)]
pub(crate) struct Entry {
    /// For how many it counts.
    pub(crate) units: usize,
    /// As it is sent.
    pub(crate) bytes: Bytes,
}

/// Entries that are sent at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Bytes>,
    pub(super) units: usize,
}

/// The entries, with their sums.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    entries: VecDeque<Entry>,
    units: usize,
    bytes: usize,
}

impl Waiting {
    /// Adds one; the oldest go where there is no room. How many units are lost.
    pub(super) fn push(&mut self, entry: Entry, limits: &Limits) -> usize {
        if entry.units > limits.entries || entry.bytes.len() > limits.bytes {
            return entry.units;
        }
        let mut lost = 0;
        while self.units + entry.units > limits.entries || self.bytes + entry.bytes.len() > limits.bytes {
            let Some(oldest) = self.pop() else { break };
            lost += oldest.units;
        }
        self.units += entry.units;
        self.bytes += entry.bytes.len();
        self.entries.push_back(entry);
        lost
    }

    /// Takes the oldest until they are so many units: an entry is not parted.
    pub(super) fn batch(&mut self, units: usize) -> Batch {
        let mut batch = Batch::default();
        while batch.units < units {
            let Some(entry) = self.pop() else { break };
            batch.units += entry.units;
            batch.entries.push(entry.bytes);
        }
        batch
    }

    /// How many units wait.
    pub(super) fn units(&self) -> usize {
        self.units
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.units -= entry.units;
        self.bytes -= entry.bytes.len();
        Some(entry)
    }
}
