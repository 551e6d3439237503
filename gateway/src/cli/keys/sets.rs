//! The key sets of a declarative file, for the commands that are about them.

use std::path::{Path, PathBuf};

use chrono::DateTime;
use signet_keys::Directory;
use signet_plugin_api::{ConfigError, Registry, SigningBackend};

use super::files::Trouble;
use crate::{
    cli::{report, say},
    config::{self, KeySetDecl, Known, LoadErrors, Loaded, Mistake},
    keys::Plan,
};

/// Which key sets are meant.
#[derive(clap::Args)]
pub(in crate::cli) struct Selection {
    /// Kong declarative file, YAML or JSON, as `run` takes it
    #[arg(short = 'c', value_name = "FILE")]
    file: PathBuf,
    /// A key set, by its name or its id
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// A key set whose keys are the files of a directory.
pub(super) struct Watched {
    /// What the file says of it.
    pub plan: Plan,
    /// Its keys.
    pub directory: Directory,
}

impl Selection {
    /// The content of the file. Its mistakes are told; those that are not about key sets are passed over.
    pub(super) fn load(&self, registry: &Registry) -> Result<Loaded, Trouble> {
        let LoadErrors { mistakes, partial, .. } =
            match config::load(&self.file, &Known::of(registry), &config::process_env) {
                Ok(loaded) => return Ok(loaded),
                Err(errors) => errors,
            };
        let concerned: Vec<&Mistake> = mistakes.iter().filter(|mistake| concerns_keys(mistake)).collect();
        match partial {
            Some(partial) if concerned.is_empty() => Ok(*partial),
            _ => {
                concerned.iter().for_each(|mistake| say(report::mistake(&self.file, mistake)));
                Err(Trouble::Key(format!("the key sets of {} cannot be used", self.file.display())))
            }
        }
    }

    /// The sets that are meant: the one that is named, or all.
    pub(super) fn of<'a>(&self, sets: &'a [KeySetDecl]) -> Result<Vec<&'a KeySetDecl>, Trouble> {
        let Some(wanted) = self.name.as_deref() else { return Ok(sets.iter().collect()) };
        let named = |set: &&KeySetDecl| set.name.as_deref() == Some(wanted) || &*set.id == wanted;
        match sets.iter().find(named) {
            Some(set) => Ok(vec![set]),
            None if sets.is_empty() => Err(Trouble::Key(format!("{} has no key set", self.file.display()))),
            None => {
                let names = names(sets);
                Err(Trouble::Key(format!("{} has no key set `{wanted}`, but {names}", self.file.display())))
            }
        }
    }

    /// The one set whose directory is meant.
    pub(super) fn one_with_directory(&self, sets: &[KeySetDecl]) -> Result<Watched, Trouble> {
        let meant = self.of(sets)?;
        let with_directory: Vec<&KeySetDecl> = meant.iter().copied().filter(|set| set.directory.is_some()).collect();
        let file = self.file.display();
        match with_directory.as_slice() {
            [one] => self
                .watched(one)?
                .ok_or_else(|| Trouble::Key(format!("{file}: key set {} has no `directory`", names([*one])))),
            [] if self.name.is_some() => Err(Trouble::Key(format!(
                "{file}: key set {} has no `directory`: its keys stand in the file",
                names(meant)
            ))),
            [] => Err(Trouble::Key(format!("{file} has no key set with a `directory`"))),
            several => {
                let names = names(several.iter().copied());
                Err(Trouble::Key(format!("{file} has several key sets with a `directory`, name one: {names}")))
            }
        }
    }

    /// The directory of a set, if it has one. OpenSSL reads every key; what the gateways sign with is theirs.
    pub(super) fn watched(&self, set: &KeySetDecl) -> Result<Option<Watched>, Trouble> {
        let plan = Plan::of(set, self.base()).map_err(|ConfigError { field, reason, .. }| {
            Trouble::Key(format!("{}: {}: {reason}", self.file.display(), set.at.field(&field)))
        })?;
        let directory = |path: &PathBuf| Directory::new(path, plan.algorithm, SigningBackend::Openssl);
        let directory = plan.directory.as_ref().map(directory);
        Ok(directory.map(|directory| Watched { plan, directory }))
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What paths in the file are relative to.
    pub(super) fn base(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

/// What people call it.
pub(super) fn label(set: &KeySetDecl) -> &str {
    set.name.as_deref().unwrap_or(&set.id)
}

/// Seconds since 1970 as RFC 3339 writes them.
pub(super) fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| seconds.to_string(), |time| format!("{time:?}"))
}

/// Of the whole file, or of what stands in these two collections.
fn concerns_keys(mistake: &Mistake) -> bool {
    let collection = mistake.path.split(['[', '.']).next().unwrap_or_default();
    ["", "key_sets", "keys"].contains(&collection)
}

fn names<'a>(sets: impl IntoIterator<Item = &'a KeySetDecl>) -> String {
    sets.into_iter().map(|set| format!("`{}`", label(set))).collect::<Vec<_>>().join(", ")
}
