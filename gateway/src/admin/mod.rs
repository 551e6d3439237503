//! The listeners for operators.

mod status;

pub use status::{Status, json_response};
