//! `signet keys list`: which key of a set signs, which are published, and until when.

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use clap::ValueEnum;
use serde_json::{Value, json};
use signet_keys::{Reading, keys_at};
use signet_plugin_api::{KeySets, KeyState, KeyStatus, Registry, SigningBackend};

use super::{
    files::Trouble,
    sets::{Selection, Watched, label, time},
};
use crate::{
    cli::{report, say},
    compile::{Engine, Problem},
    config::{KeySetDecl, Loaded},
    keys::{self, Opened, now},
    prepare::locate,
};

/// What `signet keys list` is told.
#[derive(clap::Args)]
#[command(after_help = "Every gateway derives the same from the same files and its clock. Nothing private is shown.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// How it is printed; times are UTC, in JSON seconds since 1970
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A set at this moment.
struct Listed<'a> {
    set: &'a KeySetDecl,
    directory: Option<PathBuf>,
    keys: Vec<KeyStatus>,
}

/// Prints the sets. Keys that cannot be used are told, and make exit code 2.
pub(super) fn run(registry: &Registry, arguments: &Arguments) -> Result<(), Trouble> {
    let Arguments { selection, format } = arguments;
    let mut loaded = selection.load(registry)?;
    let mut unusable = 0;
    let in_file = opened(selection, registry, &mut loaded, &mut unusable)?;
    let now = now();
    let mut listed = Vec::new();
    for set in selection.of(&loaded.model.key_sets)? {
        if let Some(watched) = selection.watched(set)? {
            let keys = states(&watched, now, &mut unusable)?;
            let directory = Some(watched.directory.path().to_owned());
            listed.push(Listed { set, directory, keys });
        } else if let Some(keys) = in_file.get(&set.id).map(|set| set.keys()).filter(|keys| !keys.states.is_empty()) {
            listed.push(Listed { set, directory: None, keys: keys.states.clone() });
        }
    }
    for Listed { set, keys, .. } in &listed {
        if !keys.iter().any(|key| key.state == KeyState::Active) {
            say(format_args!("signet: warning: {}: no key signs now", label(set)));
        }
    }
    print(&listed, *format, now).map_err(|error| Trouble::File(format!("cannot write: {error}")))?;
    if unusable == 0 { Ok(()) } else { Err(Trouble::Key("not all keys can be used".to_owned())) }
}

/// The sets whose keys stand in the file, as a gateway has them.
fn opened(
    selection: &Selection,
    registry: &Registry,
    loaded: &mut Loaded,
    unusable: &mut usize,
) -> Result<Arc<KeySets>, Trouble> {
    let engine = Engine::at_rest(registry).map_err(|error| Trouble::File(error.to_string()))?;
    // It takes every key; what the gateways sign with is theirs.
    let engine = Engine { signing_backend: SigningBackend::Openssl, ..engine };
    let Opened { sets, problems, .. } = keys::open(&mut loaded.model, selection.base(), &engine);
    let (mistakes, warnings) = problems.into_parts();
    // Directories are looked at here, file by file.
    let elsewhere = |problem: &&Problem| problem.field != "directory";
    for warning in warnings.iter().filter(elsewhere) {
        say(report::warning(selection.file(), &locate(warning, &loaded.places)));
    }
    for mistake in mistakes.iter().filter(elsewhere) {
        *unusable += 1;
        say(report::mistake(selection.file(), &locate(mistake, &loaded.places)));
    }
    Ok(sets)
}

/// The keys of a directory. Before the gateway makes the first one, there may be no directory.
fn states(watched: &Watched, now: u64, unusable: &mut usize) -> Result<Vec<KeyStatus>, Trouble> {
    let Watched { plan, directory } = watched;
    if plan.schedule.is_some() && !directory.path().exists() {
        return Ok(Vec::new());
    }
    let Reading { keys, mistakes, warnings, .. } =
        directory.read().map_err(|error| Trouble::File(error.to_string()))?;
    *unusable += mistakes.len();
    mistakes.iter().for_each(|mistake| say(format_args!("signet: {mistake}")));
    warnings.iter().for_each(|warning| say(format_args!("signet: warning: {warning}")));
    Ok(keys_at(&keys, plan.retire_after, now).keys.states)
}

fn print(listed: &[Listed<'_>], format: Format, now: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            let sets: Vec<Value> = listed.iter().map(|set| set.json(now)).collect();
            writeln!(out, "{:#}", json!({ "key_sets": sets }))
        }
        Format::Text => listed.iter().try_for_each(|set| writeln!(out, "{set}")),
    }
}

impl Listed<'_> {
    fn next_change(&self, now: u64) -> Option<u64> {
        let times = self.keys.iter().flat_map(|key| [key.signs_from, key.signs_until, key.published_until]);
        times.flatten().filter(|time| *time > now).min()
    }

    fn json(&self, now: u64) -> Value {
        let key = |key: &KeyStatus| {
            json!({
                "kid": &*key.kid,
                "alg": key.alg,
                "state": key.state.as_str(),
                "signs_from": key.signs_from,
                "signs_until": key.signs_until,
                "published_until": key.published_until,
            })
        };
        json!({
            "id": &*self.set.id,
            "name": self.set.name.as_deref(),
            "directory": self.directory.as_ref().map(|path| path.display().to_string()),
            "next_change": self.next_change(now),
            "keys": self.keys.iter().map(key).collect::<Vec<_>>(),
        })
    }
}

/// A line for the set, one for the columns, and one for each key.
impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(label(self.set))?;
        if let Some(directory) = &self.directory {
            write!(f, " ({})", directory.display())?;
        }
        let moment = |at: Option<u64>| at.map_or_else(|| "-".to_owned(), time);
        let width = self.keys.iter().map(|key| key.kid.chars().count()).max().unwrap_or(0).max(3);
        write!(f, "\n  {:width$}  ALG    STATE     {:20}  {:20}  PUBLISHED UNTIL", "KID", "SIGNS FROM", "SIGNS UNTIL")?;
        for KeyStatus { kid, alg, state, signs_from, signs_until, published_until } in &self.keys {
            let [from, until, published] = [*signs_from, *signs_until, *published_until].map(moment);
            write!(f, "\n  {kid:width$}  {alg:5}  {:8}  {from:20}  {until:20}  {published}", state.as_str())?;
        }
        Ok(())
    }
}
