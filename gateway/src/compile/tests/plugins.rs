//! Plugins that are small enough to be seen through.

use serde::Deserialize;
use signet_plugin_api::{
    ConfigError, Context, CredentialKind, CredentialRecord, CredentialStore, Flow, Handler, Phase, Plugin, PluginError,
    Request, Scope, async_trait,
};

/// Writes its label into the request.
pub(super) struct Marker(String);

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    label: String,
}

/// The header that [`Marker`] writes.
pub(super) const RAN: &str = "x-ran";

impl Plugin for Marker {
    const NAME: &'static str = "marker";
    const PRIORITY: u32 = 500;
    const PHASES: &'static [Phase] = &[Phase::Request];
    type Config = Label;

    fn compile(config: Label, _: &Scope<'_>) -> Result<Self, ConfigError> {
        Ok(Self(config.label))
    }
}

#[async_trait]
impl Handler for Marker {
    async fn on_request(&self, request: &mut Request<'_>, _: &mut Context) -> Result<Flow, PluginError> {
        request.head_mut().append_header(RAN, self.0.as_str())?;
        Ok(Flow::Continue)
    }
}

/// Stands for authentication: it has credentials, and no place on a consumer.
pub(super) struct Gate;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GateConfig {
    anonymous: Option<String>,
    #[serde(default)]
    open: bool,
}

impl Plugin for Gate {
    const NAME: &'static str = "gate";
    const PRIORITY: u32 = 1000;
    const PHASES: &'static [Phase] = &[Phase::Request];
    const CREDENTIALS: &'static [CredentialKind] = &[CredentialKind::of::<Passes>()];
    const CONSUMER_SCOPE: bool = false;
    type Config = GateConfig;

    fn compile(config: GateConfig, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        if config.open {
            scope.warn("open", "everybody passes");
        }
        scope.credentials::<Passes>()?;
        scope.anonymous(config.anonymous.as_deref()).map(|_| Self)
    }
}

impl Handler for Gate {}

/// The credentials of [`Gate`].
pub(super) struct Passes;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pass {
    word: String,
}

impl CredentialStore for Passes {
    const COLLECTION: &'static str = "passes";
    const UNIQUE: &'static str = "word";
    type Entry = Pass;

    fn build(records: Vec<CredentialRecord<Pass>>) -> Result<Self, Vec<(usize, ConfigError)>> {
        let is_empty = |(position, record): (usize, &CredentialRecord<Pass>)| {
            record.entry.word.is_empty().then(|| (position, ConfigError::new("word", "must not be empty")))
        };
        let errors: Vec<_> = records.iter().enumerate().filter_map(is_empty).collect();
        if errors.is_empty() { Ok(Self) } else { Err(errors) }
    }
}

/// Needs to know where a request goes.
pub(super) struct Needy;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl Plugin for Needy {
    const NAME: &'static str = "needy";
    const PRIORITY: u32 = 10;
    const PHASES: &'static [Phase] = &[Phase::Request];
    const NEEDS_SERVICE: bool = true;
    type Config = Nothing;

    fn compile(_: Nothing, _: &Scope<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Handler for Needy {}

/// Runs before all others.
pub(super) struct First;

impl Plugin for First {
    const NAME: &'static str = "first";
    const PRIORITY: u32 = 9000;
    const PHASES: &'static [Phase] = &[Phase::Request];
    type Config = Nothing;

    fn compile(_: Nothing, _: &Scope<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Handler for First {}
