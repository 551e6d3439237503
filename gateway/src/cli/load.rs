//! The declarative file to a snapshot: at start, and again whenever it changes.

use std::{cell::RefCell, path::PathBuf, sync::Arc};

use signet_plugin_api::{Backgrounds, LogFiles, Meters, Registry, WorkPool};
use tracing::{error, info, warn};

use super::{report, say};
use crate::{
    compile::{self, Compiled, Engine},
    config::{LoadErrors, Model},
    keys::{Opened, Purpose},
    prepare::{Prepared, prepare},
    runtime::{Current, Loads, WorkThreads, background, resolver::Resolver},
    settings::Settings,
    tls::Terms,
};

/// The parts of the process that every configuration is compiled against.
pub(super) struct Parts {
    /// Names to addresses.
    pub resolver: Arc<Resolver>,
    /// The threads that sign.
    pub signing: Arc<WorkThreads>,
    /// The threads that verify passwords.
    pub hashing: Arc<WorkThreads>,
    /// What outlives one configuration.
    pub backgrounds: Arc<Backgrounds>,
    /// The series of plugins.
    pub meters: Arc<Meters>,
    /// Files that plugins log to.
    pub log_files: Arc<dyn LogFiles>,
}

/// Loads one file, as often as it is asked to.
pub(super) struct Loader<'a> {
    registry: &'a Registry,
    settings: &'a Settings,
    parts: &'a Parts,
    file: Option<PathBuf>,
    tls: RefCell<Option<Arc<Terms>>>,
}

/// Why nothing can be served. What is wrong has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotLoaded;

impl<'a> Loader<'a> {
    /// For this file, or for none.
    pub(super) fn new(registry: &'a Registry, settings: &'a Settings, parts: &'a Parts, file: Option<PathBuf>) -> Self {
        Self { registry, settings, parts, file, tls: RefCell::default() }
    }

    /// The file.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Reads the certificates of the settings and the file, and compiles it. Every mistake and every warning is told, line
    /// by line.
    ///
    /// # Errors
    /// When it has mistakes, of which the settings do not say that they may be passed over.
    pub(super) fn load(&self) -> Result<Prepared, NotLoaded> {
        let engine = Engine {
            registry: self.registry,
            resolver: Arc::clone(&self.parts.resolver),
            signing: WorkPool::new(Arc::clone(&self.parts.signing) as _),
            signing_backend: self.settings.signing_backend,
            meters: Arc::clone(&self.parts.meters),
            log_files: Arc::clone(&self.parts.log_files),
            hashing: WorkPool::new(Arc::clone(&self.parts.hashing) as _),
            backgrounds: Arc::clone(&self.parts.backgrounds),
            key_sets: Purpose::Serve,
            tls: self.terms()?,
            // Read anew: those of the system change, too.
            system_authorities: Arc::default(),
            upstream_idle: self.settings.upstream_keepalive_idle_timeout,
            invalid_entities: self.settings.invalid_entities,
        };
        let Some(file) = self.file.as_deref() else { return empty(&engine) };
        let prepared = match prepare(file, &engine) {
            Ok(prepared) => prepared,
            Err(LoadErrors { mistakes, warnings, .. }) => {
                warnings.iter().for_each(|warning| say(report::warning(file, warning)));
                mistakes.iter().for_each(|mistake| say(report::mistake(file, mistake)));
                say(format_args!("signet: {} cannot be served", file.display()));
                return Err(NotLoaded);
            }
        };
        prepared.warnings.iter().for_each(|warning| say(report::warning(file, warning)));
        prepared.quarantined.iter().for_each(|mistake| say(report::quarantined(file, mistake)));
        for entry in prepared.snapshot.routes.iter().filter(|entry| entry.quarantined) {
            let route = entry.route.name.as_deref().unwrap_or(&entry.route.id);
            warn!(route, "quarantined: the route answers 503 until its mistakes are mended");
        }
        Ok(prepared)
    }

    /// Loads again and publishes what came of it. With mistakes, the configuration before goes on to serve.
    pub(super) fn reload(&self, current: &Current, loads: &Loads) {
        let Some(file) = self.file.as_deref() else {
            warn!("there is nothing to load again: neither -c nor the setting declarative_config names a file");
            return;
        };
        let Ok(Prepared { mut snapshot, .. }) = self.load() else {
            loads.failed();
            error!(file = %file.display(), "the configuration is not changed: the file has mistakes");
            return;
        };
        snapshot.inherit(&current.pin());
        let (counts, quarantined) = (snapshot.counts, snapshot.quarantined());
        current.publish(snapshot);
        background::start(&self.parts.backgrounds);
        loads.succeeded();
        info!(file = %file.display(), serving = %counts, quarantined, "the configuration was loaded again");
    }

    /// How TLS listeners speak, if there are any. A certificate that was made at start is kept.
    fn terms(&self) -> Result<Option<Arc<Terms>>, NotLoaded> {
        if !self.settings.proxy_listen.iter().any(|listener| listener.ssl) {
            return Ok(None);
        }
        let known = self.tls.borrow().clone();
        if known.as_ref().is_some_and(|terms| terms.self_signed) {
            return Ok(known);
        }
        let terms = Terms::load(&self.settings.tls).map_err(|reason| {
            say(format_args!("signet: {reason}"));
            NotLoaded
        })?;
        if terms.self_signed {
            info!(
                "no ssl_cert: clients get a certificate made just now for server names that the configuration has none for"
            );
        }
        let terms = Some(Arc::new(terms));
        self.tls.borrow_mut().clone_from(&terms);
        Ok(terms)
    }
}

fn empty(engine: &Engine<'_>) -> Result<Prepared, NotLoaded> {
    match compile::compile(Model::default(), Opened::default(), engine) {
        Compiled { snapshot: Some(snapshot), .. } => {
            Ok(Prepared { snapshot, warnings: Vec::new(), quarantined: Vec::new() })
        }
        Compiled { snapshot: None, .. } => {
            say(format_args!("signet: the empty configuration does not compile"));
            Err(NotLoaded)
        }
    }
}
