//! What a plugin may ask of the engine while it compiles.

use std::{any::Any, cell::RefCell, path::Path, sync::Arc};

use crate::{
    Background, CaCertificate, Concealed, ConfigError, Consumer, Consumers, CredentialStore, KeySet, LogFile, Meters,
    Names, Resources, SigningBackend, WorkPool, nearest,
};

/// Consumers, credentials and resources of the configuration that is being compiled. `compile` takes handles only;
/// nothing starts before the configuration is published.
#[derive(Debug)]
pub struct Scope<'a> {
    resources: &'a Resources,
    warnings: RefCell<Vec<ConfigError>>,
    digest: [u8; 32],
}

impl<'a> Scope<'a> {
    /// Made by the engine for each plugin, and by tests.
    pub fn new(resources: &'a Resources) -> Self {
        Self { resources, warnings: RefCell::default(), digest: [0; 32] }
    }

    /// For a configuration of this digest.
    #[must_use]
    pub fn with_digest(self, digest: [u8; 32]) -> Self {
        Self { digest, ..self }
    }

    /// The SHA-256 of the plugin's configuration as it stands in the file, references resolved. Never shown: it is made of
    /// secrets, too.
    pub fn config_digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// All consumers, to look one up per request.
    pub fn consumers(&self) -> Arc<Consumers> {
        Arc::clone(&self.resources.consumers)
    }

    /// The consumer that `anonymous` names, by id or user name.
    ///
    /// # Errors
    /// When there is none.
    pub fn anonymous(&self, id_or_username: Option<&str>) -> Result<Option<Arc<Consumer>>, ConfigError> {
        self.consumer("anonymous", id_or_username)
    }

    /// The consumer that a field names, by id or user name; an empty one names nobody.
    ///
    /// # Errors
    /// When there is none.
    pub fn consumer(&self, field: &str, id_or_username: Option<&str>) -> Result<Option<Arc<Consumer>>, ConfigError> {
        let Some(wanted) = id_or_username.filter(|wanted| !wanted.is_empty()) else { return Ok(None) };
        match self.resources.consumers.find(wanted) {
            Some(consumer) => Ok(Some(Arc::clone(consumer))),
            None => Err(ConfigError::new(field, format!("no consumer has the id or username `{wanted}`"))),
        }
    }

    /// The index of a kind of credential that this plugin declares.
    ///
    /// # Errors
    /// When the plugin does not list it in [`crate::Plugin::CREDENTIALS`].
    pub fn credentials<S: CredentialStore>(&self) -> Result<Arc<S>, ConfigError> {
        self.resources
            .credentials
            .get()
            .ok_or_else(|| ConfigError::new("", format!("no plugin declares the credentials `{}`", S::COLLECTION)))
    }

    /// An authority of `ca_certificates`, by its id.
    pub fn ca_certificate(&self, id: &str) -> Option<Arc<CaCertificate>> {
        self.resources.ca_certificates.get(id).map(Arc::clone)
    }

    /// A set of `key_sets`, by its name or id.
    ///
    /// # Errors
    /// When there is none.
    pub fn key_set(&self, field: &str, name_or_id: &str) -> Result<Arc<KeySet>, ConfigError> {
        match self.resources.key_sets.get(name_or_id) {
            Some(set) => Ok(Arc::clone(set)),
            None => Err(ConfigError::new(field, self.no_key_set(name_or_id))),
        }
    }

    fn no_key_set(&self, wanted: &str) -> String {
        // A name of one letter is near to any other.
        let names = self.resources.key_sets.keys().map(|name| &**name).filter(|name| name.len() > 1);
        match nearest(wanted, names) {
            Some(name) => format!("no key set has the name or id `{wanted}`; did you mean `{name}`?"),
            None => format!("no key set has the name or id `{wanted}`"),
        }
    }

    /// What makes signatures.
    pub fn signing_backend(&self) -> SigningBackend {
        self.resources.signing_backend
    }

    /// The series of plugins.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.resources.meters
    }

    /// A file of lines that the engine writes; see [`crate::LogFiles::file`].
    pub fn log_file(&self, path: &Path, reopen: bool) -> Arc<dyn LogFile> {
        self.resources.log_files.file(path, reopen)
    }

    /// The values of headers and query arguments of this name are credentials: logs do not show them.
    pub fn conceal(&self, name: &str) {
        self.resources.concealed.add(name);
    }

    /// What no log may show: for a plugin that logs. It is complete when the configuration is served.
    pub fn concealed(&self) -> Arc<Concealed> {
        Arc::clone(&self.resources.concealed)
    }

    /// The threads that sign.
    pub fn signing_pool(&self) -> WorkPool {
        self.resources.signing.clone()
    }

    /// The threads for what takes longer than a signature: passwords, long lists.
    pub fn hashing_pool(&self) -> WorkPool {
        self.resources.hashing.clone()
    }

    /// Names to addresses, as the gateway looks services up.
    pub fn names(&self) -> Arc<dyn Names> {
        Arc::clone(&self.resources.names)
    }

    /// A value that survives a reload: the same type and key give the same value as long as some configuration holds it.
    /// The key must say all that the value was made from.
    pub fn shared<T: Any + Send + Sync>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        self.resources.backgrounds.shared(key, make)
    }

    /// The same for a value with work of its own, which starts when the configuration is published.
    pub fn background<T: Background>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        self.resources.backgrounds.background(key, make)
    }

    /// Tells the operator of something legal but unwise, by `check` and at start.
    pub fn warn(&self, field: impl Into<String>, reason: impl Into<String>) {
        self.warnings.borrow_mut().push(ConfigError::new(field, reason));
    }

    /// The warnings so far.
    pub fn into_warnings(self) -> Vec<ConfigError> {
        self.warnings.into_inner()
    }
}
