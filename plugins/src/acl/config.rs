//! The configuration of `acl`: lists of groups.

use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::ConfigError;

/// `config` of the plugin.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The groups that may pass. Either this or `deny`.
    allow: Vec<String>,
    /// The groups that may not pass. Either this or `allow`.
    deny: Vec<String>,
    /// Whether the upstream is not told the caller's groups (`X-Consumer-Groups`).
    pub(super) hide_groups_header: bool,
    /// Whether the groups that the credential itself proves count also where the consumer has groups of its own.
    pub(super) always_use_authenticated_groups: bool,
    /// Whether the names of the caller's consumer groups count as groups.
    pub(super) include_consumer_groups: bool,
}

/// What a caller has to be, or must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// In one of the groups (Kong: `allow`).
    Allow,
    /// In none of them (Kong: `deny`).
    Deny,
}

impl Config {
    /// The one list that is given, and what it means. Kong counts an empty list as none.
    ///
    /// # Errors
    /// When both lists name groups, or neither does, or a name is empty.
    pub(super) fn list(&self) -> Result<(Rule, &[String]), ConfigError> {
        let (field, rule, groups) = match (self.allow.as_slice(), self.deny.as_slice()) {
            ([], []) => return Err(ConfigError::new("", "either `allow` or `deny` has to name a group")),
            (allow, []) => ("allow", Rule::Allow, allow),
            ([], deny) => ("deny", Rule::Deny, deny),
            _ => return Err(ConfigError::new("deny", "only one of `allow` and `deny` can be given")),
        };
        match groups.iter().position(String::is_empty) {
            Some(at) => Err(ConfigError::new(format!("{field}[{at}]"), "must not be empty")),
            None => Ok((rule, groups)),
        }
    }
}
