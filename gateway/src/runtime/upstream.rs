//! A service as something to connect to.

mod tls;
mod unhurried;

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use pingora::{
    protocols::Digest,
    upstreams::peer::{ALPN, HttpPeer, HttpUpstreamRequestPolicy},
};
use signet_plugin_api::Service;

pub use self::tls::{SystemAuthorities, TlsTerms, Verification};
use self::{tls::UpstreamTls, unhurried::Unhurried};
use super::resolver::{Endpoint, Unresolved};

/// Requests at a time on one connection of HTTP/2, unless the upstream allows fewer (most servers' own limit).
const H2_STREAMS: usize = 100;

/// One service, compiled.
#[derive(Debug)]
pub struct Upstream {
    /// The entity.
    pub service: Arc<Service>,
    /// `Host` of the upstream request unless the route preserves the client's.
    pub host_header: HeaderValue,
    endpoint: Endpoint,
    template: HttpPeer,
    tls: Option<UpstreamTls>,
}

/// What a request asks of its connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demand<'h> {
    /// It has headers that are for one hop only.
    pub sanitize: bool,
    /// It asks to change the protocol.
    pub upgrade: bool,
    /// The client's `Host`, where the upstream is to get it.
    pub preserved_host: Option<&'h str>,
}

/// The service's host does not resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAddress;

impl Upstream {
    /// Prepares a service; `idle` is how long its connections are kept when nothing uses them. `terms` count where the
    /// service's protocol is one over TLS.
    pub fn new(
        service: Arc<Service>,
        host_header: HeaderValue,
        endpoint: Endpoint,
        idle: Option<Duration>,
        terms: TlsTerms,
    ) -> Self {
        let placeholder = std::net::SocketAddr::from(([0, 0, 0, 0], service.port));
        let mut template = HttpPeer::new(placeholder, false, String::new());
        let options = &mut template.options;
        options.connection_timeout = Some(Duration::from_millis(service.connect_timeout));
        options.total_connection_timeout = options.connection_timeout;
        options.read_timeout = Some(Duration::from_millis(service.read_timeout));
        options.write_timeout = Some(Duration::from_millis(service.write_timeout));
        options.idle_timeout = idle;
        let h2 = service.protocol.is_grpc();
        if h2 {
            options.alpn = ALPN::H2;
            options.max_h2_streams = H2_STREAMS;
        }
        let tls = service.protocol.is_tls().then(|| UpstreamTls::prepare(terms, &service.host, h2, &mut template));
        Self { service, host_header, endpoint, template, tls }
    }

    /// Where the next attempt goes.
    ///
    /// # Errors
    /// When the host does not resolve.
    pub async fn peer(&self, demand: Demand<'_>) -> Result<Box<HttpPeer>, NoAddress> {
        let address = self.endpoint.address().await.map_err(|Unresolved| NoAddress)?;
        let mut peer = Box::new(self.template.clone());
        peer._address = address.into();
        if let Some(tls) = &self.tls {
            tls.address(&mut peer, demand.preserved_host);
        }
        if !demand.sanitize {
            peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        }
        if demand.upgrade {
            peer.options.custom_l4 = Some(Arc::new(Unhurried));
            // Such a connection ends with its request.
            peer.options.idle_timeout = Some(Duration::from_millis(1));
            peer.group_key = !peer.group_key;
        }
        Ok(peer)
    }

    /// Whether a connection may be used for what `peer` says. Without TLS any may.
    ///
    /// # Errors
    /// The reason to use it for nothing.
    pub fn vet(&self, peer: &HttpPeer, digest: Option<&Digest>) -> Result<(), String> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.vet(peer, digest))
    }

    /// How often a request may be tried.
    pub fn attempts(&self) -> u32 {
        self.service.retries.saturating_add(1)
    }
}
