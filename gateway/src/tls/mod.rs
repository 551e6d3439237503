//! TLS towards clients: certificates, handshakes, and what they say about the client.

mod asked;
mod certificates;
mod edge;
mod handshakes;
mod own;
mod pem;
mod terms;

pub(crate) use asked::Asked;
pub(crate) use certificates::{Certificates, Presented};
pub(crate) use edge::{Acceptors, HTTP2_IDLE, TlsEdge};
pub(crate) use handshakes::{Established, Handshakes, chain};
pub(crate) use own::OwnHandshakes;
pub(crate) use pem::{Authority, Pair, not_after};
pub(crate) use terms::Terms;
