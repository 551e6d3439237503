//! What a plugin is: the typed half of the contract.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{ConfigError, CredentialKind, Handler, Scope};

/// A plugin: its name, its place in the order, its configuration, and how that compiles.
pub trait Plugin: Handler + Sized + 'static {
    /// The key in a configuration file, and the label in metrics.
    const NAME: &'static str;
    /// Kong's scale: higher runs first, in every phase. Unique in a registry.
    const PRIORITY: u32;
    /// The phases in which the engine calls it.
    const PHASES: &'static [Phase];
    /// The kinds of credential that it declares.
    const CREDENTIALS: &'static [CredentialKind] = &[];
    /// Kong's fields that are accepted at a default only, as `(field, YAML of the default)`.
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[];
    /// Fields whose default is not null although null is a value of theirs: elsewhere null is as good as leaving a field out.
    const NULL_IS_MEANT: &'static [&'static str] = &[];
    /// A route without a service that this plugin would run on is then a mistake of the configuration.
    const NEEDS_SERVICE: bool = false;
    /// Whether Kong allows it on a consumer or a consumer group. An authentication plugin says no: the consumer is not
    /// known before it.
    const CONSUMER_SCOPE: bool = true;
    /// Whether it wants to know which plugins ran on a request, and how long ([`crate::Record::runs`]).
    const TIMED: bool = false;
    /// Whether it finds out who calls: what becomes of that is counted.
    const AUTHENTICATES: bool = false;
    /// The configuration; derive `Deserialize` with `deny_unknown_fields`, and `JsonSchema`. The schema tells editors and the
    /// admin listener what the documentation of the fields and `Deserialize` say; a field with a default implements
    /// `Serialize`, too, to show it. A secret has `#[schemars(extend("writeOnly" = true))]`: it is then never shown.
    type Config: DeserializeOwned + JsonSchema;

    /// Turns the configuration into a handler: keys are parsed, header names and regular expressions built here, so that
    /// nothing is parsed per request. Pure: no I/O, nothing is started.
    ///
    /// # Errors
    /// When the configuration cannot be used; it is then refused before anything serves it.
    fn compile(config: Self::Config, scope: &Scope<'_>) -> Result<Self, ConfigError>;
}

/// A moment in the life of a request at which plugins run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// [`Handler::on_request`]
    Request = 1,
    /// [`Handler::on_upstream_request`]
    UpstreamRequest = 2,
    /// [`Handler::on_response`]
    Response = 4,
    /// [`Handler::on_response_body`]
    ResponseBody = 8,
    /// [`Handler::on_log`]
    Log = 16,
}
