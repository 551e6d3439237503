//! Listeners that have their address and do not accept yet: taken here, or inherited.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd, OwnedFd},
};

use tracing::warn;

use super::Inherited;
use crate::settings::Listener;

/// Connections that wait to be accepted, if the listener does not say.
const BACKLOG: i32 = 16_384;

/// A listener that has its port but does not accept yet.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The address with the real port.
    pub address: SocketAddr,
    /// Whether it is for TLS.
    pub ssl: bool,
    /// Whether it is for HTTP/2, too.
    pub http2: bool,
    /// What a process that takes over knows it by: the setting and the address as it is written there.
    pub(super) name: String,
    pub(super) listener: TcpListener,
    /// The same once more, for that process.
    pub(super) spare: OwnedFd,
    pub(super) backlog: Backlog,
}

impl Bound {
    /// Takes the address; port 0 becomes a free one.
    ///
    /// # Errors
    /// When the port is in use or may not be taken.
    pub(crate) fn take(listener: &Listener) -> io::Result<Self> {
        let Listener { address, reuseport, .. } = *listener;
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(reuseport)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(length(listener))?;
        Self::of(listener, String::new(), socket.into())
    }

    /// The same for a listener of this setting, unless the process was given it: by the one before it, or by systemd.
    ///
    /// # Errors
    /// When the port is in use or may not be taken.
    pub(crate) fn inherit_or_take(setting: &str, listener: &Listener, inherited: &mut Inherited) -> io::Result<Self> {
        let name = format!("{setting}={}", listener.address);
        match inherited.listener(&name, listener.address) {
            Some(socket) => Self::of(listener, name, socket),
            None => Ok(Self { name, ..Self::take(listener)? }),
        }
    }

    fn of(listener: &Listener, name: String, socket: TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let Listener { ssl, http2, .. } = *listener;
        let spare = socket.as_fd().try_clone_to_owned()?;
        let backlog = Backlog { socket: socket.as_fd().try_clone_to_owned()?, length: length(listener) };
        Ok(Self { address: socket.local_addr()?, ssl, http2, name, listener: socket, spare, backlog })
    }
}

/// How many connections may wait at a listener. Pingora sets its own number when it begins to listen.
#[derive(Debug)]
pub(super) struct Backlog {
    socket: OwnedFd,
    length: i32,
}

impl Backlog {
    /// Sets it again; Linux takes it at any time.
    pub(super) fn restore(self) {
        if let Err(error) = socket2::SockRef::from(&self.socket).listen(self.length) {
            warn!(%error, backlog = self.length, "the backlog of a listener cannot be set");
        }
    }
}

fn length(listener: &Listener) -> i32 {
    listener.backlog.and_then(|backlog| backlog.try_into().ok()).unwrap_or(BACKLOG)
}
