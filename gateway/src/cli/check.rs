//! `signet check`: every mistake of a file, or what of it runs here, without listening.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};
use signet_plugin_api::Registry;

use super::{fail, report, say, settings};
use crate::{
    compatibility,
    compile::Engine,
    config::Mistake,
    prepare::{Prepared, prepare},
};

/// What `signet check` is told.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Process settings, YAML; SIGNET_<KEY> variables beat them. Which keys can sign depends on `signing_backend`
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
    /// In which form to tell it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Tell of each kind of entity which fields run, which are ignored at their default, and which are refused and why
    #[arg(long)]
    report: bool,
    /// Kong declarative files, YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The form of what is told.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
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
    match all(arguments, &engine, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => fail(1, format_args!("cannot write: {error}")),
    }
}

/// Whether all files are good.
fn all(arguments: &Arguments, engine: &Engine<'_>, out: &mut impl Write) -> io::Result<bool> {
    let (mut good, mut documents) = (true, Vec::new());
    for file in &arguments.files {
        good &= match (arguments.report, arguments.format) {
            (false, Format::Text) => check(file, engine, out)?,
            (true, Format::Text) => {
                let report = compatibility::examine(file, engine);
                writeln!(out, "{}:\n{report}", file.display())?;
                report.runs
            }
            (false, Format::Json) => {
                let (fine, document) = checked(file, engine);
                documents.push(document);
                fine
            }
            (true, Format::Json) => {
                let report = compatibility::examine(file, engine);
                documents.push(serde_json::to_value(&report)?);
                report.runs
            }
        };
    }
    if arguments.format == Format::Json {
        writeln!(out, "{:#}", json!({"files": documents}))?;
    }
    Ok(good)
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

/// The same as a JSON object; what is not there is null.
fn checked(file: &Path, engine: &Engine<'_>) -> (bool, Value) {
    let (mistakes, warnings, served) = match prepare(file, engine) {
        Ok(Prepared { snapshot, warnings, .. }) => (Vec::new(), warnings, Some((snapshot.counts, snapshot.hash))),
        Err(errors) => (errors.mistakes, errors.warnings, None),
    };
    let good = served.is_some();
    let (counts, hash) = served.unzip();
    let document = json!({
        "file": file.display().to_string(),
        "fine": good,
        "mistakes": mistakes.iter().map(told).collect::<Vec<_>>(),
        "warnings": warnings.iter().map(told).collect::<Vec<_>>(),
        "counts": counts.map(|counts| json!({
            "services": counts.services,
            "routes": counts.routes,
            "plugins": counts.plugins,
            "consumers": counts.consumers,
        })),
        "hash": hash,
    });
    (good, document)
}

fn told(Mistake { path, line, reason }: &Mistake) -> Value {
    json!({"line": line, "path": path, "reason": reason})
}
