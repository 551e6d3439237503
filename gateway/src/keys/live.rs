//! A key set while it is served: its keys change at their seconds, and its directory is looked at.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use signet_keys::{At, FileError, SetKey, check_set, keys_at, overlap};
use signet_plugin_api::{Background, CounterMeter, KeySet, Meters};
use tracing::{error, info, warn};

use super::{
    Plan,
    gauges::Gauges,
    told::{Failures, tell_changes},
    watched::Watched,
};
use crate::moment::now;

/// The pause of a set that never changes.
const IDLE: Duration = Duration::from_secs(3600);

/// How long others may take to make a key that is due, once they have seen it.
const OTHERS: Duration = Duration::from_secs(1);

/// A key set, shared by all configurations that say the same of it.
pub(crate) struct LiveSet(Arc<Inner>);

struct Inner {
    set: Arc<KeySet>,
    retire_after: u64,
    /// Its keys, or the files of its directory, come and go.
    changes: bool,
    watched: Option<Watched>,
    meters: Arc<Meters>,
    state: Mutex<State>,
    /// Somebody looks at the directory right now.
    looking: AtomicBool,
    /// Held from reading the directory until its keys are taken: what was read later counts.
    reading: Mutex<()>,
}

struct State {
    keys: Vec<Arc<SetKey>>,
    /// When the keys were sorted into their states, and when they change: seconds since 1970.
    turned: u64,
    next_change: Option<u64>,
    next_look: Instant,
    /// False when another configuration has taken its place: what is left of the old one makes no keys and says nothing.
    served: bool,
    /// None until the set is served: what is only checked, or refused, shows nothing.
    shown: Option<(Gauges, Option<CounterMeter>)>,
    failures: Failures,
    warnings: Failures,
    /// Since when no key can be made.
    unmade_since: Option<Instant>,
}

impl LiveSet {
    /// A set of these keys, which [`check_set`] has accepted. Nothing happens to it before it is started.
    pub(super) fn new(plan: &Plan, keys: Vec<Arc<SetKey>>, watched: Option<Watched>, meters: Arc<Meters>) -> Self {
        let timed = keys.iter().any(|key| key.not_before.is_some() || key.not_after.is_some());
        let changes = timed || watched.is_some();
        let overlap = changes.then(|| overlap(plan.publish_before, plan.retire_after));
        let symmetric = keys.first().map_or_else(|| plan.generated(), |key| key.algorithm).is_symmetric();
        let turned = now();
        let At { keys: first, next_change } = keys_at(&keys, plan.retire_after, turned);
        let set = Arc::new(KeySet::new(Arc::clone(&plan.name), symmetric, overlap, first));
        let state = State {
            keys,
            turned,
            next_change,
            next_look: Instant::now(),
            served: true,
            shown: None,
            failures: Failures::default(),
            warnings: Failures::default(),
            unmade_since: None,
        };
        let (state, looking, reading) = (Mutex::new(state), AtomicBool::new(false), Mutex::default());
        Self(Arc::new(Inner {
            set,
            retire_after: plan.retire_after,
            changes,
            watched,
            meters,
            state,
            looking,
            reading,
        }))
    }

    /// What plugins have of it.
    pub(crate) fn set(&self) -> &Arc<KeySet> {
        &self.0.set
    }

    /// Whether it is one of the configuration that is served. One that is not goes on as long as requests have it.
    pub(crate) fn serve(&self, served: bool) {
        let state = &mut *self.0.state();
        state.served = served;
        if !served {
            state.shown = None;
        }
    }

    /// The keys of this moment, where they are others: seconds since 1970.
    pub(super) fn turn_if_due(&self, now: u64) {
        self.0.turn_if_due(now);
    }

    /// The file was loaded, perhaps again, and what is unwise about the directory was told with it.
    pub(super) fn follow(&self) {
        if let Some(watched) = &self.0.watched {
            // What is wrong the next look tells.
            self.0.read(watched, &mut BTreeSet::new(), |_| ());
        }
    }
}

#[async_trait]
impl Background for LiveSet {
    /// Ends at the next whole second, or when it is time to look at the files: keys change at whole seconds, and the clock may be set.
    async fn tick(&self) -> Duration {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.turn_if_due(time.as_secs());
        if !self.0.changes {
            return IDLE;
        }
        let second = Duration::from_secs(1).saturating_sub(Duration::from_nanos(time.subsec_nanos().into()));
        self.0.watched.as_ref().map_or(second, |watched| second.min(self.look_if_due(watched)))
    }
}

impl LiveSet {
    /// Looks on a thread of its own: to read files and to make keys takes long, and keys change meanwhile. Gives when to ask
    /// again.
    fn look_if_due(&self, watched: &Watched) -> Duration {
        let mut state = self.0.state();
        let left = state.next_look.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return left;
        }
        state.next_look = Instant::now() + watched.every;
        drop(state);
        if !self.0.looking.swap(true, Ordering::AcqRel) {
            let (inner, watched) = (Arc::clone(&self.0), watched.clone());
            tokio::task::spawn_blocking(move || {
                let _looking = Looking(&inner.looking);
                inner.look(&watched);
            });
        }
        watched.every
    }
}

/// Ends with its value, also in a panic.
struct Looking<'a>(&'a AtomicBool);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn_if_due(&self, now: u64) {
        let state = &mut *self.state();
        let begins = state.served && state.shown.is_none();
        if begins {
            let counter = Failures::counter(&self.meters, &self.set.name);
            state.shown = Some((Gauges::of(&self.meters, &self.set.name, &self.set.keys().states), counter));
        }
        // The clock may have been set back.
        if begins || now < state.turned || state.next_change.is_some_and(|change| change <= now) {
            self.turn(state, now);
        }
    }

    /// Sorts the keys into the states of this moment.
    fn turn(&self, state: &mut State, now: u64) {
        let At { mut keys, next_change } = keys_at(&state.keys, self.retire_after, now);
        let before = self.set.keys();
        // What plugins made of the key that signs on stays good.
        keys.active = keys.active.map(|active| match &before.active {
            Some(known) if Arc::ptr_eq(&known.signer, &active.signer) => Arc::clone(known),
            _ => active,
        });
        (state.turned, state.next_change) = (now, next_change);
        if let Some((gauges, _)) = &mut state.shown {
            *gauges = Gauges::of(&self.meters, &self.set.name, &keys.states);
            tell_changes(&self.set, &keys.states, now);
        }
        self.set.replace(keys);
    }

    /// Follows the directory, and makes the keys that are due. What fails takes no key away that may sign.
    fn look(&self, watched: &Watched) {
        let mut failures = BTreeSet::new();
        let warn = |warning: &str| warn!(key_set = %self.set.name, "{warning}");
        let sound = self.read(watched, &mut failures, warn);
        if let (true, Some(schedule)) = (sound && self.state().served, &watched.schedule) {
            let made = watched.directory.maintain(schedule, watched.algorithm, now());
            if made.as_ref().is_ok_and(|changes| !changes.is_empty()) || made.is_err() {
                failures.clear();
                self.read(watched, &mut failures, warn);
            }
            failures.extend(self.cannot_make(watched, made.err()));
        }
        self.tell(failures);
    }

    /// Who may only read the directory sees that a key is due before another process has made it: that is no failure yet.
    fn cannot_make(&self, watched: &Watched, error: Option<FileError>) -> Option<String> {
        let state = &mut *self.state();
        let Some(error) = error else {
            state.unmade_since = None;
            return None;
        };
        let since = *state.unmade_since.get_or_insert_with(Instant::now);
        (since.elapsed() >= 2 * watched.every + OTHERS).then(|| error.to_string())
    }

    /// Takes the keys that are in the directory. False when they cannot be all, or make no set: by their times a key would be
    /// removed that signs here, and one made that is not taken.
    fn read(&self, watched: &Watched, failures: &mut BTreeSet<String>, warn: impl Fn(&str)) -> bool {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = match watched.directory.read() {
            Ok(reading) => reading,
            Err(error) => {
                failures.insert(error.to_string());
                return false;
            }
        };
        if reading.keys.is_empty() && !self.state().keys.is_empty() {
            // A disk that is not there any more looks like this. Who wants to begin anew loads the configuration again.
            let path = watched.directory.path().display();
            failures.insert(format!("{path}: holds no key any more; the keys that were there are used until it does"));
            return false;
        }
        failures.extend(reading.mistakes.iter().map(ToString::to_string));
        let warnings = reading.warnings.iter().map(ToString::to_string).collect();
        let news = self.state().warnings.replace(warnings);
        news.fresh.iter().for_each(|warning| warn(warning));
        self.take(reading.keys, failures)
    }

    /// These keys are there now. Of keys that make no set, those stay that did; then it is false.
    fn take(&self, mut keys: Vec<Arc<SetKey>>, failures: &mut BTreeSet<String>) -> bool {
        let state = &mut *self.state();
        let mut mistakes: Vec<String> = match check_set(&keys) {
            Ok(()) => Vec::new(),
            Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        };
        if mistakes.is_empty() && keys.iter().any(|key| key.algorithm.is_symmetric() != self.set.symmetric) {
            let reason = "shared secrets have taken the place of key pairs, or the other way round: load the configuration again";
            mistakes.push(reason.to_owned());
        }
        let is_set = mistakes.is_empty();
        if !is_set {
            let known = state.keys.iter().filter(|known| keys.iter().any(|key| key.kid == known.kid));
            keys = known.cloned().collect();
            failures.extend(mistakes);
        }
        let same = keys.len() == state.keys.len() && keys.iter().zip(&state.keys).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same {
            state.keys = keys;
            self.turn(state, now());
        }
        is_set
    }

    fn tell(&self, failures: BTreeSet<String>) {
        let state = &mut *self.state();
        let Some((_, counter)) = &state.shown else { return };
        if let (false, Some(counter)) = (failures.is_empty(), counter) {
            counter.inc();
        }
        let told = state.failures.replace(failures);
        for failure in told.fresh {
            error!(key_set = %self.set.name, "{failure}");
        }
        if told.mended {
            info!(key_set = %self.set.name, "all files of the key set can be used again");
        }
    }
}

impl fmt::Debug for LiveSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveSet").field(&self.0.set.name).finish()
    }
}
