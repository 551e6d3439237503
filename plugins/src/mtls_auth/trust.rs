//! Whether a chain leads to an authority that the configuration trusts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use openssl::{
    asn1::Asn1Time,
    error::ErrorStack,
    stack::Stack,
    x509::{
        X509, X509PurposeId, X509Ref, X509StoreContext,
        store::{X509Store, X509StoreBuilder},
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};
use signet_plugin_api::{Bytes, CaCertificate, CertificateChain, ConfigError};

/// How many certificates may stand between a client's and an authority's.
const LONGEST_PATH: usize = 10;

/// Keys and signatures of at least 112 bits, as OpenSSL asks of handshakes: no SHA-1, no RSA below 2048 bits.
const SECURITY_LEVEL: i32 = 2;

/// The authorities of one configuration.
pub(super) struct Trust {
    store: X509Store,
    /// The same authorities for certificates of any purpose, such as that of an OCSP responder.
    any_purpose: Arc<X509Store>,
    by_der: HashMap<Bytes, Arc<CaCertificate>>,
    names: Vec<Bytes>,
}

/// A chain that was verified.
pub(super) struct Verified {
    /// From the client's own certificate to the one that is trusted.
    pub(super) path: Vec<X509>,
    /// The configured authorities in its chain, nearest first.
    pub(super) authorities: Vec<Arc<CaCertificate>>,
    /// Until the first certificate of the chain expires.
    pub(super) remaining: Duration,
}

/// Why a chain is not trusted, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untrusted {
    #[error("{reason}, at depth {depth}")]
    Refused { reason: &'static str, depth: u32 },
    #[error("more than {LONGEST_PATH} intermediate certificates")]
    TooLong,
    #[error("the certificates cannot be read: {0}")]
    Unreadable(#[from] ErrorStack),
}

impl Trust {
    /// Trusts these certificates; with `partial`, also those of them that are not self-signed end a chain.
    pub(super) fn new(authorities: Vec<Arc<CaCertificate>>, partial: bool) -> Result<Self, ConfigError> {
        let unusable = |error: &ErrorStack| {
            ConfigError::new("ca_certificates", format!("the certificates cannot be used: {error}"))
        };
        let certificates = authorities.iter().map(|authority| X509::from_der(&authority.der));
        let certificates: Vec<X509> = certificates.collect::<Result<_, _>>().map_err(|error| unusable(&error))?;
        let names = certificates.iter().map(|certificate| certificate.subject_name().to_der().map(Bytes::from));
        let names = names.collect::<Result<_, _>>().map_err(|error| unusable(&error))?;
        let store_for = |purpose| store(&certificates, partial, purpose).map_err(|error| unusable(&error));
        let (store, any_purpose) = (store_for(Some(X509PurposeId::SSL_CLIENT))?, Arc::new(store_for(None)?));
        let by_der = authorities.into_iter().map(|authority| (authority.der.clone(), authority)).collect();
        Ok(Self { store, any_purpose, by_der, names })
    }

    /// The authorities, for certificates of any purpose.
    pub(super) fn any_purpose(&self) -> Arc<X509Store> {
        Arc::clone(&self.any_purpose)
    }

    /// The names of the authorities, DER.
    pub(super) fn names(&self) -> &[Bytes] {
        &self.names
    }

    /// Verifies signatures, validity, basic constraints and key usages of a chain, for a TLS client.
    pub(super) fn verify(&self, chain: &CertificateChain) -> Result<Verified, Untrusted> {
        if chain.intermediates.len() > LONGEST_PATH {
            return Err(Untrusted::TooLong);
        }
        let leaf = X509::from_der(&chain.leaf)?;
        let mut sent = Stack::new()?;
        for intermediate in &chain.intermediates {
            sent.push(X509::from_der(intermediate)?)?;
        }
        let path = self.path(&leaf, &sent)?;
        let mut authorities = Vec::new();
        for certificate in path.iter().skip(1) {
            authorities.extend(self.by_der.get(&*certificate.to_der()?).map(Arc::clone));
        }
        let remaining = remaining(&path)?;
        Ok(Verified { path, authorities, remaining })
    }

    fn path(&self, leaf: &X509Ref, sent: &Stack<X509>) -> Result<Vec<X509>, Untrusted> {
        let mut context = X509StoreContext::new()?;
        context.init(&self.store, leaf, sent, |context| {
            Ok(match context.verify_cert()? {
                true => Ok(context.chain().into_iter().flatten().map(ToOwned::to_owned).collect()),
                false => {
                    Err(Untrusted::Refused { reason: context.error().error_string(), depth: context.error_depth() })
                }
            })
        })?
    }
}

fn store(certificates: &[X509], partial: bool, purpose: Option<X509PurposeId>) -> Result<X509Store, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for certificate in certificates {
        store.add_cert(certificate.clone())?;
    }
    let mut rules = X509VerifyParam::new()?;
    if let Some(purpose) = purpose {
        rules.set_purpose(purpose)?;
    }
    rules.set_auth_level(SECURITY_LEVEL);
    rules.set_depth(i32::try_from(LONGEST_PATH).unwrap_or(i32::MAX));
    if partial {
        rules.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    }
    store.set_param(&rules)?;
    Ok(store.build())
}

fn remaining(path: &[X509]) -> Result<Duration, ErrorStack> {
    let now = Asn1Time::days_from_now(0)?;
    let mut shortest = Duration::MAX;
    for certificate in path {
        let left = now.diff(certificate.not_after())?;
        let seconds = i64::from(left.days) * 24 * 60 * 60 + i64::from(left.secs);
        shortest = shortest.min(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    }
    Ok(shortest)
}
