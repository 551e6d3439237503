//! A key set whose keys are the files of a directory.

use std::{sync::Arc, time::Duration};

use signet_keys::{Algorithm, Directory, FileError, Reading, Schedule, SetKey, scan_every};
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
    fn first(&self, purpose: Purpose) -> Result<Option<Reading>, FileError> {
        match (&self.schedule, purpose) {
            (Some(schedule), Purpose::Serve) => {
                self.directory.ensure_active(schedule, self.algorithm, now())?;
            }
            (Some(_), Purpose::Check) if !self.directory.path().exists() => return Ok(None),
            _ => {}
        }
        self.directory.read().map(Some)
    }
}

impl Opening<'_> {
    /// The keys of a set with a directory that can be used, and whether those are all.
    pub(super) fn watched(&mut self, watched: &Watched, decl: &KeySetDecl) -> (Vec<Arc<SetKey>>, bool) {
        let told = |error: &FileError| ConfigError::new("directory", error.to_string());
        match watched.first(self.engine.key_sets) {
            Ok(None) => (Vec::new(), true),
            Ok(Some(Reading { keys, mistakes, warnings, .. })) => {
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
