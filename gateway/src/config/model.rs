//! What a file declares: flat, references resolved to positions, defaults filled in, without behaviour.

use std::{fmt, path::PathBuf, sync::Arc};

use signet_keys::Algorithm;
use signet_plugin_api::{Consumer, ConsumerGroup, Protocol, RawConfig, Route, Service};
use zeroize::Zeroizing;

use super::At;

/// The entities of one file. A reference is the position in the vector of its kind.
#[derive(Debug, Default)]
pub struct Model {
    /// In the order of the file.
    pub vaults: Vec<VaultDecl>,
    /// In the order of the file.
    pub certificates: Vec<CertificateDecl>,
    /// In the order of the file.
    pub ca_certificates: Vec<CaCertificateDecl>,
    /// In the order of the file.
    pub key_sets: Vec<KeySetDecl>,
    /// Of all sets, and those of none.
    pub keys: Vec<KeyDecl>,
    /// In the order of the file.
    pub services: Vec<ServiceDecl>,
    /// In the order of the file.
    pub routes: Vec<RouteDecl>,
    /// In the order of the file.
    pub consumers: Vec<ConsumerDecl>,
    /// In the order of the file.
    pub consumer_groups: Vec<ConsumerGroupDecl>,
    /// Those that are switched off, too.
    pub plugins: Vec<PluginDecl>,
    /// Of all collections.
    pub credentials: Vec<CredentialDecl>,
}

/// What every entity has for those who look after it.
#[derive(Debug, Clone, Default)]
pub struct Stamp {
    /// `tags`
    pub tags: Vec<String>,
    /// In seconds since 1970, if the file says so.
    pub created_at: Option<i64>,
    /// The same.
    pub updated_at: Option<i64>,
}

/// A vault: another name for the environment.
#[derive(Debug)]
pub struct VaultDecl {
    /// Its UUID.
    pub id: Arc<str>,
    /// What references name it by.
    pub prefix: String,
    /// `description`
    pub description: Option<String>,
    /// What the names of its variables begin with.
    pub variables: String,
    /// `tags` and times.
    pub stamp: Stamp,
}

/// A certificate with its key, for the server names that are its own and for services that want one of us.
#[derive(Debug)]
pub struct CertificateDecl {
    /// Its UUID.
    pub id: Arc<str>,
    /// The certificate, then its intermediates; empty when it is missing.
    pub cert: Pem,
    /// The private key; empty when it is missing.
    pub key: Pem,
    /// The same for the other kind of key (`cert_alt`, `key_alt`): RSA besides ECDSA.
    pub alternative: Option<(Pem, Pem)>,
    /// Its names.
    pub snis: Vec<SniDecl>,
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

/// A server name of a certificate.
#[derive(Debug)]
pub struct SniDecl {
    /// Its UUID.
    pub id: Arc<str>,
    /// In lower case, without a dot at its end: a name, `*.a.test`, `a.*` or `*`.
    pub name: Arc<str>,
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

/// An authority and its place.
#[derive(Debug)]
pub struct CaCertificateDecl {
    /// Its UUID.
    pub id: Arc<str>,
    /// One certificate; empty when it is missing.
    pub cert: Pem,
    /// `cert_digest`: its SHA-256 in lower-case hexadecimal.
    pub digest: Option<String>,
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

/// A set of keys, of which one signs at a time.
#[derive(Debug)]
pub struct KeySetDecl {
    /// Its UUID.
    pub id: Arc<str>,
    /// `name`
    pub name: Option<Arc<str>>,
    /// Where its keys are; as written, relative to the file. Such a set has no [`KeyDecl`].
    pub directory: Option<PathBuf>,
    /// Of keys that are generated, and of PEM files, which do not say.
    pub algorithm: Option<Algorithm>,
    /// For how many seconds a key signs; with it, the gateway generates keys into the directory.
    pub rotate_every: Option<u64>,
    /// For how many seconds verifiers can see a key before it signs.
    pub publish_before: u64,
    /// For how many seconds they can see it afterwards.
    pub retire_after: u64,
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

/// A key, not yet read.
#[derive(Debug)]
pub struct KeyDecl {
    /// Its UUID.
    pub id: Arc<str>,
    /// `name`
    pub name: Option<Arc<str>>,
    /// What it belongs to; a key of no set is used by nothing.
    pub set: Option<usize>,
    /// What verifiers find it by; without one the key says, or its thumbprint.
    pub kid: Option<Arc<str>>,
    /// The key itself; none when it is missing or wrong, which has been reported.
    pub material: Option<KeyMaterial>,
    /// From when it may sign, in seconds since 1970.
    pub not_before: Option<u64>,
    /// Until when.
    pub not_after: Option<u64>,
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

/// Where a key is.
#[derive(Debug)]
pub enum KeyMaterial {
    /// A JWK (RFC 7517), as text.
    Jwk(Secret),
    /// One half or both.
    Pem {
        /// `pem.private_key`
        private: Option<Secret>,
        /// `pem.public_key`
        public: Option<Secret>,
    },
    /// A JWK or PEM; as written, relative to the file.
    File(PathBuf),
}

/// A text that nobody may see; it is wiped when it is dropped.
pub struct Secret(Zeroizing<String>);

/// A PEM text as it stands in a file. It may be a private key.
#[derive(Clone, Default)]
pub struct Pem(String);

/// A service and its place.
#[derive(Debug)]
pub struct ServiceDecl {
    /// The entity.
    pub service: Arc<Service>,
    /// The certificate that it is shown.
    pub client_certificate: Option<usize>,
    /// The authorities that it is verified by; `None` are the system's.
    pub ca_certificates: Option<Vec<usize>>,
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
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

/// A group of consumers and its place; who is in it, the consumers know.
#[derive(Debug)]
pub struct ConsumerGroupDecl {
    /// The entity.
    pub group: Arc<ConsumerGroup>,
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

/// A plugin in one place. Without service, route, consumer and group it is global.
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
    /// On requests of consumers in this group; never together with a consumer.
    pub consumer_group: Option<usize>,
    /// `tags` and times.
    pub stamp: Stamp,
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
    /// `tags` and times.
    pub stamp: Stamp,
    /// Where it stands.
    pub at: At,
}

impl Secret {
    /// Any text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Pem {
    /// Any text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether it is missing or wrong, which has been reported.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without white space, which changes nothing in it.
    pub(super) fn compact(&self) -> String {
        self.0.split_whitespace().collect()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem")
    }
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
