//! `signet check`: every mistake of a file, without listening.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use signet_plugin_api::Registry;

use super::{fail, report, say, settings};
use crate::{compile::Engine, prepare::prepare};

/// What `signet check` is told.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Process settings, YAML; SIGNET_<KEY> variables beat them. Which keys can sign depends on `signing_backend`
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
    /// Kong declarative files, YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks files one by one. Exit code 2 when one of them has a mistake, or the settings.
pub(super) fn run(registry: &Registry, arguments: &Arguments) -> ExitCode {
    let settings = match settings(arguments.settings.as_deref()) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let engine = match Engine::at_rest(registry) {
        Ok(engine) => Engine { signing_backend: settings.signing_backend, ..engine },
        Err(error) => return fail(1, format_args!("{error}")),
    };
    let mut out = io::stdout().lock();
    let mut good = true;
    for file in &arguments.files {
        match check(file, &engine, &mut out) {
            Ok(file_is_good) => good &= file_is_good,
            Err(error) => return fail(1, format_args!("cannot write: {error}")),
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn check(file: &Path, engine: &Engine<'_>, out: &mut impl Write) -> io::Result<bool> {
    let (warnings, result) = match prepare(file, engine) {
        Ok(prepared) => (prepared.warnings, Ok(prepared.snapshot.counts)),
        Err(errors) => (errors.warnings, Err(errors.mistakes)),
    };
    for warning in &warnings {
        say(report::warning(file, warning));
    }
    match result {
        Ok(counts) => {
            writeln!(out, "{}: fine: {counts}", file.display())?;
            Ok(true)
        }
        Err(mistakes) => {
            for mistake in &mistakes {
                writeln!(out, "{}", report::mistake(file, mistake))?;
            }
            let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
            writeln!(out, "{}: {} {noun}", file.display(), mistakes.len())?;
            Ok(false)
        }
    }
}
