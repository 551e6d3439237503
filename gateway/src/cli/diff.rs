//! `signet diff`: what changes between two files.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;
use signet_plugin_api::Registry;

use super::{
    explain::Format,
    fail,
    file::{Read, runtime},
    settings,
};
use crate::{
    diff::{Change, Comparison, Recorded, Replayed, replay},
    explain::Explainer,
    proxy::Policy,
    report::say,
};

/// What `signet diff` is told.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The file that serves
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The file that is to serve
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// An access log in JSON: list the requests in it whose route, plugins, claims, upstream or answer change
    #[arg(long, value_name = "LOG")]
    replay: Option<PathBuf>,
    /// Process settings, YAML; SIGNET_<KEY> variables beat them
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
    /// End with 1 when there is a difference, as `git diff --exit-code` does
    #[arg(long)]
    exit_code: bool,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What differs.
#[derive(Serialize)]
struct Differences {
    changes: Vec<Change>,
    /// Null without `--replay`.
    requests: Option<Vec<Replayed>>,
    /// How many requests were compared.
    #[serde(skip)]
    compared: u64,
}

/// Compares two files. Exit code 2 when one of them has a mistake.
pub(super) fn run(registry: &Registry, arguments: &Arguments) -> ExitCode {
    let differences = match compare(registry, arguments) {
        Ok(differences) => differences,
        Err(code) => return code,
    };
    if let Err(error) = print(&differences, arguments.format) {
        return fail(1, format_args!("cannot write: {error}"));
    }
    let differs = !differences.changes.is_empty() || differences.requests.is_some_and(|all| !all.is_empty());
    ExitCode::from(u8::from(arguments.exit_code && differs))
}

fn compare(registry: &Registry, arguments: &Arguments) -> Result<Differences, ExitCode> {
    let settings = settings(arguments.settings.as_deref())?;
    let before = Read::file(&arguments.before, registry, &settings)?;
    let after = Read::file(&arguments.after, registry, &settings)?;
    let replayed = match &arguments.replay {
        Some(log) => {
            let policy = Policy::of(&settings);
            Some(replayed(log, &before.explainer(&policy, registry), &after.explainer(&policy, registry))?)
        }
        None => None,
    };
    let (compared, requests) = replayed.map(|all| (all.compared, all.changed)).unzip();
    let changes = before.sketch().changes_to(after.sketch());
    Ok(Differences { changes, requests, compared: compared.unwrap_or_default() })
}

/// A log of which nothing can be compared is a mistake: that nothing changes would be heard as good news.
fn replayed(log: &Path, before: &Explainer<'_>, after: &Explainer<'_>) -> Result<Comparison, ExitCode> {
    let name = log.display();
    let wrong = |error: io::Error| fail(1, format_args!("{name}: {error}"));
    let (requests, others) = File::open(log).and_then(|file| Recorded::read(BufReader::new(file))).map_err(wrong)?;
    let comparison = runtime()?.block_on(replay(requests, before, after));
    let passed_over = others + comparison.unusable;
    match (comparison.compared, passed_over) {
        (_, 0) => {}
        (0, _) => {
            return Err(fail(2, format_args!("{name}: no line is a request in JSON, as `log_format: json` writes it")));
        }
        (_, lines) => say(format_args!("{name}: lines that are no requests in JSON, and passed over: {lines}")),
    }
    Ok(comparison)
}

fn print(differences: &Differences, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if format == Format::Json {
        serde_json::to_writer_pretty(&mut out, differences)?;
        return writeln!(out);
    }
    if differences.changes.is_empty() {
        writeln!(out, "no difference in effect")?;
    }
    differences.changes.iter().try_for_each(|change| writeln!(out, "{change}"))?;
    let Some(requests) = &differences.requests else { return Ok(()) };
    let changed: u64 = requests.iter().map(|request| request.count).sum();
    writeln!(out, "\n{changed} of {} recorded requests change", differences.compared)?;
    for Replayed { request, count, changes } in requests {
        let who = request.consumer.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
        writeln!(out, "{count:>6} x {} {}://{}{}{who}", request.method, request.scheme, request.host, request.path)?;
        for (what, difference) in changes {
            writeln!(out, "         {what}: {} -> {}", difference.before, difference.after)?;
        }
    }
    Ok(())
}
