//! `signet keys`: keys, public sets and the key sets of a file, without a gateway.

mod files;
mod generate;
mod list;
mod pem;
mod public_set;
mod rotate;
mod sets;

use std::process::ExitCode;

use clap::Subcommand;
use signet_keys::Algorithm;
use signet_plugin_api::Registry;

use self::files::Trouble;
use super::fail;

/// What `signet keys` does.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a private key, or a shared secret
    Generate(generate::Arguments),
    /// Print the public set (JWKS) of keys, as verifiers fetch it
    Jwks(public_set::Arguments),
    /// Turn a JWK into PEM, and PEM into a JWK
    Pem(pem::Arguments),
    /// Let the next key of a key set sign as soon as verifiers can know it
    Rotate(rotate::Arguments),
    /// Print which key of each key set signs, which are published, and until when
    List(list::Arguments),
}

/// Exit code 1 when a file cannot be read or written, 2 when a key cannot be used.
pub(super) fn run(registry: &Registry, command: Command) -> ExitCode {
    let done = match command {
        Command::Generate(arguments) => generate::run(arguments),
        Command::Jwks(arguments) => public_set::run(&arguments),
        Command::Pem(arguments) => pem::run(&arguments),
        Command::Rotate(arguments) => rotate::run(registry, &arguments),
        Command::List(arguments) => list::run(registry, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::File(reason)) => fail(1, format_args!("{reason}")),
        Err(Trouble::Key(reason)) => fail(2, format_args!("{reason}")),
        Err(Trouble::Told(code)) => code,
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::parse(name).filter(|algorithm| algorithm.can_sign()).ok_or_else(|| {
        "expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384 or HS512".to_owned()
    })
}
