//! What the handshake of a client's TLS connection said.

use std::sync::Arc;

use bytes::Bytes;

/// A client's TLS connection, as it was when its handshake ended.
#[derive(Debug, Clone)]
pub struct TlsConnection {
    /// The server name that the client asked for (RFC 6066, 3), in lower case, without a dot at its end.
    pub sni: Option<Arc<str>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// What became of the client certificate.
    pub certificate: ClientCertificate,
}

/// The client certificate of a connection. Possession of its key is proven by the handshake; whether to trust it is the
/// decision of a plugin.
#[derive(Debug, Clone)]
pub enum ClientCertificate {
    /// The handshake did not ask for one: no route that could be reached by this server name needs one.
    NotAsked,
    /// It was asked for, and the client sent none.
    None,
    /// It was sent.
    Sent(Arc<CertificateChain>),
}

/// A certificate with the intermediates that came with it.
#[derive(Debug, Clone)]
pub struct CertificateChain {
    /// The client's own certificate, DER.
    pub leaf: Bytes,
    /// The others, in the order in which they were sent, DER.
    pub intermediates: Vec<Bytes>,
    /// SHA-256 over all of them, leaf first: the same digest is the same chain.
    pub digest: [u8; 32],
}

/// What a handler wants of the handshakes that can lead to its routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Names of authorities to send to the client, DER of each `Name`; none says nothing about authorities.
    pub authorities: Vec<Bytes>,
}
