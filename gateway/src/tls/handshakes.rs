//! How one configuration shakes hands: the certificate by server name, whether the client is asked for one, and what came of it.

use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use openssl::{
    error::ErrorStack,
    sha::Sha256,
    ssl::{
        AlpnError, NameType, SniError, SslAcceptor, SslAcceptorBuilder, SslAlert, SslOptions, SslRef,
        SslSessionCacheMode, SslVerifyMode, SslVersion, select_next_proto,
    },
    stack::Stack,
    x509::{X509Name, X509Ref},
};
use pingora::{listeners::TlsAccept, protocols::tls::TlsRef, tls::ext};
use signet_plugin_api::{CertificateChain, ClientCertificate, TlsConnection};
use tracing::error;

use super::{Asked, Certificates, Pair, Presented, Terms};

/// Sessions that can be resumed while client certificates are asked for anywhere.
const SESSIONS: i32 = 16_384;

/// Protocols as ALPN writes them, the best first.
const HTTP1: &[u8] = b"\x08http/1.1";
const HTTP2: &[u8] = b"\x02h2\x08http/1.1";

/// Both kinds of listeners.
pub(crate) struct Handshakes {
    http1: SslAcceptor,
    http2: SslAcceptor,
}

/// The facts of a connection, as its handshake leaves them.
pub(crate) struct Established(pub(crate) Arc<TlsConnection>);

/// Reads them, once per connection.
pub(crate) struct Facts;

/// What is chosen by server name.
struct Choice {
    certificates: Certificates,
    default: Presented,
    asked: Asked,
}

impl Handshakes {
    /// Prepares them. Sessions of another configuration are not resumed: who is asked for a certificate may have changed.
    ///
    /// # Errors
    /// When OpenSSL refuses.
    pub(crate) fn new(terms: &Terms, certificates: Certificates, asked: Asked) -> Result<Self, ErrorStack> {
        let choice = Arc::new(Choice { certificates, default: Arc::clone(&terms.default), asked });
        Ok(Self { http1: acceptor(terms, &choice, false)?, http2: acceptor(terms, &choice, true)? })
    }

    /// The acceptor of a kind of listener.
    pub(crate) fn acceptor(&self, http2: bool) -> SslAcceptor {
        if http2 { self.http2.clone() } else { self.http1.clone() }
    }
}

impl fmt::Debug for Handshakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshakes")
    }
}

#[async_trait]
impl TlsAccept for Facts {
    async fn handshake_complete_callback(&self, ssl: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let version = ssl.version_str();
        let connection = TlsConnection { sni: server_name(ssl).map(Arc::from), version, certificate: certificate(ssl) };
        Some(Arc::new(Established(Arc::new(connection))))
    }
}

fn acceptor(terms: &Terms, choice: &Arc<Choice>, http2: bool) -> Result<SslAcceptor, ErrorStack> {
    let mut builder = terms.acceptor()?;
    offer(&mut builder, http2);
    if choice.asked.is_empty() {
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    } else {
        // A resumed session has lost the client's intermediates. With tickets nothing could keep OpenSSL from issuing one
        // to a client of TLS 1.2 that was asked; of sessions in memory, those of clients that were asked are not kept.
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
        builder.set_session_cache_size(SESSIONS);
        let mut names = Stack::new()?;
        for authority in choice.asked.authorities() {
            names.push(X509Name::from_der(authority)?)?;
        }
        builder.set_client_ca_list(names);
    }
    let choice = Arc::clone(choice);
    builder.set_servername_callback(move |ssl, alert| {
        choice.prepare(ssl).map_err(|reason| {
            error!(%reason, "a certificate cannot be presented");
            *alert = SslAlert::INTERNAL_ERROR;
            SniError::ALERT_FATAL
        })
    });
    Ok(builder.build())
}

impl Choice {
    /// Called once a handshake has said for whom it is, or that it does not: again after a hello that has to be repeated.
    fn prepare(&self, ssl: &mut SslRef) -> Result<(), ErrorStack> {
        let name = server_name(ssl);
        if ssl.certificate().is_none() {
            let presented = name.as_deref().and_then(|name| self.certificates.find(name)).unwrap_or(&self.default);
            presented.iter().try_for_each(|pair| present(ssl, pair))?;
        }
        if self.asked.includes(name.as_deref()) {
            // The plugin verifies: which authorities count is a matter of the route.
            ssl.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
            ssl.set_num_tickets(0)?;
        }
        Ok(())
    }
}

/// Lets clients choose the version of HTTP.
pub(super) fn offer(builder: &mut SslAcceptorBuilder, http2: bool) {
    let protocols = if http2 { HTTP2 } else { HTTP1 };
    builder.set_alpn_select_callback(move |ssl, offered| {
        // HTTP/2 needs TLS 1.2 at least (RFC 9113, 9.2).
        let is_old = matches!(ssl.version2(), Some(SslVersion::TLS1 | SslVersion::TLS1_1));
        let protocols = if is_old { HTTP1 } else { protocols };
        // A client that speaks nothing of ours is told so (RFC 7301, 3.2).
        select_next_proto(protocols, offered).ok_or(AlpnError::ALERT_FATAL)
    });
}

/// Gives a handshake its certificate.
pub(super) fn present(ssl: &mut SslRef, pair: &Pair) -> Result<(), ErrorStack> {
    ext::ssl_use_certificate(ssl, &pair.leaf)?;
    ext::ssl_use_private_key(ssl, &pair.key)?;
    pair.intermediates.iter().try_for_each(|certificate| ext::ssl_add_chain_cert(ssl, certificate))
}

/// The name that the client asked for, as names are compared. What is no text names nobody.
fn server_name(ssl: &SslRef) -> Option<String> {
    let name = ssl.servername(NameType::HOST_NAME)?;
    Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()).filter(|name| !name.is_empty())
}

/// A resumed session was not asked, whatever the first one of its kind was: with it no certificate is requested.
fn certificate(ssl: &SslRef) -> ClientCertificate {
    if !ssl.verify_mode().contains(SslVerifyMode::PEER) || ssl.session_reused() {
        return ClientCertificate::NotAsked;
    }
    let Some(leaf) = ssl.peer_certificate() else { return ClientCertificate::None };
    let others = ssl.peer_cert_chain().into_iter().flatten().map(der).collect();
    match (der(&leaf), others) {
        (Some(leaf), Some(intermediates)) => ClientCertificate::Sent(Arc::new(chain(leaf, intermediates))),
        _ => ClientCertificate::None,
    }
}

/// A chain, with its digest.
pub(crate) fn chain(leaf: Bytes, intermediates: Vec<Bytes>) -> CertificateChain {
    let mut hash = Sha256::new();
    hash.update(&leaf);
    intermediates.iter().for_each(|certificate| hash.update(certificate));
    CertificateChain { digest: hash.finish(), leaf, intermediates }
}

fn der(certificate: &X509Ref) -> Option<Bytes> {
    certificate.to_der().ok().map(Bytes::from)
}
