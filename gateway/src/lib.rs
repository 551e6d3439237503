//! Signet: a programmable API gateway on Pingora that runs Kong's declarative files.
//!
//! Data flows one way: YAML text → Model → Snapshot → request phases → plugins → upstream.

mod admin;
mod cli;
mod compatibility;
mod compile;
pub mod config;
mod diff;
mod explain;
mod keys;
mod logging;
mod metrics;
mod moment;
mod path;
mod prepare;
mod proxy;
mod quarantine;
mod reload;
mod report;
pub mod runtime;
mod schema;
mod server;
pub mod settings;
mod tls;

pub use cli::run;
