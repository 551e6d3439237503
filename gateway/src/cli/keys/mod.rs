//! `signet keys`: keys and public sets without a gateway.

mod files;
mod generate;
mod jwks;
mod pem;

use std::process::ExitCode;

use clap::Subcommand;
use signet_keys::Algorithm;

use self::files::Trouble;
use super::fail;

/// What `signet keys` does.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a private key, or a shared secret
    Generate(generate::Arguments),
    /// Print the public set (JWKS) of keys, as verifiers fetch it
    Jwks(jwks::Arguments),
    /// Turn a JWK into PEM, and PEM into a JWK
    Pem(pem::Arguments),
}

/// Exit code 1 when a file cannot be read or written, 2 when a key cannot be used.
pub(super) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Generate(arguments) => generate::run(arguments),
        Command::Jwks(arguments) => jwks::run(&arguments),
        Command::Pem(arguments) => pem::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::File(reason)) => fail(1, format_args!("{reason}")),
        Err(Trouble::Key(reason)) => fail(2, format_args!("{reason}")),
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::parse(name).filter(|algorithm| *algorithm != Algorithm::Es512).ok_or_else(|| {
        "expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384 or HS512".to_owned()
    })
}
