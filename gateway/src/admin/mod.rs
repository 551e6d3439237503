//! The listeners for operators.

mod status;

pub(crate) use status::{Status, json_response};
