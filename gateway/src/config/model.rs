//! What a file declares: flat, references resolved to positions, defaults filled in, without behaviour.

use std::{fmt, sync::Arc};

use signet_plugin_api::{Consumer, Protocol, RawConfig, Route, Service};

use super::At;

/// The entities of one file. A reference is the position in the vector of its kind.
#[derive(Debug, Default)]
pub struct Model {
    /// In the order of the file.
    pub services: Vec<ServiceDecl>,
    /// In the order of the file.
    pub routes: Vec<RouteDecl>,
    /// In the order of the file.
    pub consumers: Vec<ConsumerDecl>,
    /// Those that are switched off, too.
    pub plugins: Vec<PluginDecl>,
    /// Of all collections.
    pub credentials: Vec<CredentialDecl>,
}

/// A service and its place.
#[derive(Debug)]
pub struct ServiceDecl {
    /// The entity.
    pub service: Arc<Service>,
    /// Where it stands.
    pub at: At,
}

/// A route and its place.
#[derive(Debug)]
pub struct RouteDecl {
    /// The entity.
    pub route: Arc<Route>,
    /// Where it proxies to; a route without one answers by its plugins alone.
    pub service: Option<usize>,
    /// Where it stands.
    pub at: At,
}

/// A consumer and its place.
#[derive(Debug)]
pub struct ConsumerDecl {
    /// The entity.
    pub consumer: Arc<Consumer>,
    /// Where it stands.
    pub at: At,
}

/// A plugin in one place. Without service, route and consumer it is global.
pub struct PluginDecl {
    /// The registered name.
    pub name: String,
    /// Its UUID.
    pub id: Arc<str>,
    /// `instance_name`.
    pub instance_name: Option<String>,
    /// Whether it runs. The configuration of one that does not is not read.
    pub enabled: bool,
    /// On which requests it runs.
    pub protocols: Vec<Protocol>,
    /// References resolved, not yet typed.
    pub config: RawConfig,
    /// On routes of this service.
    pub service: Option<usize>,
    /// On this route.
    pub route: Option<usize>,
    /// On requests of this consumer.
    pub consumer: Option<usize>,
    /// `tags`.
    pub tags: Vec<String>,
    /// Where it stands; its configuration stands at `config` below.
    pub at: At,
}

/// A credential of a consumer.
pub struct CredentialDecl {
    /// `keyauth_credentials`
    pub collection: &'static str,
    /// Its UUID.
    pub id: Arc<str>,
    /// Its owner.
    pub consumer: usize,
    /// Its own fields, references resolved.
    pub fields: RawConfig,
    /// Where it stands.
    pub at: At,
}

impl fmt::Debug for PluginDecl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A configuration may hold secrets.
        f.debug_struct("PluginDecl").field("name", &self.name).field("at", &self.at).finish_non_exhaustive()
    }
}

impl fmt::Debug for CredentialDecl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialDecl").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}
