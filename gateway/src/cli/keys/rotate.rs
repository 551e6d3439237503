//! `signet keys rotate`: another key of a key set, sooner than its schedule says.

use std::{
    ffi::OsString,
    io::{self, Write},
};

use signet_keys::{Algorithm, Directory, Replacement, Rotation, keys_at, scan_every};
use signet_plugin_api::{KeyState, Registry};

use super::{
    files::Trouble,
    sets::{Selection, Watched},
};
use crate::{
    cli::say,
    keys::Plan,
    moment::{now, written},
};

/// What `signet keys rotate` is told.
#[derive(clap::Args)]
#[command(
    after_help = "The next key signs as soon as it has been published for `publish_before`; it is made if there is \
                        none. Gateways see it by themselves. The command changes the directory of the key set and \
                        needs no gateway; run it as the user of the gateway, or as root."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// For a key that leaked: a new key signs now, and all others are removed. Verifiers reject its tokens until they
    /// fetch the set again
    #[arg(long)]
    at_once: bool,
}

/// Rotates, and says from when which key signs.
pub(super) fn run(registry: &Registry, arguments: &Arguments) -> Result<(), Trouble> {
    let Arguments { selection, at_once } = arguments;
    let loaded = selection.load(registry)?;
    let Watched { plan, directory } = selection.one_with_directory(&loaded.model.key_sets, selection.backend()?)?;
    let now = now();
    let algorithm = algorithm(&plan, &directory, now)?;
    let told = if *at_once {
        let done = directory.replace_all(algorithm, now).map_err(trouble)?;
        say(format_args!(
            "signet: warning: verifiers reject the new tokens until they fetch the set again, and take those of the \
             removed keys until then; gateways notice within {} s",
            scan_every(plan.publish_before).as_secs_f32()
        ));
        replaced(&plan, &done)
    } else {
        rotated(&plan, &directory.rotate_now(plan.publish_before, algorithm, now).map_err(trouble)?, now)
    };
    writeln!(io::stdout(), "{told}").map_err(|error| Trouble::File(format!("cannot write: {error}")))
}

/// What the set says; where the keys are the operator's, that of the one that signs.
fn algorithm(plan: &Plan, directory: &Directory, now: u64) -> Result<Algorithm, Trouble> {
    if plan.schedule.is_some() || plan.algorithm.is_some() {
        return Ok(plan.generated());
    }
    // The directory of an operator is there: a slip in its path must make none.
    let keys = directory.read().map_err(trouble)?.keys;
    let states = keys_at(&keys, plan.retire_after, now).keys.states;
    let active = states.iter().find(|status| status.state == KeyState::Active);
    Ok(active.and_then(|status| Algorithm::parse(status.alg)).unwrap_or_else(|| plan.generated()))
}

fn rotated(plan: &Plan, rotation: &Rotation, now: u64) -> String {
    let Rotation { kid, signs_from, replaces, planned } = rotation;
    let set = &plan.name;
    let Some(replaces) = replaces else { return format!("{set}: {kid} signs now; no key did") };
    let (from, left) = (written(*signs_from), duration(signs_from.saturating_sub(now)));
    if *planned {
        return format!(
            "{set}: {kid} signs from {from} (in {left}), as planned: any sooner, verifiers might not know it"
        );
    }
    format!("{set}: {kid} signs from {from} (in {left}); {replaces} does until then")
}

fn replaced(plan: &Plan, done: &Replacement) -> String {
    let removed: Vec<String> = done.removed.iter().map(|name: &OsString| name.display().to_string()).collect();
    let removed = if removed.is_empty() { "nothing".to_owned() } else { removed.join(", ") };
    format!("{}: {} signs now, and is the only key; removed: {removed}", plan.name, done.kid)
}

fn trouble(error: signet_keys::FileError) -> Trouble {
    Trouble::File(error.to_string())
}

/// `h:mm:ss`
fn duration(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
