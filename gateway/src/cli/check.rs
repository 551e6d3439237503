//! `signet check`: every mistake of a file, without listening.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use signet_plugin_api::Registry;

use super::{fail, report, say};
use crate::{compile::Engine, prepare::prepare};

/// Checks files one by one. Exit code 2 when one of them has a mistake.
pub(super) fn run(registry: &Registry, files: &[PathBuf]) -> ExitCode {
    let engine = match Engine::at_rest(registry) {
        Ok(engine) => engine,
        Err(error) => return fail(1, format_args!("{error}")),
    };
    let mut out = io::stdout().lock();
    let mut good = true;
    for file in files {
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
