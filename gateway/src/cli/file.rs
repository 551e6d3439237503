//! A file, read and compiled to be looked at and not to serve.

use std::{path::Path, process::ExitCode, sync::Arc};

use signet_plugin_api::Registry;

use super::{fail, report, say};
use crate::{
    compile::Engine,
    config::{self, Known},
    diff::Sketch,
    explain::{Blueprint, Explainer},
    prepare::settle,
    proxy::Policy,
    runtime::Snapshot,
    settings::Settings,
};

/// What a file comes to, and what it says.
pub(super) struct Read {
    /// As it would serve.
    pub snapshot: Arc<Snapshot>,
    /// As it is written.
    pub blueprint: Blueprint,
    sketch: Sketch,
}

impl Read {
    /// Reads one; its mistakes are told, and are the end.
    pub(super) fn file(path: &Path, registry: &Registry, settings: &Settings) -> Result<Self, ExitCode> {
        let engine = Engine::at_rest(registry).map_err(|error| fail(1, format_args!("{error}")))?;
        let (signing_backend, invalid_entities) = (settings.signing_backend, settings.invalid_entities);
        let engine = Engine { signing_backend, invalid_entities, ..engine };
        let loaded = config::load(path, &Known::of(registry), &config::process_env);
        let readable = match &loaded {
            Ok(loaded) => Some(loaded),
            Err(errors) => errors.partial.as_deref(),
        };
        let blueprint = readable.map(|loaded| Blueprint::of(loaded, registry)).unwrap_or_default();
        let sketch = readable.map(Sketch::of).unwrap_or_default();
        match settle(loaded, &engine) {
            Ok(prepared) => {
                prepared.quarantined.iter().for_each(|mistake| say(report::quarantined(path, mistake)));
                let sketch = sketch.with_routes(&prepared.snapshot, &blueprint);
                Ok(Self { snapshot: Arc::new(prepared.snapshot), blueprint, sketch })
            }
            Err(errors) => {
                errors.mistakes.iter().for_each(|mistake| say(report::mistake(path, mistake)));
                Err(fail(2, format_args!("{} cannot be used", path.display())))
            }
        }
    }

    /// What explains requests to it.
    pub(super) fn explainer<'a>(&'a self, policy: &'a Policy, registry: &'a Registry) -> Explainer<'a> {
        Explainer { snapshot: &self.snapshot, blueprint: &self.blueprint, policy, registry }
    }

    /// What it does, to be compared.
    pub(super) fn sketch(&self) -> &Sketch {
        &self.sketch
    }
}

/// What rehearsals run on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| fail(1, format_args!("cannot start: {error}")))
}
