//! Makes the keys of a directory that are due, and removes those that are gone. Under a lock, so that of several processes one
//! does it.

use std::{
    ffi::OsString,
    io,
    path::Path,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Directory, Member, Scan,
    files::{self, FileError, Lock},
};
use crate::{
    Algorithm, KeyError, Kid, Labels, LoadedKey, PrivateKey, Schedule, Secrets, SetKey,
    file::read_without_links,
    schedule::{Due, at_once, notice},
    states::{Window, in_order, windows},
};

/// Of RSA keys that are made here.
const RSA_BITS: u32 = 2048;
/// For how many seconds a key has been seen to be retired when its file is removed: a clock that was far ahead when the
/// machine started has been set right by then.
const GRACE: u64 = 60;
/// Seconds that are not over yet when what happens now is on the disk: the time of the caller may be almost a second old.
const SLACK: u64 = 2;

/// What [`Directory::maintain`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key was made.
    Made {
        /// Its name.
        kid: Kid,
        /// From when it signs, in seconds since 1970.
        signs_from: u64,
    },
    /// A key that is retired was removed.
    Removed {
        /// Its name.
        kid: Kid,
    },
}

/// What [`Directory::rotate_now`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The key that signs next.
    pub kid: Kid,
    /// From when, in seconds since 1970.
    pub signs_from: u64,
    /// The key that signs until then.
    pub replaces: Option<Kid>,
    /// Nothing was changed: this key signs so soon anyway.
    pub planned: bool,
}

/// What [`Directory::replace_all`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The only key that is left.
    pub kid: Kid,
    /// The files that were removed.
    pub removed: Vec<OsString>,
}

/// The time of the caller, and what went by since.
#[derive(Clone, Copy)]
struct Clock {
    began: u64,
    since: Instant,
}

/// How keys are made.
#[derive(Clone, Copy)]
struct Terms {
    algorithm: Algorithm,
    publish_before: u64,
    clock: Clock,
}

/// What is to be done.
struct Work {
    due: Option<Due>,
    expired: Vec<Member>,
    unfinished: bool,
}

impl Directory {
    /// Makes the keys of `algorithm` that `schedule` wants at `now` (seconds since 1970), and the directory with them, and
    /// removes the files of keys that it has seen to be retired for a minute. Blocks: a key of RSA takes a tenth of a second and
    /// longer. After [`Schedule::scan_every`], or a second, it leaves the rest to the next time. Where there is nothing to
    /// do, it looks at the files as [`Directory::read`] does and takes no lock.
    ///
    /// The keys of the directory have to be all keys of their set.
    ///
    /// # Errors
    /// When a key cannot be made or written, or a file cannot be removed; when no key signs, and there are files that
    /// cannot be used: one of them may hold the key that does.
    pub fn maintain(&self, schedule: &Schedule, algorithm: Algorithm, now: u64) -> Result<Vec<Change>, FileError> {
        self.do_all(schedule, algorithm, now, |scan, schedule, now| {
            let mut work = Work::of(scan, schedule, now);
            self.keep_fresh(&mut work.expired, now);
            work
        })
    }

    /// Makes the one key without which nothing signs at `now`, and leaves the rest to [`Directory::maintain`].
    ///
    /// # Errors
    /// As [`Directory::maintain`].
    pub fn ensure_active(&self, schedule: &Schedule, algorithm: Algorithm, now: u64) -> Result<Vec<Change>, FileError> {
        self.do_all(schedule, algorithm, now, |scan, schedule, now| {
            let due = Work::of(scan, schedule, now).due.filter(|due| matches!(due, Due::AtOnce(_)));
            Work { due, expired: Vec::new(), unfinished: false }
        })
    }

    /// Lets the next key sign as soon as verifiers can know it: once it has been published for `publish_before` seconds, and
    /// once every process has seen that it is to sign. Makes it when there is none.
    ///
    /// # Errors
    /// As [`Directory::maintain`].
    pub fn rotate_now(&self, publish_before: u64, algorithm: Algorithm, now: u64) -> Result<Rotation, FileError> {
        let terms = Terms { algorithm, publish_before, clock: Clock::new(now) };
        let lock = files::lock(self.path())?;
        let scan = self.scan()?;
        let keys = scan.keys();
        let order = in_order(&keys);
        let windows = windows(&order);
        let active = windows.iter().position(|window| window.contains(now));
        let replaces = active.and_then(|at| order.get(at)).map(|key| key.kid.clone());
        let next = order.iter().find(|key| key.not_before.is_some_and(|from| from > now));
        let Some(next) = next.filter(|_| active.is_some()) else {
            let due = if active.is_some() { Due::From(0) } else { Due::AtOnce(at_once(&windows, now)) };
            let (kid, signs_from) = self.make(&lock, &scan, due, terms)?;
            return Ok(Rotation { kid, signs_from, replaces, planned: false });
        };
        let member = scan.members.iter().find(|member| member.key.kid == next.kid);
        let since = member.map_or(now, |member| member.since.min(now)).saturating_add(SLACK);
        let earliest =
            since.saturating_add(publish_before).max(terms.clock.later().saturating_add(notice(publish_before)));
        let kid = next.kid.clone();
        match (member, next.not_before) {
            (Some(member), Some(from)) if earliest < from => {
                self.move_to(&lock, member, earliest)?;
                Ok(Rotation { kid, signs_from: earliest, replaces, planned: false })
            }
            (_, from) => Ok(Rotation { kid, signs_from: from.unwrap_or(earliest), replaces, planned: true }),
        }
    }

    /// For a key that leaked: makes one that signs at once, then removes all others. Whoever verifies rejects its tokens until
    /// he fetches the set again.
    ///
    /// # Errors
    /// When the new key cannot be made or written: then nothing is removed. When a file cannot be removed.
    pub fn replace_all(&self, algorithm: Algorithm, now: u64) -> Result<Replacement, FileError> {
        let lock = files::lock(self.path())?;
        let removed = self.scan()?.names;
        let due = Due::AtOnce(at_once(&[], now));
        let (kid, _) =
            self.make(&lock, &Scan::default(), due, Terms { algorithm, publish_before: 0, clock: Clock::new(now) })?;
        files::remove(&lock, self.path(), &removed)?;
        Ok(Replacement { kid, removed })
    }

    fn do_all(
        &self,
        schedule: &Schedule,
        algorithm: Algorithm,
        now: u64,
        work: impl Fn(&Scan, &Schedule, u64) -> Work,
    ) -> Result<Vec<Change>, FileError> {
        let terms = Terms { algorithm, publish_before: schedule.publish_before, clock: Clock::new(now) };
        let clock = terms.clock;
        let patience = schedule.scan_every().max(Duration::from_secs(1));
        let mut changes = Vec::new();
        while clock.since.elapsed() < patience && !work(&self.scan_if_there()?, schedule, clock.now()).is_nothing() {
            // One key for each lock, so that who needs the first key does not wait until all are made.
            let lock = files::lock(self.path())?;
            // Somebody else may have done it meanwhile.
            let scan = self.scan()?;
            let work = work(&scan, schedule, clock.now());
            if let Some(due) = work.due {
                let (kid, signs_from) = self.make(&lock, &scan, due, terms)?;
                changes.push(Change::Made { kid, signs_from });
            }
            if !work.expired.is_empty() {
                let names: Vec<OsString> = work.expired.iter().map(|member| member.name.clone()).collect();
                files::remove(&lock, self.path(), &names)?;
                changes.extend(work.expired.into_iter().map(|member| Change::Removed { kid: member.key.kid.clone() }));
            }
        }
        Ok(changes)
    }

    /// Leaves those that have been retired for long enough.
    fn keep_fresh(&self, expired: &mut Vec<Member>, now: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retired.retain(|name, _| expired.iter().any(|member| member.name == *name));
        expired.retain(|member| {
            let since = *known.retired.entry(member.name.clone()).or_insert(now);
            since.saturating_add(GRACE) <= now
        });
    }

    /// Before the first key there may be no directory.
    fn scan_if_there(&self) -> Result<Scan, FileError> {
        match self.path().metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Scan::default()),
            _ => self.scan(),
        }
    }

    fn make(&self, lock: &Lock, scan: &Scan, due: Due, terms: Terms) -> Result<(Kid, u64), FileError> {
        let Terms { algorithm, publish_before, clock } = terms;
        if let (Due::AtOnce(_), Some(FileError { path, reason })) = (due, scan.mistakes.first()) {
            let reason =
                format!("no key signs, and none is made while a file that may hold it cannot be used: {reason}");
            return Err(FileError::new(path, reason));
        }
        let failed = |error: KeyError| FileError::new(self.path(), format!("no key can be made: {error}"));
        let key = PrivateKey::generate(algorithm, RSA_BITS).map_err(failed)?;
        let kid = Kid::new(&key.thumbprint());
        let signs_from = match due {
            Due::AtOnce(from) => from,
            Due::From(planned) => planned.max(clock.later().saturating_add(publish_before)),
        };
        let (issued_at, not_before) = (Some(clock.now()), Some(signs_from));
        let labels = Labels { kid: Some(kid.clone()), issued_at, not_before, not_after: None };
        let text = key.to_jwk(&labels).map_err(failed)?;
        let name = OsString::from(format!("{kid}.jwk"));
        files::write(lock, self.path(), &name, &text)?;
        // Otherwise it would be made again and again.
        if self.scan()?.members.iter().any(|member| member.key.kid == kid) {
            Ok((kid, signs_from))
        } else {
            Err(FileError::new(self.path().join(name), "was made, and cannot be used"))
        }
    }

    /// Lets a key that does not sign yet do so from another time on.
    fn move_to(&self, lock: &Lock, member: &Member, not_before: u64) -> Result<(), FileError> {
        let path = self.path().join(&member.name);
        let moved = |path: &Path| -> Result<_, String> {
            let text = read_without_links(path)?;
            let loaded = LoadedKey::from_text(&text, Some(member.key.algorithm), Secrets::Decoded);
            let loaded = loaded.map_err(|error| error.to_string())?;
            let labels = Labels {
                kid: Some(member.key.kid.clone()),
                issued_at: loaded.issued_at,
                not_before: Some(not_before),
                not_after: loaded.not_after,
            };
            loaded.key.to_jwk(&labels).map_err(|error| error.to_string())
        };
        let text = moved(&path).map_err(|reason| FileError::new(&path, reason))?;
        files::write(lock, self.path(), &member.name, &text)
    }
}

impl Scan {
    fn keys(&self) -> Vec<Arc<SetKey>> {
        self.members.iter().map(|member| Arc::clone(&member.key)).collect()
    }
}

impl Work {
    fn of(scan: &Scan, schedule: &Schedule, now: u64) -> Self {
        let keys = scan.keys();
        let order = in_order(&keys);
        let windows = windows(&order);
        let expired = |window: &Window| {
            let gone = window.published_until(schedule.retire_after);
            gone.is_some_and(|gone| gone <= now)
        };
        let kids: Vec<&Kid> =
            order.iter().zip(&windows).filter(|(_, window)| expired(window)).map(|(key, _)| &key.kid).collect();
        Self {
            due: schedule.due(&windows, now),
            expired: scan.members.iter().filter(|member| kids.contains(&&member.key.kid)).cloned().collect(),
            unfinished: scan.unfinished,
        }
    }

    fn is_nothing(&self) -> bool {
        self.due.is_none() && self.expired.is_empty() && !self.unfinished
    }
}

impl Clock {
    fn new(now: u64) -> Self {
        Self { began: now, since: Instant::now() }
    }

    fn now(&self) -> u64 {
        self.began.saturating_add(self.since.elapsed().as_secs())
    }

    /// When what happens now is on the disk.
    fn later(&self) -> u64 {
        self.now().saturating_add(SLACK)
    }
}
