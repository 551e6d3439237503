//! Who the client is, and what it said about itself, as far as `trusted_ips` allow to believe it.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use pingora_proxy::Session;
use signet_plugin_api::{Client, Scheme, TlsConnection};

use crate::tls::Established;

/// Which peers may speak for others.
#[derive(Debug)]
pub(crate) struct Trust {
    /// `trusted_ips`.
    pub networks: Vec<IpNet>,
    /// `real_ip_header`.
    pub header: HeaderName,
    /// `real_ip_recursive`: skip trusted addresses from the right.
    pub recursive: bool,
}

/// The client of one request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What plugins see.
    pub client: Client,
    /// The address of the connection, which `X-Forwarded-For` gets appended.
    pub peer: IpAddr,
    /// Whether the peer may set `X-Forwarded-*`.
    pub trusted: bool,
    /// The scheme that counts for routing: the connection's, or what a trusted peer forwarded.
    pub scheme: Scheme,
}

impl Trust {
    /// Looks at the connection and, if its peer is trusted, at what it forwarded.
    pub(crate) fn caller(&self, session: &Session) -> Caller {
        let peer = address(session.client_addr());
        let port = session.server_addr().and_then(|address| address.as_inet()).map_or(0, std::net::SocketAddr::port);
        self.caller_of(&session.req_header().headers, peer, port, handshake(session))
    }

    /// The same from the facts of a connection.
    pub(super) fn caller_of(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        port: u16,
        tls: Option<Arc<TlsConnection>>,
    ) -> Caller {
        let trusted = self.trusts(peer);
        let connection = if tls.is_some() { Scheme::Https } else { Scheme::Http };
        let scheme = if trusted { forwarded_scheme(headers).unwrap_or(connection) } else { connection };
        let ip = if trusted { self.real_ip(headers).unwrap_or(peer) } else { peer };
        Caller { client: Client { ip, scheme: connection, port, tls }, peer, trusted, scheme }
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        !self.networks.is_empty() && self.networks.iter().any(|network| network.contains(&ip))
    }

    /// The last address of the header; with `recursive` the last that is not trusted itself.
    fn real_ip(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut addresses = headers.get_all(&self.header).iter().rev().filter_map(|value| value.to_str().ok());
        if !self.recursive {
            return addresses.next()?.rsplit(',').next().and_then(parse);
        }
        let mut leftmost = None;
        for address in addresses.flat_map(|value| value.rsplit(',')) {
            let ip = parse(address)?;
            leftmost = Some(ip);
            if !self.trusts(ip) {
                break;
            }
        }
        leftmost
    }
}

/// The host that the client asked for, without a port.
pub(super) fn host_without_port(host: &str) -> &str {
    if let Some(end) = host.find(']') {
        return host.get(..=end).unwrap_or(host);
    }
    host.split(':').next().unwrap_or(host)
}

/// What the handshake of the connection said, if it is TLS.
fn handshake(session: &Session) -> Option<Arc<TlsConnection>> {
    let tls = session.digest()?.ssl_digest.as_ref()?;
    let Established(connection) = tls.extension.get()?;
    Some(Arc::clone(connection))
}

fn address(address: Option<&pingora::protocols::l4::socket::SocketAddr>) -> IpAddr {
    let unknown = IpAddr::from([0, 0, 0, 0]);
    address.and_then(|address| address.as_inet()).map_or(unknown, |address| address.ip().to_canonical())
}

fn forwarded_scheme(headers: &HeaderMap) -> Option<Scheme> {
    match headers.get("x-forwarded-proto")?.to_str().ok()? {
        "https" => Some(Scheme::Https),
        "http" => Some(Scheme::Http),
        _ => None,
    }
}

/// An address with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn trust(recursive: bool) -> Trust {
        let networks = vec!["127.0.0.1/32".parse().expect("a network")];
        Trust { networks, header: HeaderName::from_static("x-forwarded-for"), recursive }
    }

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|v| (HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_last_address_counts_unless_recursive() {
        let sent = headers(&["1.2.3.4, 5.6.7.8", "10.1.2.3, 127.0.0.1"]);
        assert_eq!(trust(false).real_ip(&sent), "127.0.0.1".parse().ok());
        assert_eq!(trust(true).real_ip(&sent), "10.1.2.3".parse().ok());
    }

    #[test]
    fn text_that_is_no_address_is_not_believed() {
        assert_eq!(trust(false).real_ip(&headers(&["unknown"])), None);
        assert_eq!(trust(true).real_ip(&headers(&["1.2.3.4, <script>, 127.0.0.1"])), None);
    }

    #[test]
    fn a_host_loses_its_port() {
        assert_eq!(host_without_port("a.test:81"), "a.test");
        assert_eq!(host_without_port("[::1]:81"), "[::1]");
        assert_eq!(host_without_port("a.test"), "a.test");
    }
}
