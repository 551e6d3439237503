//! `signet upgrade`: asks the running gateway to hand over to a new process, and waits until that one serves.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use super::{fail, say, settings};
use crate::server::{READY, UPGRADE};

/// How much longer than the new process may take the answer may.
const GRACE: Duration = Duration::from_secs(10);

/// What `signet upgrade` is told.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The process settings of the running gateway, which name its `control_socket`
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
}

/// Asks and waits.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let settings = match settings(arguments.settings.as_deref()) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let Some(path) = settings.control_socket.as_deref() else {
        return fail(
            2,
            format_args!("the setting control_socket names none; send USR2 to the process, or set it and start anew"),
        );
    };
    match ask(path, settings.upgrade_timeout + GRACE) {
        Ok(answer) => match answer.trim_end().strip_prefix(READY) {
            Some(process) => {
                say(format_args!("upgraded: process {process} serves, the one before it drains"));
                ExitCode::SUCCESS
            }
            None if answer.is_empty() => fail(1, format_args!("the gateway ended before it answered")),
            None => fail(1, format_args!("{}", answer.trim_end())),
        },
        Err(error) => fail(1, format_args!("control_socket: {}: {error}", path.display())),
    }
}

fn ask(path: &Path, patience: Duration) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    writeln!(stream, "{UPGRADE}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
