//! The key sets of a declarative file, for the commands that are about them.

use std::path::{Path, PathBuf};

use signet_keys::Directory;
use signet_plugin_api::{ConfigError, Registry, SigningBackend};

use super::files::Trouble;
use crate::{
    cli::{report, say, settings},
    config::{self, KeySetDecl, Known, LoadErrors, Loaded, Mistake},
    keys::Plan,
};

/// Which key sets are meant.
#[derive(clap::Args)]
pub(in crate::cli) struct Selection {
    /// Kong declarative file, YAML or JSON, as `run` takes it
    #[arg(short = 'c', value_name = "FILE")]
    file: PathBuf,
    /// Process settings, as `run` takes them: which keys can sign depends on `signing_backend`
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
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

    /// What makes signatures in the gateways of these settings.
    pub(super) fn backend(&self) -> Result<SigningBackend, Trouble> {
        settings(self.settings.as_deref()).map(|settings| settings.signing_backend).map_err(Trouble::Told)
    }

    /// The sets that are meant: the one that is named, or all.
    pub(super) fn of<'a>(&self, sets: &'a [KeySetDecl]) -> Result<Vec<&'a KeySetDecl>, Trouble> {
        let Some(wanted) = self.name.as_deref() else { return Ok(sets.iter().collect()) };
        let named = |set: &&KeySetDecl| set.name.as_deref() == Some(wanted) || &*set.id == wanted;
        match sets.iter().find(named) {
            Some(set) => Ok(vec![set]),
            None if sets.is_empty() => Err(Trouble::Key(format!("{} has no key set", self.file.display()))),
            None => {
                let names = names(sets.iter().map(label));
                Err(Trouble::Key(format!("{} has no key set `{wanted}`, but {names}", self.file.display())))
            }
        }
    }

    /// The one set whose directory is meant.
    pub(super) fn one_with_directory(&self, sets: &[KeySetDecl], backend: SigningBackend) -> Result<Watched, Trouble> {
        let meant = self.of(sets)?;
        let mut plans = meant.iter().map(|set| self.plan(set)).collect::<Result<Vec<Plan>, Trouble>>()?;
        plans.retain(|plan| plan.directory.is_some());
        let file = self.file.display();
        match plans.as_slice() {
            [plan @ Plan { directory: Some(path), .. }] => {
                Ok(Watched { directory: Directory::new(path, plan.algorithm, backend), plan: plan.clone() })
            }
            several @ [_, ..] => {
                let names = names(several.iter().map(|plan| &*plan.name));
                Err(Trouble::Key(format!("{file} has several key sets with a `directory`, name one: {names}")))
            }
            [] if self.name.is_some() => Err(Trouble::Key(format!(
                "{file}: key set {} has no `directory`: its keys stand in the file",
                names(meant.into_iter().map(label))
            ))),
            [] => Err(Trouble::Key(format!("{file} has no key set with a `directory`"))),
        }
    }

    fn plan(&self, set: &KeySetDecl) -> Result<Plan, Trouble> {
        Plan::of(set, self.base()).map_err(|ConfigError { field, reason, .. }| {
            Trouble::Key(format!("{}: {}: {reason}", self.file.display(), set.at.field(&field)))
        })
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
fn label(set: &KeySetDecl) -> &str {
    set.name.as_deref().unwrap_or(&set.id)
}

/// Of the whole file, or of what stands in these two collections.
fn concerns_keys(mistake: &Mistake) -> bool {
    let collection = mistake.path.split(['[', '.']).next().unwrap_or_default();
    ["", "key_sets", "keys"].contains(&collection)
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
