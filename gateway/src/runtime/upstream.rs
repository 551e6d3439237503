//! A service as something to connect to.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use signet_plugin_api::Service;

use super::resolver::{Endpoint, Unresolved};

/// One service, compiled.
#[derive(Debug)]
pub struct Upstream {
    /// The entity.
    pub service: Arc<Service>,
    /// `Host` of the upstream request unless the route preserves the client's.
    pub host_header: HeaderValue,
    endpoint: Endpoint,
    template: HttpPeer,
}

/// The service's host does not resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAddress;

impl Upstream {
    /// Prepares a service; `idle` is how long its connections are kept when nothing uses them.
    pub fn new(service: Arc<Service>, host_header: HeaderValue, endpoint: Endpoint, idle: Option<Duration>) -> Self {
        let placeholder = std::net::SocketAddr::from(([0, 0, 0, 0], service.port));
        let mut template = HttpPeer::new(placeholder, false, String::new());
        let options = &mut template.options;
        options.connection_timeout = Some(Duration::from_millis(service.connect_timeout));
        options.total_connection_timeout = options.connection_timeout;
        options.read_timeout = Some(Duration::from_millis(service.read_timeout));
        options.write_timeout = Some(Duration::from_millis(service.write_timeout));
        options.idle_timeout = idle;
        Self { service, host_header, endpoint, template }
    }

    /// Where the next attempt goes. `sanitize`: the request has headers that are for one hop only.
    ///
    /// # Errors
    /// When the host does not resolve.
    pub async fn peer(&self, sanitize: bool) -> Result<Box<HttpPeer>, NoAddress> {
        let address = self.endpoint.address().await.map_err(|Unresolved| NoAddress)?;
        let mut peer = Box::new(self.template.clone());
        peer._address = address.into();
        if !sanitize {
            peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        }
        Ok(peer)
    }

    /// How often a request may be tried.
    pub fn attempts(&self) -> u32 {
        self.service.retries.saturating_add(1)
    }
}
