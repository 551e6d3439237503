//! Model and registry to snapshot: the only place where names become handles. Collects all mistakes.

mod certificates;
mod consumers;
mod plugins;
mod problem;
mod routes;
#[cfg(test)]
mod tests;
mod upstreams;

use std::{io, sync::Arc, time::Duration};

use signet_plugin_api::{Backgrounds, LogFiles, Meters, Registry, Resources, SigningBackend, WorkPool};

pub(crate) use self::problem::{Problem, Problems};
use crate::{
    config::Model,
    keys::{Opened, Purpose},
    runtime::{
        Counts, RouteStats, Snapshot, SystemAuthorities,
        resolver::{Lookup, Resolver, Sources},
    },
    settings::InvalidEntities,
    tls::Terms,
};

/// What the engine lends to a configuration.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    /// The plugins that can be named.
    pub registry: &'a Registry,
    /// Where the hosts of services are looked up.
    pub resolver: Arc<Resolver>,
    /// The threads that sign.
    pub signing: WorkPool,
    /// What they sign with.
    pub signing_backend: SigningBackend,
    /// The threads that verify passwords.
    pub hashing: WorkPool,
    /// The series of plugins.
    pub meters: Arc<Meters>,
    /// Files that plugins log to.
    pub log_files: Arc<dyn LogFiles>,
    /// What outlives one configuration.
    pub backgrounds: Arc<Backgrounds>,
    /// What the file is loaded for.
    pub key_sets: Purpose,
    /// How TLS listeners speak; `None` when there is none.
    pub tls: Option<Arc<Terms>>,
    /// Who is trusted where a service names nobody.
    pub system_authorities: Arc<SystemAuthorities>,
    /// How long an upstream connection is kept when nothing uses it; `None` is for ever.
    pub upstream_idle: Option<Duration>,
    /// What becomes of a file with mistakes.
    pub invalid_entities: InvalidEntities,
}

impl<'a> Engine<'a> {
    /// An engine that only compiles: it has no threads, and starts nothing.
    ///
    /// # Errors
    /// When names cannot be resolved at all.
    pub(crate) fn at_rest(registry: &'a Registry) -> io::Result<Self> {
        Ok(Self {
            registry,
            resolver: Resolver::new(Sources::default()),
            signing: WorkPool::inline(),
            signing_backend: SigningBackend::default(),
            hashing: WorkPool::inline(),
            meters: Arc::default(),
            log_files: Resources::default().log_files,
            backgrounds: Arc::default(),
            key_sets: Purpose::Check,
            tls: None,
            system_authorities: Arc::default(),
            upstream_idle: None,
            invalid_entities: InvalidEntities::Reject,
        })
    }
}

/// What became of a model, with what its operator should know.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Whole when there is no mistake; none when not even the routes can be told from each other.
    pub snapshot: Option<Snapshot>,
    /// Every mistake that the model shows once plugins, credentials and routes are understood.
    pub mistakes: Vec<Problem>,
    /// Legal but unwise.
    pub warnings: Vec<Problem>,
}

/// Compiles a model whose key sets are open. A snapshot that comes with mistakes must not serve the routes that they concern.
pub(crate) fn compile(mut model: Model, key_sets: Opened, engine: &Engine<'_>) -> Compiled {
    let Opened { sets, live, mut problems } = key_sets;
    let consumers = consumers::index(&model.consumers, &mut problems);
    let declared = std::mem::take(&mut model.credentials);
    let credentials = consumers::credentials(declared, &model.consumers, engine.registry, &mut problems);
    let resources = Resources {
        consumers,
        credentials: Arc::new(credentials),
        ca_certificates: certificates::authorities(&model.ca_certificates, &mut problems),
        key_sets: sets,
        signing: engine.signing.clone(),
        signing_backend: engine.signing_backend,
        meters: Arc::clone(&engine.meters),
        log_files: Arc::clone(&engine.log_files),
        concealed: Arc::default(),
        hashing: engine.hashing.clone(),
        backgrounds: Arc::clone(&engine.backgrounds),
        names: Arc::new(Lookup(Arc::clone(&engine.resolver))),
    };
    let certificates = certificates::served(&model.certificates, &mut problems);
    let declared = std::mem::take(&mut model.plugins);
    let instances = plugins::compile(declared, &model.routes, engine.registry, &resources, &mut problems);
    let stats = plugins::stats(&instances, &engine.meters, &mut problems);
    let placed = plugins::Placed::new(&instances, &model.consumers, &model.consumer_groups, stats);
    let sources = upstreams::Sources::of(&model, &resources.ca_certificates, engine);
    let routes = routes::compile(&model.services, &model.routes, &placed, &sources, &mut problems);
    let counts = Counts {
        services: model.services.len(),
        routes: model.routes.len(),
        plugins: instances.len(),
        consumers: model.consumers.len(),
    };
    let snapshot = routes.and_then(|(router, routes)| {
        let unrouted = Arc::new(RouteStats::new("", ""));
        let origins = instances.iter().map(|instance| (&instance.handler, &instance.id)).collect();
        let handshakes = certificates::handshakes(engine.tls.as_deref(), certificates, &routes, &mut problems).ok()?;
        let certificate_ends = certificates::ends(&model, engine.tls.as_deref());
        Some(Snapshot {
            router,
            routes,
            unrouted,
            handshakes,
            key_sets: live,
            certificate_ends,
            counts,
            origins,
            hash: String::new(),
        })
    });
    let (mistakes, warnings) = problems.into_parts();
    Compiled { snapshot, mistakes, warnings }
}
