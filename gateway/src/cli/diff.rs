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
    diff::{Change, Recorded, Replayed, replay},
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
    let policy = Policy::of(&settings);
    let requests = match &arguments.replay {
        Some(log) => {
            let (old, new) = (before.explainer(&policy, registry), after.explainer(&policy, registry));
            let replayed = replay(requests(log)?, &old, &new);
            Some(runtime()?.block_on(replayed).map_err(|error| fail(2, format_args!("{error}")))?)
        }
        None => None,
    };
    Ok(Differences { changes: before.sketch().changes_to(after.sketch()), requests })
}

fn requests(log: &Path) -> Result<std::collections::BTreeMap<Recorded, u64>, ExitCode> {
    let wrong = |error: io::Error| fail(1, format_args!("{}: {error}", log.display()));
    let file = File::open(log).map_err(wrong)?;
    let (requests, others) = Recorded::read(BufReader::new(file)).map_err(wrong)?;
    if others > 0 {
        say(format_args!("{}: {others} lines are no requests in JSON", log.display()));
    }
    Ok(requests)
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
    writeln!(out, "\n{} of the recorded requests change", requests.len())?;
    for Replayed { request, count, changes } in requests {
        let who = request.consumer.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
        writeln!(out, "{count:>6} x {} {}://{}{}{who}", request.method, request.scheme, request.host, request.path)?;
        for (what, difference) in changes {
            writeln!(out, "         {what}: {} -> {}", difference.before, difference.after)?;
        }
    }
    Ok(())
}
