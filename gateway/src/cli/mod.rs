//! The command line.

mod check;
mod echo;
mod hash_password;
mod load;
mod logging;
mod report;
mod run;

use std::{
    fmt,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use signet_plugin_api::Registry;

/// A programmable API gateway: runs Kong's declarative files on Pingora and signs who called.
#[derive(Parser)]
#[command(
    name = "signet",
    version,
    after_help = "Exit codes: 0 fine, 1 trouble at run time (a port, a file), 2 a wrong configuration or usage."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until TERM, QUIT or INT
    Run(run::Arguments),
    /// Load and compile files as `run` would, and print every mistake with its path and line
    Check {
        /// Kong declarative files, YAML or JSON
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Read a password from standard input and print its hash, to stand in the file in the password's place
    HashPassword(hash_password::Arguments),
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
        Command::Run(arguments) => run::run(&registry, arguments),
        Command::Check { files } => check::run(&registry, &files),
        Command::HashPassword(arguments) => hash_password::run(&arguments),
        Command::Echo { listen } => echo::run(listen),
    }
}

fn fail(code: u8, message: fmt::Arguments<'_>) -> ExitCode {
    say(format_args!("signet: {message}"));
    ExitCode::from(code)
}

/// One line on standard error. A full disk behind it is no reason to end, as `eprintln!` would.
fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, as in 127.0.0.1:9000 or [::1]:9000".to_owned())
}
