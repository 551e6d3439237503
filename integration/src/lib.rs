//! What the black-box tests share: the gateway as a process, upstreams that record or misbehave, and an HTTP client that hides nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helper reports by panicking")]

mod acceptor;
mod certificates;
mod client;
mod collector;
mod curl;
mod dns;
mod folder;
mod gateway;
mod idp;
mod kept;
mod load;
pub mod pki;
mod poll;
mod process;
mod prometheus;
mod secrets;
mod tls_upstream;
mod upstream;
mod wire;

pub use certificates::{Certificate, Issued};
pub use client::{Client, Request, Response};
pub use collector::{Collector, Span};
pub use curl::{Answer, Curl, s_client};
pub use dns::NoNames;
pub use folder::Folder;
pub use gateway::{Gateway, Start};
pub use idp::{IdentityProvider, Stopped};
pub use kept::Kept;
pub use load::{Load, Manner, Tally};
pub use poll::{poll, wait_until};
pub use process::{Process, Run, binary, signet, signet_reading};
pub use prometheus::Prometheus;
pub use secrets::Secrets;
pub use tls_upstream::TlsUpstream;
pub use upstream::{Conversation, Seen, Upstream};
pub use wire::Headers;

use std::time::Duration;

/// How long anything may take before a test gives up on it: long enough for a busy machine, and only ever waited for in a failure.
pub const DEADLINE: Duration = Duration::from_secs(30);
