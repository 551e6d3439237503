//! The command line.

mod check;
mod diff;
mod echo;
mod explain;
mod file;
mod hash_password;
mod health;
mod keys;
mod run;
mod schema;
mod upgrade;

use std::{fmt, net::SocketAddr, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};
use signet_plugin_api::Registry;

use crate::{
    report::{self, say},
    server::NAMES,
    settings::{LoadedSettings, Settings},
};

/// A programmable API gateway: runs Kong's declarative files on Pingora and signs who called.
#[derive(Parser)]
#[command(
    name = "signet",
    version,
    after_help = "Exit codes: 0 fine, 1 trouble at run time (a port in use, a file that cannot be written), 2 a wrong configuration or usage."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until TERM, QUIT or INT
    Run(run::Arguments),
    /// Ask a running gateway whether it is ready to serve; exit code 0 or 1, for health checks of containers
    Health(health::Arguments),
    /// Let a new process, of a new binary or with new settings, take over from the running one without a lost connection
    Upgrade(upgrade::Arguments),
    /// Load and compile files as `run` would, and print every mistake with its path and line
    Check(check::Arguments),
    /// Print the JSON Schema of a file with all plugins of this program, for editors
    Schema,
    /// Say what changes between two files: in effect, not in text
    Diff(diff::Arguments),
    /// Say what becomes of a request, and why: route, plugins, upstream, claims; nothing is asked or signed
    Explain(Box<explain::Arguments>),
    /// Read a password from standard input and print its hash, to stand in the file in the password's place
    HashPassword(hash_password::Arguments),
    /// Make keys, turn them from one form into another, and see and rotate those of key sets
    #[command(subcommand)]
    Keys(keys::Command),
    /// Serve an upstream for tries: it answers any path with what it received, as JSON
    Echo {
        /// The address to listen on; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
        listen: SocketAddr,
    },
}

/// The whole program: parses the command line and does what it says, with these plugins.
///
/// Exit codes: 0 fine; 1 at run time (port, I/O); 2 configuration or usage.
pub fn run(registry: Registry) -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(registry, arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Upgrade(arguments) => upgrade::run(&arguments),
        Command::Check(arguments) => check::run(&registry, &arguments),
        Command::Schema => schema::run(&registry),
        Command::Diff(arguments) => diff::run(&registry, &arguments),
        Command::Explain(arguments) => explain::run(&registry, *arguments),
        Command::HashPassword(arguments) => hash_password::run(&arguments),
        Command::Keys(command) => keys::run(&registry, command),
        Command::Echo { listen } => echo::run(listen),
    }
}

/// The settings that `run` would start with. What is wrong or odd about them is told.
fn settings(file: Option<&Path>) -> Result<Settings, ExitCode> {
    match Settings::load(file, std::env::vars().filter(|(name, _)| name != NAMES)) {
        Ok(LoadedSettings { settings, warnings }) => {
            warnings.iter().for_each(|warning| say(format_args!("warning: {warning}")));
            Ok(settings)
        }
        Err(mistakes) => {
            mistakes.iter().for_each(say);
            Err(fail(2, format_args!("the settings cannot be used")))
        }
    }
}

fn fail(code: u8, message: fmt::Arguments<'_>) -> ExitCode {
    say(format_args!("signet: {message}"));
    ExitCode::from(code)
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, as in 127.0.0.1:9000 or [::1]:9000".to_owned())
}
