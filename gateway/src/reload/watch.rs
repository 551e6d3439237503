//! Looks at the files of the configuration, and asks for a load when one of them is not what was loaded.
//!
//! It polls: a file system that tells of changes tells of those that this kernel makes, not of those on NFS, FUSE or a host's
//! shared folder, and what it watches is a file, not its name, which editors and Kubernetes give to another one. To ask for
//! the stamps of a few names costs microseconds and is the same everywhere.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use tracing::{error, info};

use super::work::Order;
use crate::config::Text;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);

/// How long a file must stay as it is before it is read: who writes it may not be done.
const SETTLED: Duration = Duration::from_millis(500);

/// When it is read once more: some file systems write times in whole seconds, and two changes may have one stamp.
const SURE: Duration = Duration::from_secs(3);

/// What a file says: its SHA-256, or why it cannot be read.
pub(super) type Print = Result<String, String>;

/// The files of the last load with what they said then.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    /// Of the load.
    number: u64,
    prints: Prints,
}

/// Files with what they said.
pub(super) type Prints = BTreeMap<PathBuf, Print>;

/// What a file says now.
pub(super) fn print(path: &Path) -> Print {
    Text::read(path).map(|text| text.content.hash()).map_err(|mistake| mistake.to_string())
}

impl Watched {
    /// These were loaded.
    pub(super) fn replace(&self, prints: Prints) {
        let list = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *list = List { number: list.number + 1, prints };
    }

    /// Starts to look. Ends with the last who holds them, or could be told.
    pub(super) fn follow(self: &Arc<Self>, orders: Sender<Order>) {
        let watched = Arc::downgrade(self);
        let started = thread::Builder::new().name("watch".into()).spawn(move || look(&watched, &orders));
        if let Err(error) = started {
            error!(%error, "no thread to look at files: what changes is loaded with SIGHUP only");
        }
    }

    fn names(&self) -> (u64, Vec<PathBuf>) {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (list.number, list.prints.keys().cloned().collect())
    }

    /// Whether it was loaded with another content, if what was loaded is still the load of this number.
    fn differs(&self, number: u64, path: &Path) -> bool {
        let now = print(path);
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.number == number && list.prints.get(path).is_some_and(|print| *print != now)
    }
}

fn look(watched: &Weak<Watched>, orders: &Sender<Order>) {
    let mut sight = Sight::default();
    while let Some(watched) = watched.upgrade() {
        let (number, names) = watched.names();
        let changed = sight.look(number, names, Instant::now(), stamp, |path| watched.differs(number, path));
        if !changed.is_empty() {
            let files: Vec<_> = changed.iter().map(|file| file.display().to_string()).collect();
            info!(files = files.join(", "), "files of the configuration have changed");
            if orders.send(Order::Changed(changed)).is_err() {
                return;
            }
        }
        drop(watched);
        thread::sleep(EVERY);
    }
}

/// What tells one state of a file from the next without reading it; none where there is no file that can be read.
type Stamp = Option<[i128; 7]>;

fn stamp(path: &Path) -> Stamp {
    let about = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        // Why not matters to whoever reads it.
        Err(error) => return Some([i128::from(error.raw_os_error().unwrap_or(-1)), 0, 0, 0, 0, 0, 0]),
        Ok(about) => about,
    };
    if !about.is_file() {
        return Some([i128::from(about.mode()), about.ino().into(), about.dev().into(), 0, 0, 0, 0]);
    }
    let (modified, changed) = ((about.mtime(), about.mtime_nsec()), (about.ctime(), about.ctime_nsec()));
    Some([
        about.dev().into(),
        about.ino().into(),
        about.size().into(),
        modified.0.into(),
        modified.1.into(),
        changed.0.into(),
        changed.1.into(),
    ])
}

/// What was seen of the files of one load.
#[derive(Default)]
struct Sight {
    number: u64,
    files: HashMap<PathBuf, Seen>,
    /// Different from what was loaded.
    changed: BTreeSet<PathBuf>,
    /// They have been told; the load that they led to has another number.
    told: bool,
}

struct Seen {
    stamp: Stamp,
    since: Instant,
    /// How often it was compared with what was loaded since it has this stamp.
    compared: u8,
}

impl Sight {
    /// Looks once. Gives the files that are not what was loaded, as soon as all are settled.
    fn look(
        &mut self,
        number: u64,
        names: Vec<PathBuf>,
        now: Instant,
        stamp: impl Fn(&Path) -> Stamp,
        differs: impl Fn(&Path) -> bool,
    ) -> BTreeSet<PathBuf> {
        if number != self.number {
            *self = Self { number, ..Self::default() };
        }
        let mut restless = false;
        for path in names {
            let stamp = stamp(&path);
            let seen = self.files.entry(path.clone()).or_insert(Seen { stamp, since: now, compared: 0 });
            if seen.stamp != stamp {
                *seen = Seen { stamp, since: now, compared: 0 };
            }
            let age = now.saturating_duration_since(seen.since);
            restless |= age < SETTLED;
            let due = if seen.compared == 0 { SETTLED } else { SURE };
            if seen.compared < 2 && age >= due {
                seen.compared += 1;
                let differs = differs(&path);
                // It may have been changed back.
                if differs {
                    self.changed.insert(path)
                } else {
                    self.changed.remove(&path)
                };
            }
        }
        if restless || self.told {
            return BTreeSet::new();
        }
        self.told = !self.changed.is_empty();
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/kong.yml";

    struct Clock {
        start: Instant,
        sight: Sight,
    }

    impl Clock {
        fn new() -> Self {
            Self { start: Instant::now(), sight: Sight::default() }
        }

        /// What is told at a moment (ms), of one file of this stamp that differs or not.
        fn at(&mut self, ms: u64, number: u64, stamp: i128, differs: bool) -> usize {
            let now = self.start + Duration::from_millis(ms);
            self.sight.look(number, vec![FILE.into()], now, |_| Some([stamp; 7]), |_| differs).len()
        }
    }

    #[test]
    fn a_file_that_is_still_being_written_is_left_alone() {
        let mut clock = Clock::new();
        assert_eq!(clock.at(0, 1, 1, true), 0);
        assert_eq!(clock.at(400, 1, 2, true), 0);
        assert_eq!(clock.at(800, 1, 3, true), 0);
        assert_eq!(clock.at(1400, 1, 3, true), 1);
    }

    #[test]
    fn a_change_is_told_once_for_each_load() {
        let mut clock = Clock::new();
        assert_eq!(clock.at(0, 1, 1, false), 0);
        assert_eq!(clock.at(600, 1, 1, false), 0);
        assert_eq!(clock.at(1000, 1, 2, true), 0);
        assert_eq!(clock.at(1600, 1, 2, true), 1);
        assert_eq!(clock.at(6000, 1, 2, true), 0);
        assert_eq!(clock.at(6500, 2, 2, true), 0);
        assert_eq!(clock.at(7100, 2, 2, true), 1);
    }

    #[test]
    fn a_file_that_was_touched_or_changed_back_is_none() {
        let mut clock = Clock::new();
        assert_eq!(clock.at(0, 1, 1, false), 0);
        for (at, stamp) in [(1000, 2), (1600, 2), (2000, 3), (2600, 3), (9000, 3)] {
            assert_eq!(clock.at(at, 1, stamp, false), 0, "at {at}");
        }
    }

    #[test]
    fn a_change_without_another_stamp_is_seen_while_stamps_may_be_coarse() {
        let mut clock = Clock::new();
        assert_eq!(clock.at(0, 1, 1, false), 0);
        assert_eq!(clock.at(600, 1, 1, false), 0);
        assert_eq!(clock.at(3100, 1, 1, true), 1);
    }
}
