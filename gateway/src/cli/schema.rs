//! `signet schema`: the JSON Schema of a declarative file, for editors.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use signet_plugin_api::Registry;

use super::fail;
use crate::schema;

/// Prints the schema, with every plugin of this program.
pub(super) fn run(registry: &Registry) -> ExitCode {
    match writeln!(io::stdout(), "{:#}", schema::file(registry)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format_args!("cannot write: {error}")),
    }
}
