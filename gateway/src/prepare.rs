//! A file to a snapshot: load, compile, and all mistakes of both in one list with lines.

use std::path::Path;

use crate::{
    compile::{self, Compiled, Engine, Problem},
    config::{self, Known, LoadErrors, Loaded, Mistake, Places},
    runtime::Snapshot,
};

/// A configuration that can be served.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Ready to be published.
    pub snapshot: Snapshot,
    /// Legal but unwise, in the order of the file.
    pub warnings: Vec<Mistake>,
}

/// Loads and compiles a file. Nothing is started, nothing is published.
///
/// # Errors
/// Every mistake of the file.
pub(crate) fn prepare(path: &Path, engine: &Engine<'_>) -> Result<Prepared, LoadErrors> {
    settle(config::load(path, &Known::of(engine.registry), &config::process_env), engine)
}

/// Compiles what was loaded.
///
/// # Errors
/// Every mistake of both.
pub(crate) fn settle(loaded: Result<Loaded, LoadErrors>, engine: &Engine<'_>) -> Result<Prepared, LoadErrors> {
    match loaded {
        Ok(loaded) => finish(loaded, engine),
        Err(mut errors) => {
            // What could be read is compiled all the same, so that one run shows every mistake.
            if let Some(partial) = errors.partial.take()
                && let Err(more) = finish(*partial, engine)
            {
                errors.add(more.mistakes);
            }
            Err(errors)
        }
    }
}

fn finish(loaded: Loaded, engine: &Engine<'_>) -> Result<Prepared, LoadErrors> {
    let Loaded { model, mut warnings, places, hash, .. } = loaded;
    match compile::compile(model, engine) {
        Ok(Compiled { mut snapshot, warnings: more }) => {
            snapshot.hash = hash;
            warnings.extend(more.into_iter().map(|problem| locate(&problem, &places)));
            warnings.sort_by_key(|warning| warning.line);
            Ok(Prepared { snapshot, warnings })
        }
        Err(problems) => {
            let mut errors = LoadErrors { mistakes: Vec::new(), warnings, partial: None };
            errors.add(problems.iter().map(|problem| locate(problem, &places)));
            Err(errors)
        }
    }
}

fn locate(problem: &Problem, places: &Places) -> Mistake {
    let path = problem.at.field(&problem.field);
    Mistake { line: places.line(&path), path, reason: problem.reason.clone() }
}
