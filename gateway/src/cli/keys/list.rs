//! `signet keys list`: which key of a set signs, which are published, and until when.

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
};

use clap::ValueEnum;
use serde_json::{Value, json};
use signet_keys::keys_at;
use signet_plugin_api::{KeyStatus, Registry};

use super::{
    files::Trouble,
    rotate::now,
    sets::{Selection, directory, label, time},
};
use crate::{cli::say, config::KeySetDecl};

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
    next_change: Option<u64>,
}

/// Prints the sets. Keys that cannot be used are told, and make exit code 2.
pub(super) fn run(registry: &Registry, arguments: &Arguments) -> Result<(), Trouble> {
    let loaded = arguments.selection.load(registry)?;
    let now = now();
    let mut unusable = 0;
    let mut listed = Vec::new();
    for set in arguments.selection.of(&loaded.model.key_sets)? {
        let path = set.directory.as_deref().map(|path| arguments.selection.beside(path));
        let Some(path) = path else { continue };
        let reading = directory(set, path.clone()).read().map_err(|error| Trouble::File(error.to_string()))?;
        reading.mistakes.iter().for_each(|mistake| say(format_args!("signet: {mistake}")));
        reading.warnings.iter().for_each(|warning| say(format_args!("signet: warning: {warning}")));
        unusable += reading.mistakes.len();
        let at = keys_at(&reading.keys, set.retire_after, now);
        if at.keys.active.is_none() {
            say(format_args!("signet: warning: {}: no key signs now", label(set)));
        }
        listed.push(Listed { set, directory: Some(path), keys: at.keys.states, next_change: at.next_change });
    }
    let printed = match arguments.format {
        Format::Json => {
            writeln!(io::stdout(), "{:#}", json!({ "key_sets": listed.iter().map(Listed::json).collect::<Vec<_>>() }))
        }
        Format::Text => listed.iter().try_for_each(|set| writeln!(io::stdout(), "{set}")),
    };
    printed.map_err(|error| Trouble::File(format!("cannot write: {error}")))?;
    if unusable == 0 { Ok(()) } else { Err(Trouble::Key(format!("{unusable} of the files cannot be used"))) }
}

impl Listed<'_> {
    fn json(&self) -> Value {
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
            "next_change": self.next_change,
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
