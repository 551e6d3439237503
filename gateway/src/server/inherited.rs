//! What a process is born with: the sockets of the one that it takes over from, or those that systemd opened.

use std::{
    env,
    io::Write,
    net::{SocketAddr, TcpListener},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

use listenfd::ListenFd;
use nix::libc::{AF_UNIX, SOCK_STREAM};
use tracing::{info, warn};

/// What the sockets are, one a line, in the order of their descriptors; only a process that hands over sets it.
pub(crate) const NAMES: &str = "SIGNET_INHERITED";
/// The name of the socket on which a process says that it serves.
pub(super) const REPORT: &str = "report";
/// What the name of the control socket begins with; its path follows.
pub(super) const CONTROL: &str = "control=";

/// The sockets that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    listeners: Vec<(String, TcpListener)>,
    control: Option<(PathBuf, UnixListener)>,
    report: Option<UnixStream>,
}

/// Tells the process before this one that this one serves.
#[derive(Debug)]
pub(crate) struct Report(UnixStream);

impl Inherited {
    /// Takes them from the environment (`LISTEN_FDS` and `LISTEN_PID`, sd_listen_fds(3)). To be called before there are
    /// threads: the variables are removed, so that no other process takes them for its own.
    ///
    /// # Errors
    /// When a descriptor is not what it is said to be.
    pub(crate) fn from_env() -> Result<Self, String> {
        let mut sockets = ListenFd::from_env();
        let count = sockets.len();
        let names: Vec<String> = match env::var(NAMES) {
            Ok(names) if count > 0 => names.lines().map(str::to_owned).collect(),
            _ => vec![String::new(); count],
        };
        if names.len() != count {
            return Err(format!("{count} sockets were inherited, {} are named", names.len()));
        }
        let mut inherited = Self::default();
        for (index, name) in names.into_iter().enumerate() {
            let said = |error| format!("the inherited descriptor {index} (`{name}`): {error}");
            if name == REPORT {
                let stream = sockets.take_custom(index, AF_UNIX, SOCK_STREAM, "stream socket");
                inherited.report = stream.map_err(said)?;
            } else if let Some(path) = name.strip_prefix(CONTROL) {
                let listener = sockets.take_unix_listener(index).map_err(said)?;
                inherited.control = listener.map(|listener| (path.into(), listener));
            } else if let Some(listener) = sockets.take_tcp_listener(index).map_err(said)? {
                inherited.listeners.push((name, listener));
            }
        }
        Ok(inherited)
    }

    /// The listener of that name, else one at that address, wherever it was used before.
    pub(super) fn listener(&mut self, name: &str, address: SocketAddr) -> Option<TcpListener> {
        let named = self.listeners.iter().position(|(known, _)| known == name);
        let there = |(_, listener): &(String, TcpListener)| listener.local_addr().is_ok_and(|at| at == address);
        let found = named.or_else(|| self.listeners.iter().position(there))?;
        Some(self.listeners.remove(found).1)
    }

    /// The control socket at that path. One at another path is of no use any more, and its file goes.
    pub(super) fn control(&mut self, path: Option<&Path>) -> Option<UnixListener> {
        let (known, listener) = self.control.take()?;
        if Some(known.as_path()) == path {
            return Some(listener);
        }
        if let Err(error) = std::fs::remove_file(&known) {
            warn!(path = %known.display(), %error, "the control socket of the process before cannot be removed");
        }
        None
    }

    /// What is left after all settings have had theirs. A process that takes over closes what it does not want.
    ///
    /// # Errors
    /// When systemd listens where the settings do not: nobody would ever answer there.
    pub(crate) fn settle(self) -> Result<Option<Report>, String> {
        let addresses = self.listeners.iter().filter_map(|(_, listener)| listener.local_addr().ok());
        if let Some(report) = self.report {
            addresses
                .for_each(|address| info!(%address, "the settings do not name it any more: nobody listens there now"));
            return Ok(Some(Report(report)));
        }
        let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        match addresses.as_slice() {
            [] => Ok(None),
            some => Err(format!("systemd opened {}, where no setting listens", some.join(", "))),
        }
    }
}

impl Report {
    /// Says it. The other may have gone: then there is nobody to tell.
    pub(crate) fn serving(mut self) {
        if let Err(error) = self.0.write_all(b"ready\n") {
            warn!(%error, "the process before this one does not listen");
        }
    }
}
