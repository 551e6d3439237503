//! `key_sets` and `keys` to handles: read when the file is loaded, followed as time goes by and files change.

mod gauges;
mod live;
mod plan;
mod read;
#[cfg(test)]
mod tests;
mod told;
mod watched;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use chrono::DateTime;
use signet_keys::{SetKey, check_set, keys_at};
use signet_plugin_api::{ConfigError, KeySet, KeySets, KeyState, KeyStatus};

use crate::{
    compile::{Engine, Problems},
    config::{At, KeyDecl, KeySetDecl, Model},
};

pub(crate) use self::{live::LiveSet, plan::Plan};
use self::{read::Fixed, watched::Watched};

/// What a file is loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To tell its mistakes: nothing is written, and a directory in which keys will be generated may be empty.
    Check,
    /// To serve it: a set whose keys are generated has its first one before anybody asks.
    Serve,
}

/// The sets of a file.
#[derive(Default)]
pub(crate) struct Opened {
    /// By name and id. In place of one with a mistake stands a set without keys, so that nothing else is found wrong for it.
    pub sets: Arc<KeySets>,
    /// What goes on besides requests, as long as somebody holds it.
    pub live: Vec<Arc<LiveSet>>,
    /// What is wrong with them.
    pub problems: Problems,
}

/// What sets are opened with.
struct Opening<'e> {
    engine: &'e Engine<'e>,
    /// The folder of the file.
    base: &'e Path,
    /// Of the sets so far, with their places.
    directories: HashMap<PathBuf, At>,
    problems: Problems,
}

/// Reads the keys of a model, which are gone from it afterwards. Paths are relative to `base`.
pub(crate) fn open(model: &mut Model, base: &Path, engine: &Engine<'_>) -> Opened {
    let mut keys: HashMap<Option<usize>, Vec<KeyDecl>> = HashMap::new();
    for key in std::mem::take(&mut model.keys) {
        keys.entry(key.set).or_default().push(key);
    }
    let mut opening = Opening { engine, base, directories: HashMap::new(), problems: Problems::default() };
    opening.unused(&keys.remove(&None).unwrap_or_default());
    let (mut sets, mut named, mut held) = (KeySets::new(), Vec::new(), Vec::new());
    for (position, decl) in model.key_sets.iter().enumerate() {
        let live = opening.set(decl, &keys.remove(&Some(position)).unwrap_or_default());
        let set = live.as_ref().map_or_else(|| stand_in(decl), |live| Arc::clone(live.set()));
        held.extend(live);
        named.extend(decl.name.clone().map(|name| (name, Arc::clone(&set))));
        sets.insert(Arc::clone(&decl.id), set);
    }
    // A name counts before an id, as in references within the file.
    sets.extend(named);
    Opened { sets: Arc::new(sets), live: held, problems: opening.problems }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Opening<'_> {
    fn set(&mut self, decl: &KeySetDecl, declared: &[KeyDecl]) -> Option<Arc<LiveSet>> {
        let plan = match Plan::of(decl, self.base) {
            Ok(plan) => plan,
            Err(error) => {
                self.problems.mistake(&decl.at, error);
                return None;
            }
        };
        self.claim_directory(&plan, decl)?;
        let (keys, watched, content) = match Watched::of(&plan, self.engine) {
            Some(watched) if declared.is_empty() => (self.watched(&watched, decl)?, Some(watched), String::new()),
            // Keys of the file beside a directory have been told.
            Some(_) => return None,
            None => {
                let Fixed { keys, content } = self.fixed(decl, declared)?;
                (keys, None, content)
            }
        };
        self.check(&plan, decl, &keys)?;
        let identity = format!("{plan:?} {:?} {content}", self.engine.signing_backend);
        let make = || LiveSet::new(&plan, keys.clone(), watched, Arc::clone(&self.engine.meters));
        let live = self.engine.backgrounds.background(&identity, make);
        live.follow(&keys);
        Some(live)
    }

    fn claim_directory(&mut self, plan: &Plan, decl: &KeySetDecl) -> Option<()> {
        let Some(directory) = &plan.directory else { return Some(()) };
        let other = self.directories.insert(directory.clone(), decl.at.clone());
        let Some(other) = other else { return Some(()) };
        let reason = format!("is the directory of `{other}`, too: each set has one of its own");
        self.problems.mistake(&decl.at, ConfigError::new("directory", reason));
        None
    }

    /// Whether these keys make a set, of which one may sign.
    fn check(&mut self, plan: &Plan, decl: &KeySetDecl, keys: &[Arc<SetKey>]) -> Option<()> {
        let field = if plan.directory.is_some() { "directory" } else { "" };
        let mut wrong = |reason| self.problems.mistake(&decl.at, ConfigError::new(field, reason));
        if let Err(mistakes) = check_set(keys) {
            mistakes.iter().for_each(|mistake| wrong(mistake.to_string()));
            return None;
        }
        let now = now();
        let will_be_generated = plan.schedule.is_some() && self.engine.key_sets == Purpose::Check;
        let states = keys_at(keys, plan.retire_after, now).keys.states;
        if will_be_generated || states.iter().any(|key| key.state == KeyState::Active) {
            if let (None, Some(end)) = (&plan.schedule, end(&states, now)) {
                let reason = format!("no key signs from {} on: another one is needed by then", written(end));
                self.problems.warning(&decl.at, ConfigError::new(field, reason));
            }
            return Some(());
        }
        let next = keys.iter().filter_map(|key| key.not_before).filter(|from| *from > now).min();
        wrong(match (keys.is_empty(), next) {
            (true, _) => "has no key".to_owned(),
            (false, Some(from)) => format!("no key may sign now; the next one signs from {}", written(from)),
            (false, None) => "no key may sign any more".to_owned(),
        });
        None
    }
}

/// The first time from which on no key signs, of keys in the order in which they do.
fn end(keys: &[KeyStatus], now: u64) -> Option<u64> {
    let successors = keys.iter().skip(1).map(|key| key.signs_from).chain([None]);
    let ends = keys
        .iter()
        .zip(successors)
        .filter_map(|(key, successor)| key.signs_until.filter(|until| successor.is_none_or(|from| from > *until)));
    ends.filter(|end| *end > now).min()
}

/// Seconds since 1970 as RFC 3339 writes them.
fn written(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| seconds.to_string(), |time| format!("{time:?}"))
}

fn stand_in(decl: &KeySetDecl) -> Arc<KeySet> {
    let name = Arc::clone(decl.name.as_ref().unwrap_or(&decl.id));
    Arc::new(KeySet::new(name, false, None, keys_at(&[], 0, 0).keys))
}
