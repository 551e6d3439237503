//! The key sets of a declarative file, for the commands that are about them.

use std::path::{Path, PathBuf};

use chrono::DateTime;
use signet_keys::Directory;
use signet_plugin_api::{Registry, SigningBackend};

use super::files::Trouble;
use crate::{
    cli::{report, say},
    config::{self, KeySetDecl, Known, LoadErrors, Loaded, Mistake},
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

impl Selection {
    /// The file. Its mistakes are told; those that are not about key sets are passed over.
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
                let names = names(sets.iter());
                Err(Trouble::Key(format!("{} has no key set `{wanted}`, but {names}", self.file.display())))
            }
        }
    }

    /// The one set whose directory is meant.
    pub(super) fn one_with_directory<'a>(&self, sets: &'a [KeySetDecl]) -> Result<(&'a KeySetDecl, PathBuf), Trouble> {
        let meant = self.of(sets)?;
        let with_directory: Vec<_> =
            meant.iter().filter_map(|set| Some((*set, self.beside(set.directory.as_deref()?)))).collect();
        let file = self.file.display();
        match with_directory.as_slice() {
            [one] => Ok(one.clone()),
            [] if self.name.is_some() => Err(Trouble::Key(format!(
                "{file}: key set {} has no `directory`: its keys stand in the file",
                names(meant.into_iter())
            ))),
            [] => Err(Trouble::Key(format!("{file} has no key set with a `directory`"))),
            several => {
                let names = names(several.iter().map(|(set, _)| *set));
                Err(Trouble::Key(format!("{file} has several key sets with a `directory`, name one: {names}")))
            }
        }
    }

    /// Paths are relative to the file.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// The directory of a set. OpenSSL reads every key; what the gateways sign with is theirs.
pub(super) fn directory(set: &KeySetDecl, path: PathBuf) -> Directory {
    Directory::new(path, set.algorithm, SigningBackend::Openssl)
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

fn names<'a>(sets: impl Iterator<Item = &'a KeySetDecl>) -> String {
    sets.map(|set| format!("`{}`", label(set))).collect::<Vec<_>>().join(", ")
}
