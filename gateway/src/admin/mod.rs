//! The listeners for operators: health and metrics on one, everything else on the other.

mod answer;
mod call;
mod config;
mod entities;
mod explain;
mod flattened;
mod guard;
mod inventory;
mod listener;
mod log_level;
mod node;
mod page;
mod root;
mod routes;
mod schemas;
mod serve;
mod status;

pub(crate) use answer::{Answer, json_response};
pub(crate) use call::Call;
pub(crate) use node::Node;
pub(crate) use serve::serve;
