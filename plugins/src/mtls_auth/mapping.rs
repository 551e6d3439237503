//! `mtls_auth_credentials`: names in certificates that belong to a consumer.

use std::sync::Arc;

use hashbrown::HashMap;
use openssl::x509::X509;
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::{Bytes, CaCertificate, ConfigError, Consumer, CredentialRecord, CredentialStore, Scope};

/// One of `mtls_auth_credentials`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The name in the certificate: its common name, or an alternative one.
    subject_name: String,
    /// The authority that must have issued the certificate: its id, or itself as PEM. None: any.
    ca_certificate: Option<AuthorityRef>,
}

/// The authority that must have issued the certificate: its id, also as `{id: …}`, or itself as PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
enum AuthorityRef {
    Id(Arc<str>),
    Der(#[schemars(with = "String")] Bytes),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the id of a CA certificate, or the certificate as PEM")]
enum Written {
    Text(String),
    Reference { id: String },
}

/// Every mapping, by the name in the certificate.
pub(crate) struct Mappings(HashMap<Box<str>, Vec<Mapping>>);

/// A name that belongs to a consumer.
pub(super) struct Mapping {
    pub(super) id: Arc<str>,
    pub(super) consumer: Arc<Consumer>,
    authority: Option<AuthorityRef>,
}

impl Mappings {
    /// The consumer of the first of `names` for one of the authorities of the chain, else for any authority.
    pub(super) fn find<'n>(
        &self,
        names: impl Iterator<Item = &'n str> + Clone,
        authorities: &[Arc<CaCertificate>],
    ) -> Option<&Mapping> {
        let of_chain = |mapping: &&Mapping| {
            mapping.authority.as_ref().is_some_and(|wanted| authorities.iter().any(|known| wanted.is(known)))
        };
        let for_all = |mapping: &&Mapping| mapping.authority.is_none();
        let mut known = names.clone().filter_map(|name| self.0.get(name));
        known
            .clone()
            .find_map(|mappings| mappings.iter().find(of_chain))
            .or_else(|| known.find_map(|mappings| mappings.iter().find(for_all)))
    }

    /// A mapping that could never count, for the operator.
    ///
    /// # Errors
    /// When one names an authority that the file does not have.
    pub(super) fn review(&self, scope: &Scope<'_>) -> Result<(), ConfigError> {
        for (name, mapping) in self.0.iter().flat_map(|(name, all)| all.iter().map(move |mapping| (name, mapping))) {
            if let Some(AuthorityRef::Id(id)) = &mapping.authority
                && scope.ca_certificate(id).is_none()
            {
                let reason =
                    format!("no CA certificate has the id `{id}`, which `mtls_auth_credentials` names for `{name}`");
                return Err(ConfigError::new("", reason));
            }
        }
        Ok(())
    }
}

impl AuthorityRef {
    fn is(&self, authority: &CaCertificate) -> bool {
        match self {
            Self::Id(id) => *id == authority.id,
            Self::Der(der) => *der == authority.der,
        }
    }
}

impl CredentialStore for Mappings {
    const COLLECTION: &'static str = "mtls_auth_credentials";
    /// Kong has no single unique field: a name may stand once for each authority.
    const UNIQUE: &'static str = "";
    type Entry = Entry;

    fn build(records: Vec<CredentialRecord<Entry>>) -> Result<Self, Vec<(usize, ConfigError)>> {
        let mut by_name: HashMap<Box<str>, Vec<Mapping>> = HashMap::new();
        let mut errors = Vec::new();
        for (position, CredentialRecord { id, consumer, entry }) in records.into_iter().enumerate() {
            let Entry { subject_name, ca_certificate: authority } = entry;
            if subject_name.is_empty() {
                errors.push((position, ConfigError::new("subject_name", "must not be empty")));
                continue;
            }
            let same_name = by_name.entry(subject_name.as_str().into()).or_default();
            if same_name.iter().any(|other| other.authority == authority) {
                let reason = format!("`{subject_name}` stands twice for the same authority");
                errors.push((position, ConfigError::new("subject_name", reason)));
                continue;
            }
            same_name.push(Mapping { id, consumer, authority });
        }
        if errors.is_empty() { Ok(Self(by_name)) } else { Err(errors) }
    }
}

impl TryFrom<Written> for AuthorityRef {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) if text.trim_start().starts_with("-----BEGIN") => {
                let certificate = X509::from_pem(text.as_bytes()).and_then(|certificate| certificate.to_der());
                certificate.map(|der| Self::Der(der.into())).map_err(|error| format!("not a certificate: {error}"))
            }
            Written::Text(id) | Written::Reference { id } => Ok(Self::Id(id.into())),
        }
    }
}
