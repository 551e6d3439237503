//! A text to a snapshot, with what the process has besides: at start, and again whenever something changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use signet_plugin_api::{Backgrounds, LogFiles, Meters, Registry, WorkPool};
use tracing::{info, warn};

use super::watch::{self, Prints};
use crate::{
    compile::{self, Compiled, Engine},
    config::{self, KeyMaterial, Known, LoadErrors, Loaded, Mistake, Model, Text},
    keys::{Opened, Purpose},
    prepare::{Prepared, settle},
    runtime::{
        WorkThreads,
        resolver::{HostsFile, Resolver},
    },
    settings::{PemSource, Settings},
    tls::Terms,
};

/// The parts of the process that every configuration is compiled against.
pub(crate) struct Parts {
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

/// Loads texts, and one file, as often as it is asked to.
pub(crate) struct Loader {
    registry: Arc<Registry>,
    settings: Arc<Settings>,
    parts: Arc<Parts>,
    file: Option<PathBuf>,
    tls: Mutex<Option<Arc<Terms>>>,
}

/// Why a text cannot be served.
pub(super) enum Wrong {
    /// Something that the settings name.
    Settings(String),
    /// Something in the text, with what is legal but unwise.
    Text(LoadErrors),
}

/// What became of a text.
pub(super) struct Outcome {
    /// Ready to be published, or what is wrong.
    pub prepared: Result<Prepared, Wrong>,
    /// The files that it names and that no one else follows, as far as it could be read, and those of the settings.
    pub files: Prints,
    /// Names that need no DNS, where they could be read.
    pub hosts: Option<HostsFile>,
}

impl Loader {
    /// For this file, or for none.
    pub(crate) fn new(
        registry: Arc<Registry>,
        settings: Arc<Settings>,
        parts: Arc<Parts>,
        file: Option<PathBuf>,
    ) -> Self {
        Self { registry, settings, parts, file, tls: Mutex::default() }
    }

    /// The file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether what changes is to be loaded without being asked.
    pub(super) fn watches(&self) -> bool {
        self.settings.watch_files
    }

    /// The parts of the process.
    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// What paths in a text are relative to that does not come from a file: the same as in the file.
    pub(super) fn base(&self) -> PathBuf {
        self.file().and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
    }

    /// Compiles a text with what the settings name, which is read again. Nothing is published.
    pub(super) fn load(&self, text: &Text) -> Outcome {
        let loaded = config::parse(text, &Known::of(&self.registry), &config::process_env);
        self.with_files(referenced(&loaded), |engine| settle(loaded, engine).map_err(Wrong::Text))
    }

    /// The configuration of a process without a file.
    pub(super) fn empty(&self) -> Outcome {
        self.with_files(Vec::new(), |engine| match compile::compile(Model::default(), Opened::default(), engine) {
            Compiled { snapshot: Some(snapshot), .. } => {
                Ok(Prepared { snapshot, warnings: Vec::new(), quarantined: Vec::new() })
            }
            Compiled { snapshot: None, .. } => {
                Err(Wrong::Text(Mistake::of_file(None, "the empty configuration does not compile").into()))
            }
        })
    }

    /// Of what could not even be read.
    pub(super) fn unread(&self, mistake: Mistake) -> Outcome {
        self.with_files(Vec::new(), |_| Err(Wrong::Text(mistake.into())))
    }

    fn with_files(&self, files: Vec<PathBuf>, make: impl FnOnce(&Engine<'_>) -> Result<Prepared, Wrong>) -> Outcome {
        // Before they are used: what changes from now on is another file.
        let files = files.into_iter().chain(self.files()).map(|path| (path.clone(), watch::print(&path))).collect();
        let (prepared, hosts) = match (self.engine(), self.hosts()) {
            (Ok(engine), Ok(hosts)) => (make(&engine), Some(hosts)),
            (Err(wrong), _) | (_, Err(wrong)) => (Err(wrong), None),
        };
        Outcome { prepared, files, hosts }
    }

    fn hosts(&self) -> Result<HostsFile, Wrong> {
        hosts(&self.settings).map_err(Wrong::Settings)
    }

    /// The files of the settings.
    fn files(&self) -> Vec<PathBuf> {
        let tls = &self.settings.tls;
        let pems = tls.certificates.iter().chain(&tls.keys).filter_map(|source| match source {
            PemSource::File(path) => Some(path.clone()),
            PemSource::Text(_) => None,
        });
        pems.filter(|_| self.has_tls()).chain([self.settings.dns_hostsfile.clone()]).collect()
    }

    fn engine(&self) -> Result<Engine<'_>, Wrong> {
        Ok(Engine {
            registry: &self.registry,
            resolver: Arc::clone(&self.parts.resolver),
            signing: WorkPool::new(Arc::clone(&self.parts.signing) as _),
            signing_backend: self.settings.signing_backend,
            meters: Arc::clone(&self.parts.meters),
            log_files: Arc::clone(&self.parts.log_files),
            hashing: WorkPool::new(Arc::clone(&self.parts.hashing) as _),
            backgrounds: Arc::clone(&self.parts.backgrounds),
            key_sets: Purpose::Serve,
            tls: self.terms().map_err(Wrong::Settings)?,
            // Read anew: those of the system change, too.
            system_authorities: Arc::default(),
            upstream_idle: self.settings.upstream_keepalive_idle_timeout,
            invalid_entities: self.settings.invalid_entities,
        })
    }

    fn has_tls(&self) -> bool {
        self.settings.proxy_listen.iter().any(|listener| listener.ssl)
    }

    /// How TLS listeners speak, if there are any. A certificate that was made at start is kept.
    fn terms(&self) -> Result<Option<Arc<Terms>>, String> {
        if !self.has_tls() {
            return Ok(None);
        }
        let known = &mut *self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|terms| terms.self_signed) {
            return Ok(known.clone());
        }
        let terms = Arc::new(Terms::load(&self.settings.tls)?);
        if terms.self_signed {
            info!(
                "no ssl_cert: clients get a certificate made just now for server names that the configuration has none for"
            );
        }
        Ok(known.insert(terms).clone().into())
    }
}

/// The hosts file of the settings.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn hosts(settings: &Settings) -> Result<HostsFile, String> {
    let path = &settings.dns_hostsfile;
    let wrong = |error: io::Error| format!("dns_hostsfile: {}: {error}", path.display());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        // A container may have none; one that was asked for by name must be there.
        Err(_) if *path == Settings::default().dns_hostsfile => String::new(),
        Err(error) => return Err(wrong(error)),
    };
    HostsFile::parse(text).map_err(wrong)
}

/// Says which routes are out of service.
pub(super) fn tell_quarantined(prepared: &Prepared) {
    for entry in prepared.snapshot.routes.iter().filter(|entry| entry.quarantined) {
        let route = entry.route.name.as_deref().unwrap_or(&entry.route.id);
        warn!(route, "quarantined: the route answers 503 until its mistakes are mended");
    }
}

/// The files that a text names. Directories of keys are followed by their key sets.
fn referenced(loaded: &Result<Loaded, LoadErrors>) -> Vec<PathBuf> {
    let loaded = match loaded {
        Ok(loaded) => Some(loaded),
        Err(errors) => errors.partial.as_deref(),
    };
    let Some(Loaded { model, base, .. }) = loaded else { return Vec::new() };
    let keys = model.keys.iter().filter_map(|key| match &key.material {
        Some(KeyMaterial::File(path)) => Some(base.join(path)),
        _ => None,
    });
    keys.collect()
}
