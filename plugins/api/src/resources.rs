//! What the engine owns and plugins use: one value for a whole configuration.

use std::{collections::HashMap, fmt, io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Backgrounds, Concealed, Consumers, CredentialStores, KeySet, LogFiles, Meters, SigningBackend, WorkPool,
    logs::Nowhere,
};

/// Consumers, credentials, certificates and services of the engine, for [`crate::Scope`].
#[derive(Debug, Clone)]
pub struct Resources {
    /// All consumers.
    pub consumers: Arc<Consumers>,
    /// All credentials.
    pub credentials: Arc<CredentialStores>,
    /// `ca_certificates`.
    pub ca_certificates: Arc<CaCertificates>,
    /// `key_sets`.
    pub key_sets: Arc<KeySets>,
    /// The threads that sign.
    pub signing: WorkPool,
    /// What they sign with.
    pub signing_backend: SigningBackend,
    /// The threads for what takes longer than a signature.
    pub hashing: WorkPool,
    /// What outlives one configuration.
    pub backgrounds: Arc<Backgrounds>,
    /// Names to addresses, as services are looked up.
    pub names: Arc<dyn Names>,
    /// The series of plugins.
    pub meters: Arc<Meters>,
    /// Files that plugins log to.
    pub log_files: Arc<dyn LogFiles>,
    /// What no log may show.
    pub concealed: Arc<Concealed>,
}

/// `key_sets` of a configuration, by name and by id.
pub type KeySets = HashMap<Arc<str>, Arc<KeySet>>;

/// `ca_certificates` of a configuration, by id.
pub type CaCertificates = HashMap<Arc<str>, Arc<CaCertificate>>;

/// An authority that plugins may trust (Kong: `ca_certificates`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCertificate {
    /// Its UUID.
    pub id: Arc<str>,
    /// The certificate, DER.
    pub der: Bytes,
}

/// Looks names up as the gateway does for services: overrides, the hosts file, DNS.
#[async_trait]
pub trait Names: Send + Sync {
    /// The addresses of a host; literals are their own.
    ///
    /// # Errors
    /// When it has none.
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

impl Default for Resources {
    /// Nothing configured, work done in the caller, no names: for tests.
    fn default() -> Self {
        Self {
            consumers: Arc::default(),
            credentials: Arc::default(),
            ca_certificates: Arc::default(),
            key_sets: Arc::default(),
            signing: WorkPool::inline(),
            signing_backend: SigningBackend::default(),
            hashing: WorkPool::inline(),
            backgrounds: Arc::default(),
            names: Arc::new(Literals),
            meters: Arc::default(),
            log_files: Arc::new(Nowhere),
            concealed: Arc::default(),
        }
    }
}

/// Addresses only.
struct Literals;

#[async_trait]
impl Names for Literals {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse();
        ip.map(|ip| vec![SocketAddr::new(ip, port)]).map_err(|_| io::ErrorKind::NotFound.into())
    }
}

impl fmt::Debug for dyn Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}
