//! TLS towards clients: certificates, handshakes, and what they say about the client.

mod certificates;
mod pem;

pub(crate) use certificates::{Certificates, Presented};
pub(crate) use pem::{Authority, Pair};
