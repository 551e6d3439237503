//! `signet keys list`: which key of a set signs, which are published, and until when.

use std::{
    fmt,
    io::{self, Write},
    ptr,
};

use clap::ValueEnum;
use serde_json::{Value, json};
use signet_plugin_api::{KeyState, KeyStatus, Registry};

use super::{files::Trouble, sets::Selection};
use crate::{
    cli::{report, say},
    compile::{Engine, Problems},
    config::{KeySetDecl, Places},
    keys::{self, Seen},
    moment::{now, written},
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
    seen: &'a Seen,
}

/// Prints the sets. Mistakes of key sets and keys are told, and make exit code 2.
pub(super) fn run(registry: &Registry, arguments: &Arguments) -> Result<(), Trouble> {
    let Arguments { selection, format } = arguments;
    let signing_backend = selection.backend()?;
    let mut loaded = selection.load(registry)?;
    let engine = Engine::at_rest(registry).map_err(|error| Trouble::File(error.to_string()))?;
    let engine = Engine { signing_backend, ..engine };
    let (seen, problems) = keys::look(&mut loaded.model, selection.base(), &engine);
    let sets = &loaded.model.key_sets;
    let meant = selection.of(sets)?;
    let listed: Vec<Listed<'_>> = sets
        .iter()
        .zip(&seen)
        .filter(|(set, _)| meant.iter().any(|meant| ptr::eq(*meant, *set)))
        .filter_map(|(set, seen)| Some(Listed { set, seen: seen.as_ref()? }))
        .collect();
    let sound = tell(selection, problems, &loaded.places);
    for Seen { plan, keys } in listed.iter().map(|set| set.seen) {
        if !keys.iter().any(|key| key.state == KeyState::Active) {
            say(format_args!("signet: warning: {}: no key signs now", plan.name));
        }
    }
    print(&listed, *format, now()).map_err(|error| Trouble::File(format!("cannot write: {error}")))?;
    if sound { Ok(()) } else { Err(Trouble::Key("no gateway would start with these key sets".to_owned())) }
}

/// Tells what is wrong; whether nothing is.
fn tell(selection: &Selection, problems: Problems, places: &Places) -> bool {
    let (mistakes, warnings) = problems.into_parts();
    for warning in &warnings {
        say(report::warning(selection.file(), &locate(warning, places)));
    }
    for mistake in &mistakes {
        say(report::mistake(selection.file(), &locate(mistake, places)));
    }
    mistakes.is_empty()
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
        let times = self.seen.keys.iter().flat_map(|key| [key.signs_from, key.signs_until, key.published_until]);
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
            "directory": self.seen.plan.directory.as_ref().map(|path| path.display().to_string()),
            "next_change": self.next_change(now),
            "keys": self.seen.keys.iter().map(key).collect::<Vec<_>>(),
        })
    }
}

/// A line for the set, one for the columns, and one for each key.
impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { plan, keys } = self.seen;
        f.write_str(&plan.name)?;
        if let Some(directory) = &plan.directory {
            write!(f, " ({})", directory.display())?;
        }
        let moment = |at: Option<u64>| at.map_or_else(|| "-".to_owned(), written);
        let width = keys.iter().map(|key| key.kid.chars().count()).max().unwrap_or(0).max(3);
        write!(f, "\n  {:width$}  ALG    STATE     {:20}  {:20}  PUBLISHED UNTIL", "KID", "SIGNS FROM", "SIGNS UNTIL")?;
        for KeyStatus { kid, alg, state, signs_from, signs_until, published_until } in keys {
            let [from, until, published] = [*signs_from, *signs_until, *published_until].map(moment);
            write!(f, "\n  {kid:width$}  {alg:5}  {:8}  {from:20}  {until:20}  {published}", state.as_str())?;
        }
        Ok(())
    }
}
