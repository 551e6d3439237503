//! What a plugin may ask of the engine while it compiles.

use std::{cell::RefCell, sync::Arc};

use crate::{ConfigError, Consumer, Consumers, CredentialStore, CredentialStores, WorkPool};

/// Consumers, credentials and resources of the configuration that is being compiled. `compile` takes handles only;
/// nothing starts before the configuration is published.
#[derive(Debug)]
pub struct Scope<'a> {
    consumers: &'a Arc<Consumers>,
    credentials: &'a CredentialStores,
    signing: &'a WorkPool,
    warnings: RefCell<Vec<ConfigError>>,
}

impl<'a> Scope<'a> {
    /// Made by the engine for each plugin, and by tests.
    pub fn new(consumers: &'a Arc<Consumers>, credentials: &'a CredentialStores, signing: &'a WorkPool) -> Self {
        Self { consumers, credentials, signing, warnings: RefCell::default() }
    }

    /// All consumers, to look one up per request.
    pub fn consumers(&self) -> Arc<Consumers> {
        Arc::clone(self.consumers)
    }

    /// The consumer that `anonymous` names, by id or user name.
    ///
    /// # Errors
    /// When there is none.
    pub fn anonymous(&self, id_or_username: Option<&str>) -> Result<Option<Arc<Consumer>>, ConfigError> {
        let Some(wanted) = id_or_username.filter(|wanted| !wanted.is_empty()) else { return Ok(None) };
        match self.consumers.find(wanted) {
            Some(consumer) => Ok(Some(Arc::clone(consumer))),
            None => Err(ConfigError::new("anonymous", format!("no consumer has the id or username `{wanted}`"))),
        }
    }

    /// The index of a kind of credential that this plugin declares.
    ///
    /// # Errors
    /// When the plugin does not list it in [`crate::Plugin::CREDENTIALS`].
    pub fn credentials<S: CredentialStore>(&self) -> Result<Arc<S>, ConfigError> {
        self.credentials
            .get()
            .ok_or_else(|| ConfigError::new("", format!("no plugin declares the credentials `{}`", S::COLLECTION)))
    }

    /// The threads that sign.
    pub fn signing_pool(&self) -> WorkPool {
        self.signing.clone()
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
