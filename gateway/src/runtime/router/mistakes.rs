//! The mistakes found while routes are compiled.

use signet_plugin_api::ConfigError;

/// Collects mistakes, each with the position of its route.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    route: usize,
    found: Vec<(usize, ConfigError)>,
}

impl Mistakes {
    /// The route that the next mistakes belong to.
    pub(super) fn of_route(&mut self, position: usize) {
        self.route = position;
    }

    /// Notes a mistake in a field of the route; the empty field is the route as a whole.
    pub(super) fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.found.push((self.route, ConfigError::new(field, reason)));
    }

    /// All of them, if there are any.
    pub(super) fn into_result(self) -> Result<(), Vec<(usize, ConfigError)>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}
