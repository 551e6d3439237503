//! What compiling finds wrong, by place; the loader adds the lines.

use signet_plugin_api::ConfigError;

use crate::config::At;

/// Something wrong, or unwise, in one place of a file.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// The entity.
    pub at: At,
    /// The field below it, as `a.b[0]`; empty for the entity as a whole.
    pub field: String,
    /// One sentence.
    pub reason: String,
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    mistakes: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Problems {
    /// Adds what makes the configuration unusable.
    pub(crate) fn mistake(&mut self, at: &At, error: ConfigError) {
        self.mistakes.push(Problem { at: at.clone(), field: error.field, reason: error.reason });
    }

    /// Adds what the operator should know.
    pub(crate) fn warning(&mut self, at: &At, error: ConfigError) {
        self.warnings.push(Problem { at: at.clone(), field: error.field, reason: error.reason });
    }

    /// Mistakes and warnings.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.mistakes, self.warnings)
    }
}
