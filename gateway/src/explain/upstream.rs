//! What would go upstream, and how.

use std::sync::Arc;

use http::HeaderMap;
use serde::Serialize;
use signet_plugin_api::RequestHeader;

use super::Explainer;
use crate::proxy::Course;

/// Headers that the gateway makes of what is no secret; of others only the names are shown.
const OPEN: [&str; 6] =
    ["host", "via", "x-real-ip", "x-anonymous-consumer", "x-credential-identifier", "x-authenticated-groups"];
const OPEN_STARTS: [&str; 2] = ["x-forwarded-", "x-consumer-"];

/// A request that goes upstream.
#[derive(Debug, Serialize)]
pub(crate) struct Forwarded {
    /// Where it goes.
    pub url: String,
    /// The service, by its name or else its id.
    pub service: Arc<str>,
    /// Where the service stands.
    pub line: Option<usize>,
    /// Headers that the upstream gets and the client did not send so.
    pub sets: Vec<Header>,
    /// Headers of the client that it does not get.
    pub removes: Vec<String>,
    /// Milliseconds.
    pub connect_timeout: u64,
    /// Milliseconds.
    pub read_timeout: u64,
    /// Milliseconds.
    pub write_timeout: u64,
    /// How often it is tried again.
    pub retries: u32,
    /// How its connection is made safe; null where it is plain.
    pub tls: Option<Tls>,
}

/// A header of the upstream's request.
#[derive(Debug, Serialize)]
pub(crate) struct Header {
    /// Its name.
    pub name: String,
    /// What it says, where that is no secret.
    pub value: Option<String>,
}

/// The terms of a TLS connection to an upstream.
#[derive(Debug, Serialize)]
pub(crate) struct Tls {
    /// Whether its certificate is verified.
    pub verify: bool,
    /// How many authorities may stand between.
    pub verify_depth: u8,
    /// By whom; `system` or the ids of `ca_certificates`.
    pub authorities: Vec<Arc<str>>,
    /// The certificate that it is shown.
    pub client_certificate: Option<Arc<str>>,
}

impl Explainer<'_> {
    /// What would go upstream, if anything does.
    pub(super) fn upstream(&self, course: &Course, original: &RequestHeader) -> Option<Forwarded> {
        let head = course.upstream.as_ref()?;
        let service = &self.snapshot.entry(course.position?)?.upstream.as_ref()?.service;
        let facts = self.blueprint.services.get(&service.id);
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let tls = || Tls {
            verify: service.tls_verify.unwrap_or(false),
            verify_depth: service.tls_verify_depth.unwrap_or(1),
            authorities: facts.and_then(|facts| facts.ca_certificates.clone()).unwrap_or_else(|| vec!["system".into()]),
            client_certificate: facts.and_then(|facts| facts.client_certificate.clone()),
        };
        Some(Forwarded {
            url: format!("{}://{}:{}{target}", service.protocol.as_str(), service.host, service.port),
            service: Arc::clone(service.name.as_ref().unwrap_or(&service.id)),
            line: facts.and_then(|facts| facts.line),
            sets: sets(&original.headers, &head.headers),
            removes: original
                .headers
                .keys()
                .filter(|name| !head.headers.contains_key(*name))
                .map(ToString::to_string)
                .collect(),
            connect_timeout: service.connect_timeout,
            read_timeout: service.read_timeout,
            write_timeout: service.write_timeout,
            retries: service.retries,
            tls: service.protocol.is_tls().then(tls),
        })
    }
}

fn sets(before: &HeaderMap, after: &HeaderMap) -> Vec<Header> {
    let same = |name| before.get_all(name).iter().eq(after.get_all(name).iter());
    let changed = after.keys().filter(|name| !same(*name));
    changed
        .map(|name| {
            let open =
                OPEN.contains(&name.as_str()) || OPEN_STARTS.iter().any(|start| name.as_str().starts_with(start));
            let value = after.get(name).filter(|_| open).and_then(|value| value.to_str().ok());
            Header { name: name.to_string(), value: value.map(str::to_owned) }
        })
        .collect()
}
