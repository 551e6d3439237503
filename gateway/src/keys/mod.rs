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
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use signet_keys::{SetKey, check_set, keys_at};
use signet_plugin_api::{ConfigError, KeySet, KeySets, KeyState, KeyStatus};

use crate::{
    compile::{Engine, Problems},
    config::{At, KeyDecl, KeySetDecl, Model},
    moment,
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

/// A set as its files are at this moment, also one that no gateway would start with.
pub(crate) struct Seen {
    /// What the file says of it.
    pub plan: Plan,
    /// The keys that can be used, in the order in which they sign.
    pub keys: Vec<KeyStatus>,
}

/// A set that was read.
struct Read {
    plan: Plan,
    /// Those that can be used.
    keys: Vec<Arc<SetKey>>,
    watched: Option<Watched>,
    /// What tells keys of the file from others.
    content: String,
    /// Whether nothing is wrong with it.
    sound: bool,
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
    let mut opening = Opening::new(base, engine);
    let read = opening.all(model);
    let (mut sets, mut named, mut held) = (KeySets::new(), Vec::new(), Vec::new());
    for (decl, read) in model.key_sets.iter().zip(read) {
        let live = read.filter(|read| read.sound).map(|read| opening.live(read));
        let set = live.as_ref().map_or_else(|| stand_in(decl), |live| Arc::clone(live.set()));
        held.extend(live);
        named.extend(decl.name.clone().map(|name| (name, Arc::clone(&set))));
        sets.insert(Arc::clone(&decl.id), set);
    }
    // A name counts before an id, as in references within the file.
    sets.extend(named);
    Opened { sets: Arc::new(sets), live: held, problems: opening.problems }
}

/// The same for people: the sets of a model in their order, also those with mistakes, and what is wrong with them. None is one
/// whose fields already make no set.
pub(crate) fn look(model: &mut Model, base: &Path, engine: &Engine<'_>) -> (Vec<Option<Seen>>, Problems) {
    let mut opening = Opening::new(base, engine);
    let now = moment::now();
    let seen = |Read { plan, keys, .. }| Seen { keys: keys_at(&keys, plan.retire_after, now).keys.states, plan };
    let seen = opening.all(model).into_iter().map(|read| read.map(seen)).collect();
    (seen, opening.problems)
}

impl<'e> Opening<'e> {
    fn new(base: &'e Path, engine: &'e Engine<'e>) -> Self {
        Self { engine, base, directories: HashMap::new(), problems: Problems::default() }
    }

    fn all(&mut self, model: &mut Model) -> Vec<Option<Read>> {
        let mut keys: HashMap<Option<usize>, Vec<KeyDecl>> = HashMap::new();
        for key in std::mem::take(&mut model.keys) {
            keys.entry(key.set).or_default().push(key);
        }
        self.unused(&keys.remove(&None).unwrap_or_default());
        let sets = model.key_sets.iter().enumerate();
        sets.map(|(position, decl)| self.read(decl, &keys.remove(&Some(position)).unwrap_or_default())).collect()
    }

    fn read(&mut self, decl: &KeySetDecl, declared: &[KeyDecl]) -> Option<Read> {
        let plan = match Plan::of(decl, self.base) {
            Ok(plan) => plan,
            Err(error) => {
                self.problems.mistake(&decl.at, error);
                return None;
            }
        };
        self.claim_directory(&plan, decl)?;
        let watched = Watched::of(&plan, self.engine);
        let Fixed { keys, whole, content } = match &watched {
            // Keys of the file beside a directory have been told.
            Some(_) if !declared.is_empty() => return None,
            Some(watched) => {
                let (keys, whole) = self.watched(watched, decl);
                Fixed { keys, whole, content: String::new() }
            }
            None => self.fixed(decl, declared),
        };
        let sound = whole && self.check(&plan, decl, &keys);
        Some(Read { plan, keys, watched, content, sound })
    }

    fn live(&self, read: Read) -> Arc<LiveSet> {
        let Read { plan, keys, watched, content, .. } = read;
        let identity = format!("{plan:?} {:?} {content}", self.engine.signing_backend);
        let make = || LiveSet::new(&plan, keys.clone(), watched, Arc::clone(&self.engine.meters));
        let live = self.engine.backgrounds.background(&identity, make);
        live.follow();
        live
    }

    fn claim_directory(&mut self, plan: &Plan, decl: &KeySetDecl) -> Option<()> {
        let Some(directory) = &plan.directory else { return Some(()) };
        let other = self.directories.insert(real(directory), decl.at.clone());
        let Some(other) = other else { return Some(()) };
        let reason = format!("is the directory of `{other}`, too: each set has one of its own");
        self.problems.mistake(&decl.at, ConfigError::new("directory", reason));
        None
    }

    /// Whether these keys make a set, of which one may sign.
    fn check(&mut self, plan: &Plan, decl: &KeySetDecl, keys: &[Arc<SetKey>]) -> bool {
        let field = if plan.directory.is_some() { "directory" } else { "" };
        let mut wrong = |reason| self.problems.mistake(&decl.at, ConfigError::new(field, reason));
        if let Err(mistakes) = check_set(keys) {
            mistakes.iter().for_each(|mistake| wrong(mistake.to_string()));
            return false;
        }
        let now = moment::now();
        let will_be_generated = plan.schedule.is_some() && self.engine.key_sets == Purpose::Check;
        let states = keys_at(keys, plan.retire_after, now).keys.states;
        if will_be_generated || states.iter().any(|key| key.state == KeyState::Active) {
            if let (None, Some(end)) = (&plan.schedule, end(&states, now)) {
                let reason = format!("no key signs from {} on: another one is needed by then", moment::written(end));
                self.problems.warning(&decl.at, ConfigError::new(field, reason));
            }
            return true;
        }
        let next = keys.iter().filter_map(|key| key.not_before).filter(|from| *from > now).min();
        wrong(match (keys.is_empty(), next) {
            (true, _) => "has no key".to_owned(),
            (false, Some(from)) => format!("no key may sign now; the next one signs from {}", moment::written(from)),
            (false, None) => "no key may sign any more".to_owned(),
        });
        false
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

/// The one path of a directory, which need not be there yet: two sets would remove each other's keys.
fn real(directory: &Path) -> PathBuf {
    let there = directory.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((part, mut real)) = there else { return directory.to_owned() };
    for step in directory.strip_prefix(part).unwrap_or(directory).components() {
        match step {
            Component::ParentDir => _ = real.pop(),
            step => real.push(step),
        }
    }
    real
}

fn stand_in(decl: &KeySetDecl) -> Arc<KeySet> {
    let name = Arc::clone(decl.name.as_ref().unwrap_or(&decl.id));
    Arc::new(KeySet::new(name, false, None, keys_at(&[], 0, 0).keys))
}
