//! The identity provider cannot be asked: nobody is let in, and nobody is told that their credential is wrong.

use std::sync::Arc;

use crate::shared::http::NoAnswer;

/// What happened, for the log. It contains no credential.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Trouble(Arc<str>);

impl Trouble {
    /// In a few words.
    pub(super) fn new(what: impl Into<Arc<str>>) -> Self {
        Self(what.into())
    }
}

impl From<NoAnswer> for Trouble {
    fn from(reason: NoAnswer) -> Self {
        Self::new(reason.to_string())
    }
}
