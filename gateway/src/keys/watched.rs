//! A key set whose keys are the files of a directory.

use std::{sync::Arc, time::Duration};

use signet_keys::{Algorithm, Change, Directory, FileError, Kid, Reading, Schedule, SetKey, scan_every};
use signet_plugin_api::ConfigError;

use super::{Opening, Plan, Purpose};
use crate::{compile::Engine, config::KeySetDecl, moment::now};

/// Where the keys are, and who makes them.
#[derive(Clone)]
pub(super) struct Watched {
    /// Shared by all configurations that name it, so that files that stay the same are read once.
    pub directory: Arc<Directory>,
    /// When keys are generated; without one they are the operator's.
    pub schedule: Option<Schedule>,
    /// Of keys that are generated.
    pub algorithm: Algorithm,
    /// How often to look.
    pub every: Duration,
}

/// A directory when the file is loaded.
struct First {
    /// The key that had to be made.
    made: Vec<Kid>,
    reading: Reading,
}

impl Watched {
    /// Of a set with a directory.
    pub(super) fn of(plan: &Plan, engine: &Engine<'_>) -> Option<Self> {
        let (path, algorithm, backend) = (plan.directory.as_ref()?, plan.algorithm, engine.signing_backend);
        let identity = format!("{} {algorithm:?} {backend:?}", path.display());
        let directory = engine.backgrounds.shared(&identity, || Directory::new(path, algorithm, backend));
        let every = scan_every(plan.publish_before);
        Some(Self { directory, schedule: plan.schedule, algorithm: plan.generated(), every })
    }

    /// What is there when the file is loaded. To be served, a set that has no key yet gets one; to be checked, it needs none.
    fn first(&self, purpose: Purpose) -> Result<Option<First>, FileError> {
        let changes = match (&self.schedule, purpose) {
            (Some(schedule), Purpose::Serve) => self.directory.ensure_active(schedule, self.algorithm, now())?,
            (Some(_), Purpose::Check) if !self.directory.path().exists() => return Ok(None),
            _ => Vec::new(),
        };
        let made = changes.into_iter().filter_map(|change| match change {
            Change::Made { kid, .. } => Some(kid),
            Change::Removed { .. } => None,
        });
        Ok(Some(First { made: made.collect(), reading: self.directory.read()? }))
    }
}

impl Opening<'_> {
    /// The keys of a set with a directory that can be used, and whether those are all.
    pub(super) fn watched(&mut self, watched: &Watched, decl: &KeySetDecl) -> (Vec<Arc<SetKey>>, bool) {
        let told = |error: &FileError| ConfigError::new("directory", error.to_string());
        match watched.first(self.engine.key_sets) {
            Ok(None) => (Vec::new(), true),
            Ok(Some(First { made, reading: Reading { keys, mistakes, warnings } })) => {
                for kid in made {
                    // A slip in the path looks like this: verifiers know the keys that are elsewhere.
                    let path = watched.directory.path().display();
                    let reason = format!("{path}: no key there could sign; `{kid}` was made and signs at once");
                    self.problems.warning(&decl.at, ConfigError::new("directory", reason));
                }
                warnings.iter().for_each(|warning| self.problems.warning(&decl.at, told(warning)));
                mistakes.iter().for_each(|mistake| self.problems.mistake(&decl.at, told(mistake)));
                (keys, mistakes.is_empty())
            }
            Err(error) => {
                self.problems.mistake(&decl.at, told(&error));
                (Vec::new(), false)
            }
        }
    }
}
