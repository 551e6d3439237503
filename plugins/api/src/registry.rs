//! The plugins of a gateway, as a value: no statics, no registration before `main`.

use std::{fmt, sync::Arc};

use crate::{ConfigError, CredentialKind, Handler, Phase, Plugin, RawConfig, Scope, decode, schema};

/// What the engine knows of a registered plugin.
pub struct Registration {
    /// [`Plugin::NAME`]
    pub name: &'static str,
    /// [`Plugin::PRIORITY`]
    pub priority: u32,
    /// [`Plugin::CREDENTIALS`]
    pub credentials: &'static [CredentialKind],
    /// [`Plugin::NEEDS_SERVICE`]
    pub needs_service: bool,
    /// [`Plugin::CONSUMER_SCOPE`]
    pub consumer_scope: bool,
    /// [`Plugin::TIMED`]
    pub timed: bool,
    /// [`Plugin::AUTHENTICATES`]
    pub authenticates: bool,
    /// [`Plugin::AT_DEFAULT`]
    pub at_default: &'static [(&'static str, &'static str)],
    phases: u8,
    schema: fn() -> serde_json::Value,
    check: fn(RawConfig) -> Result<(), Vec<ConfigError>>,
    compile: CompileFn,
}

type CompileFn = fn(RawConfig, &Scope<'_>) -> Result<Arc<dyn Handler>, Vec<ConfigError>>;

impl Registration {
    fn of<P: Plugin>() -> Self {
        Self {
            name: P::NAME,
            priority: P::PRIORITY,
            credentials: P::CREDENTIALS,
            needs_service: P::NEEDS_SERVICE,
            consumer_scope: P::CONSUMER_SCOPE,
            timed: P::TIMED,
            authenticates: P::AUTHENTICATES,
            phases: P::PHASES.iter().fold(0, |all, phase| all | *phase as u8),
            at_default: P::AT_DEFAULT,
            schema: || schema::of::<P::Config>(P::AT_DEFAULT, P::NULL_IS_MEANT),
            check: |raw| decode::<P::Config>(raw.keeping_nulls(P::NULL_IS_MEANT), P::AT_DEFAULT).map(drop),
            compile: |raw, scope| {
                let config = decode(raw.keeping_nulls(P::NULL_IS_MEANT), P::AT_DEFAULT)?;
                let handler = P::compile(config, scope).map_err(|error| vec![error])?;
                Ok(Arc::new(handler))
            },
        }
    }

    /// The phases in which the engine calls it, as bits of [`Phase`].
    pub fn phases(&self) -> u8 {
        self.phases
    }

    /// Whether the engine calls it in `phase`.
    pub fn runs_in(&self, phase: Phase) -> bool {
        self.phases & phase as u8 != 0
    }

    /// The JSON Schema (draft 2020-12) of `config`: types, defaults, the words of enums, what the documentation of each field
    /// says. A property that can be left out has a `default`, which is null where leaving it out says something of its own.
    /// Null is as good as leaving a field out, and is mentioned only where it is not ([`Plugin::NULL_IS_MEANT`]). Secrets are `writeOnly`. Kong's fields that
    /// are accepted at their default alone have it as `const`.
    ///
    /// Made anew at each call.
    pub fn schema(&self) -> serde_json::Value {
        (self.schema)()
    }

    /// Decodes one configuration: whether its fields are there and of their types.
    ///
    /// # Errors
    /// Every mistake of it that can be told without the rest of the file.
    pub fn check(&self, raw: RawConfig) -> Result<(), Vec<ConfigError>> {
        (self.check)(raw)
    }

    /// Decodes and compiles one configuration.
    ///
    /// # Errors
    /// Every mistake of the configuration.
    pub fn compile(&self, raw: RawConfig, scope: &Scope<'_>) -> Result<Arc<dyn Handler>, Vec<ConfigError>> {
        (self.compile)(raw, scope)
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("name", &self.name)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

/// The plugins that a gateway knows, in the order in which they run.
#[derive(Debug, Default)]
pub struct Registry(Vec<Registration>);

impl Registry {
    /// A registry without plugins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plugin.
    ///
    /// # Panics
    /// When its name or priority is taken: a mistake of the build, found when the program starts.
    #[must_use]
    #[expect(clippy::panic, reason = "a mistake of the build, found at start and not by a request")]
    pub fn with<P: Plugin>(mut self) -> Self {
        if let Some(other) = self.0.iter().find(|other| other.name == P::NAME || other.priority == P::PRIORITY) {
            panic!("plugin {} (priority {}) collides with {} ({})", P::NAME, P::PRIORITY, other.name, other.priority);
        }
        self.0.push(Registration::of::<P>());
        self.0.sort_by_key(|registration| std::cmp::Reverse(registration.priority));
        self
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<&Registration> {
        self.0.iter().find(|registration| registration.name == name)
    }

    /// All, highest priority first.
    pub fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.0.iter()
    }
}
