//! What a declarative file may hold, for editors and for those who ask the admin listener.

mod file;
mod kong;
mod relaxed;
mod shown;

pub(crate) use file::file;
pub(crate) use kong::{entity_fields, plugin_fields};
pub(crate) use shown::{HIDDEN, shown_raw};

use serde_json::{Map, Value};

/// The schema of each kind of entity by its singular, and of the file; of the same form as
/// [`signet_plugin_api::Registration::schema`]. Tests compare it with what the loader does.
pub(crate) const ENTITIES: &str = include_str!("entities.json");

/// All of [`ENTITIES`].
fn entities() -> Map<String, Value> {
    serde_json::from_str(ENTITIES).unwrap_or_default()
}

#[cfg(test)]
mod tests;
