//! Services to upstreams: their host, and the terms of their TLS.

use std::sync::Arc;

use http::HeaderValue;
use signet_plugin_api::{CaCertificates, ConfigError, Service};

use super::{Engine, Problems};
use crate::{
    config::{CaCertificateDecl, CertificateDecl, Model, ServiceDecl},
    runtime::{TlsTerms, Upstream, Verification},
    tls::Pair,
};

/// `tls_verify_depth` where a service does not say (Kong: `lua_ssl_verify_depth`).
const DEPTH: u8 = 1;

/// What the services of a file may refer to.
pub(super) struct Sources<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) certificates: &'a [CertificateDecl],
    pub(super) ca_certificates: &'a [CaCertificateDecl],
    /// Those of `ca_certificates` that could be read.
    pub(super) authorities: &'a CaCertificates,
}

impl<'a> Sources<'a> {
    /// Those of a model.
    pub(super) fn of(model: &'a Model, authorities: &'a CaCertificates, engine: &'a Engine<'a>) -> Self {
        Self { engine, certificates: &model.certificates, ca_certificates: &model.ca_certificates, authorities }
    }

    /// One service, compiled.
    pub(super) fn upstream(&self, decl: &ServiceDecl, problems: &mut Problems) -> Option<Arc<Upstream>> {
        let service = &decl.service;
        let Ok(host) = HeaderValue::from_str(&authority(service)) else {
            problems.mistake(&decl.at, ConfigError::new("host", "it cannot stand in a Host header"));
            return None;
        };
        let endpoint = self.engine.resolver.endpoint(&service.host, service.port);
        let mut terms = TlsTerms { verify: self.verification(decl, problems), client: None };
        // One that cannot be read has been reported.
        let client = decl.client_certificate.and_then(|client| self.certificates.get(client));
        if let Some(pair) = client.and_then(|client| Pair::parse(client.cert.as_bytes(), client.key.as_bytes()).ok()) {
            terms.show(pair.leaf, pair.intermediates, pair.key);
        }
        Some(Arc::new(Upstream::new(Arc::clone(service), host, endpoint, self.engine.upstream_idle, terms)))
    }

    /// How the certificate of a service is verified, if it is.
    fn verification(&self, decl: &ServiceDecl, problems: &mut Problems) -> Option<Verification> {
        if decl.service.tls_verify != Some(true) {
            return None;
        }
        let depth = decl.service.tls_verify_depth.unwrap_or(DEPTH);
        if let Some(named) = &decl.ca_certificates {
            let ids = named.iter().filter_map(|position| self.ca_certificates.get(*position));
            let ders = ids.filter_map(|decl| self.authorities.get(&decl.id)).map(|authority| authority.der.as_ref());
            return Some(Verification::by(ders, depth));
        }
        let authorities = self.engine.system_authorities.get();
        if authorities.is_empty() {
            let reason = "this system has no list of authorities, so nothing will be accepted; name `ca_certificates`";
            problems.warning(&decl.at, ConfigError::new("tls_verify", reason));
        }
        Some(Verification { authorities, depth })
    }
}

/// `Host` of upstream requests: the port is left out when it is the protocol's own.
fn authority(service: &Service) -> String {
    let own_port = if service.protocol.is_tls() { 443 } else { 80 };
    let host = match service.host.contains(':') {
        true => format!("[{}]", service.host),
        false => service.host.clone(),
    };
    if service.port == own_port { host } else { format!("{host}:{}", service.port) }
}
