//! What a file says of a key set, its paths and periods checked.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use signet_keys::{Algorithm, Schedule, ScheduleMistake, check_overlap};
use signet_plugin_api::ConfigError;

use crate::config::KeySetDecl;

/// Of keys that are generated, where the set does not say.
const GENERATED: Algorithm = Algorithm::Rs256;

/// A key set without its keys. Its `Debug` says all that there is: sets are told apart by it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// `name`, else the id.
    pub name: Arc<str>,
    /// Where the keys are, if they do not stand in the file.
    pub directory: Option<PathBuf>,
    /// Of PEM files.
    pub algorithm: Option<Algorithm>,
    /// When keys are generated, if they are.
    pub schedule: Option<Schedule>,
    /// `publish_before`, in seconds.
    pub publish_before: u64,
    /// `retire_after`, in seconds.
    pub retire_after: u64,
}

impl Plan {
    /// What a file in the folder `base` declares.
    ///
    /// # Errors
    /// When its periods cannot be kept.
    pub(crate) fn of(decl: &KeySetDecl, base: &Path) -> Result<Self, ConfigError> {
        let KeySetDecl { publish_before, retire_after, algorithm, .. } = *decl;
        let mistake = |ScheduleMistake { field, reason }| ConfigError::new(field, reason);
        check_overlap(publish_before, retire_after).map_err(mistake)?;
        // Without `.` in between, so that one directory has one name.
        let directory: Option<PathBuf> =
            decl.directory.as_ref().map(|directory| base.join(directory).components().collect());
        let schedule = match (decl.rotate_every, &directory) {
            (Some(rotate_every), Some(_)) => {
                Some(Schedule::new(rotate_every, publish_before, retire_after).map_err(mistake)?)
            }
            // Without a directory it has been told.
            _ => None,
        };
        let name = Arc::clone(decl.name.as_ref().unwrap_or(&decl.id));
        Ok(Self { name, directory, algorithm, schedule, publish_before, retire_after })
    }

    /// Of keys that are generated.
    pub(crate) fn generated(&self) -> Algorithm {
        self.algorithm.unwrap_or(GENERATED)
    }
}
