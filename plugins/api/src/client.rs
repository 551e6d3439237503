//! Who is at the other end of the connection, after `trusted_ips` were taken into account.

use std::{net::IpAddr, sync::Arc};

use crate::TlsConnection;

/// The scheme that the client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The client side of one request.
#[derive(Debug, Clone)]
pub struct Client {
    /// The client's address: the peer's, or what a trusted proxy said (`real_ip_header`).
    pub ip: IpAddr,
    /// The scheme of this connection.
    pub scheme: Scheme,
    /// The port of the listener.
    pub port: u16,
    /// The handshake of this connection, when it is TLS.
    pub tls: Option<Arc<TlsConnection>>,
}

impl Client {
    /// A client on a plain connection: for tests.
    pub fn plain(ip: impl Into<IpAddr>, port: u16) -> Self {
        Self { ip: ip.into(), scheme: Scheme::Http, port, tls: None }
    }
}
