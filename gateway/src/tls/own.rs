//! Handshakes of a listener that has nothing to do with the declarative file: one certificate, and clients that must show theirs.

use std::{fmt, sync::Arc};

use openssl::{
    error::ErrorStack,
    ssl::{SniError, SslAcceptor, SslAlert, SslOptions, SslSessionCacheMode, SslVerifyMode},
    stack::Stack,
    x509::{X509, store::X509StoreBuilder},
};

use super::{Terms, handshakes, terms};
use crate::settings::PemSource;

/// Both kinds of listeners.
pub(crate) struct OwnHandshakes {
    http1: SslAcceptor,
    http2: SslAcceptor,
}

impl OwnHandshakes {
    /// Prepares them. With authorities, a client without a certificate of theirs is refused.
    ///
    /// # Errors
    /// `client_ca: what is wrong`.
    pub(crate) fn new(terms: &Terms, authorities: &[PemSource]) -> Result<Self, String> {
        let mut trusted = Vec::new();
        for source in authorities {
            let pem = terms::read("client_ca", source)?;
            let found = X509::stack_from_pem(pem.as_bytes()).unwrap_or_default();
            if found.is_empty() {
                return Err("client_ca: expected certificates in PEM".to_owned());
            }
            trusted.extend(found);
        }
        let acceptor = |http2| acceptor(terms, &trusted, http2).map_err(|error| format!("client_ca: {error}"));
        Ok(Self { http1: acceptor(false)?, http2: acceptor(true)? })
    }

    /// The acceptor of a kind of listener.
    pub(super) fn acceptor(&self, http2: bool) -> SslAcceptor {
        if http2 { self.http2.clone() } else { self.http1.clone() }
    }
}

impl fmt::Debug for OwnHandshakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnHandshakes")
    }
}

fn acceptor(terms: &Terms, trusted: &[X509], http2: bool) -> Result<SslAcceptor, ErrorStack> {
    let mut builder = terms.acceptor()?;
    handshakes::offer(&mut builder, http2);
    // A client proves who it is each time.
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    if !trusted.is_empty() {
        let (mut store, mut names) = (X509StoreBuilder::new()?, Stack::new()?);
        for authority in trusted {
            store.add_cert(authority.clone())?;
            names.push(authority.subject_name().to_owned()?)?;
        }
        builder.set_verify_cert_store(store.build())?;
        builder.set_client_ca_list(names);
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    let default = Arc::clone(&terms.default);
    builder.set_servername_callback(move |ssl, alert| {
        if ssl.certificate().is_some() {
            return Ok(());
        }
        default.iter().try_for_each(|pair| handshakes::present(ssl, pair)).map_err(|_| {
            *alert = SslAlert::INTERNAL_ERROR;
            SniError::ALERT_FATAL
        })
    });
    Ok(builder.build())
}
