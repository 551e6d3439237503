//! The command line.

mod check;
mod echo;
mod logging;
mod report;
mod run;

use std::{fmt, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use signet_plugin_api::Registry;

/// A programmable API gateway: runs Kong's declarative files on Pingora and signs who called.
#[derive(Parser)]
#[command(name = "signet", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration
    Run(run::Arguments),
    /// Load and compile files as `run` would, and print every mistake
    Check {
        /// Kong declarative files, YAML or JSON
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Serve an upstream that answers with what it received
    Echo {
        /// The address to listen on; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS:PORT")]
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
        Command::Echo { listen } => echo::run(listen),
    }
}

fn fail(code: u8, message: fmt::Arguments<'_>) -> ExitCode {
    eprintln!("signet: {message}");
    ExitCode::from(code)
}
