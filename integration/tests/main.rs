//! Black-box tests of the binary, a module per topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests report by panicking, and say what they have done"
)]

mod acl;
mod admin;
mod admin_config;
mod admin_entities;
mod attacks;
mod bad_files;
mod bad_input;
mod basic_auth;
mod browser;
mod check;
mod claims;
mod consumer_groups;
mod cors;
mod diff;
mod explain;
mod file_log;
mod five_ways;
mod golden;
mod grpc;
mod http2;
mod http_log;
mod identity;
mod jose;
mod jwks;
mod jwt;
mod key_auth;
mod key_sets;
mod keys;
mod keys_rotation;
mod logs;
mod monitoring;
mod mtls_auth;
mod openid_connect;
mod opentelemetry;
mod passwords;
mod programmable;
mod prometheus;
mod proxying;
mod quarantine;
mod refusals;
mod reload;
mod request_termination;
mod reuse;
mod revocation;
mod rotation;
mod schema;
mod scopes;
mod setup;
mod several_auth;
mod signing;
mod soak;
mod status;
mod stop;
mod story;
mod systemd;
mod tidy;
mod tls;
mod upgrade;
mod upstream_tls;
mod watch;
mod websocket;
mod x_custom_jwt;
