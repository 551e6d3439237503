//! A file to a snapshot: load, compile, and all mistakes of both in one list with lines.

use std::path::Path;

use crate::{
    compile::{self, Engine, Problem},
    config::{self, Known, LoadErrors, Loaded, Mistake, Model, Places, Trace},
    keys,
    quarantine::{Quarantined, Territory},
    runtime::Snapshot,
    settings::InvalidEntities,
};

/// A configuration that can be served.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Ready to be published.
    pub snapshot: Snapshot,
    /// Legal but unwise, in the order of the file.
    pub warnings: Vec<Mistake>,
    /// Why some routes are out of service (`invalid_entities: quarantine`), in the order of the file.
    pub quarantined: Vec<Mistake>,
}

/// Loads and compiles a file. Nothing is started, nothing is published.
///
/// # Errors
/// Every mistake of the file.
pub(crate) fn prepare(path: &Path, engine: &Engine<'_>) -> Result<Prepared, LoadErrors> {
    settle(config::load(path, &Known::of(engine.registry), &config::process_env), engine)
}

/// The same; what became of each field is kept in `trace`, and what could be read is shown to `look` before it is compiled.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn prepare_traced(
    path: &Path,
    engine: &Engine<'_>,
    trace: &Trace,
    look: impl FnOnce(&Model),
) -> Result<Prepared, LoadErrors> {
    let loaded = config::load_traced(path, &Known::of(engine.registry), &config::process_env, trace);
    match &loaded {
        Ok(loaded) => look(&loaded.model),
        Err(errors) => {
            if let Some(partial) = &errors.partial {
                look(&partial.model);
            }
        }
    }
    settle(loaded, engine)
}

/// Compiles what was loaded. What could be read of a file with mistakes is compiled all the same, so that one run shows
/// every mistake.
///
/// # Errors
/// Every mistake of both, unless they concern single routes and the settings say to quarantine these.
pub(crate) fn settle(loaded: Result<Loaded, LoadErrors>, engine: &Engine<'_>) -> Result<Prepared, LoadErrors> {
    let (loaded, mistakes) = match loaded {
        Ok(loaded) => (loaded, Vec::new()),
        Err(mut errors) => match errors.partial.take() {
            Some(partial) => (*partial, errors.mistakes),
            None => return Err(errors),
        },
    };
    let Loaded { mut model, mut warnings, places, base, hash, .. } = loaded;
    let territory = (engine.invalid_entities == InvalidEntities::Quarantine).then(|| {
        let territory = Territory::of(&model);
        Territory::leave_out(&mut model, &mistakes);
        territory
    });
    let key_sets = keys::open(&mut model, &base, engine);
    let compiled = compile::compile(model, key_sets, engine);
    warnings.extend(compiled.warnings.iter().map(|problem| locate(problem, &places)));
    warnings.sort_by_key(|warning| warning.line);
    let mut errors = LoadErrors { mistakes, warnings, partial: None };
    errors.add(compiled.mistakes.iter().map(|problem| locate(problem, &places)));
    let concerned = match (&territory, errors.mistakes.is_empty()) {
        (_, true) => Some(Quarantined::new()),
        (Some(territory), false) => territory.routes(&errors.mistakes),
        (None, false) => None,
    };
    let (Some(mut snapshot), Some(concerned)) = (compiled.snapshot, concerned) else { return Err(errors) };
    snapshot.quarantine(&concerned);
    snapshot.hash = hash;
    Ok(Prepared { snapshot, warnings: errors.warnings, quarantined: errors.mistakes })
}

/// A problem with its line.
pub(crate) fn locate(problem: &Problem, places: &Places) -> Mistake {
    let path = problem.at.field(&problem.field);
    Mistake { line: places.line(&path), path, reason: problem.reason.clone() }
}
