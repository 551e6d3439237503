//! What of a Kong file runs here, by kind of entity and by field: from what the loader and the plugins did with it.

mod tally;
mod text;

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use self::tally::Tally;
use crate::{
    compile::Engine,
    config::{How, Mistake, Model, Trace, names},
    prepare::prepare_traced,
};

/// The report on one file.
#[derive(Debug, Serialize)]
pub(crate) struct Compatibility {
    /// As it was named.
    pub(crate) file: String,
    /// Whether it can be served as it is.
    pub(crate) runs: bool,
    /// How many things have to change: the same reason in the same field of the same kind is one.
    pub(crate) to_change: usize,
    /// In how many places.
    pub(crate) places: usize,
    /// What `check` warns of, in how many places.
    pub(crate) warnings: usize,
    /// By name; a plugin is a kind of its own: `plugins/cors`. What stands at the top is `file`.
    pub(crate) kinds: BTreeMap<String, Kind>,
}

/// All entities of one kind.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Kind {
    /// How many there are.
    pub(crate) entities: usize,
    /// How many of them cannot be served as they are.
    pub(crate) refused: usize,
    /// Fields that do what they say, and how often they are there.
    pub(crate) runs: BTreeMap<String, usize>,
    /// Fields that are not implemented and stand at a value that changes nothing.
    pub(crate) at_default: BTreeMap<String, usize>,
    /// Fields that nothing reads.
    pub(crate) unread: BTreeMap<String, usize>,
    /// What has to change.
    pub(crate) refusals: Vec<Refusal>,
}

/// One thing that has to change.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    /// `port`, `config.minute`; none where it is the entity as a whole.
    pub(crate) field: Option<String>,
    /// Why, and what would be right.
    pub(crate) reason: String,
    /// In how many places.
    pub(crate) places: usize,
    /// The first of them.
    pub(crate) path: String,
    /// Its line, counted from 1, if it is known.
    pub(crate) line: Option<usize>,
}

/// Reads a file as `check` does, and sorts what became of it.
pub(crate) fn examine(file: &Path, engine: &Engine<'_>) -> Compatibility {
    let trace = Trace::default();
    let mut decoded = Vec::new();
    let prepared = prepare_traced(file, engine, &trace, |model| decoded = fields_of_plugins(model, engine));
    let (mistakes, warnings) = match prepared {
        Ok(prepared) => (prepared.quarantined, prepared.warnings),
        Err(errors) => (errors.mistakes, errors.warnings),
    };
    let mut tally = Tally::new(trace.into_found());
    for (path, field, how) in decoded {
        tally.field(&path, field, how);
    }
    mistakes.iter().for_each(|mistake| tally.refuse(mistake));
    report(file, tally, &mistakes, warnings.len())
}

fn report(file: &Path, tally: Tally, mistakes: &[Mistake], warnings: usize) -> Compatibility {
    let kinds = tally.into_kinds();
    let to_change = kinds.values().map(|kind| kind.refusals.len()).sum();
    let (file, runs) = (file.display().to_string(), mistakes.is_empty());
    Compatibility { file, runs, to_change, places: mistakes.len(), warnings, kinds }
}

/// The fields that plugins decode, with what their registration says of them: where, which, and what becomes of it.
fn fields_of_plugins(model: &Model, engine: &Engine<'_>) -> Vec<(String, String, How)> {
    let how = |at_default: &[(&str, &str)], name: &str| match at_default.iter().any(|(field, _)| *field == name) {
        true => How::AtDefault,
        false => How::Runs,
    };
    let mut fields = Vec::new();
    for plugin in &model.plugins {
        let Some(registration) = engine.registry.get(&plugin.name) else { continue };
        let path = plugin.at.to_string();
        let named = names(&plugin.config).into_iter();
        fields.extend(named.map(|name| (path.clone(), format!("config.{name}"), how(registration.at_default, &name))));
    }
    let kinds: Vec<_> = engine.registry.iter().flat_map(|plugin| plugin.credentials).collect();
    for credential in &model.credentials {
        let Some(kind) = kinds.iter().find(|kind| kind.collection == credential.collection) else { continue };
        let path = credential.at.to_string();
        let named = names(&credential.fields).into_iter();
        fields.extend(named.map(|name| {
            let how = how(kind.at_default, &name);
            (path.clone(), name, how)
        }));
    }
    fields
}

#[cfg(test)]
mod tests;
