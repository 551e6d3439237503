//! The conditions of a route that say nothing of where it is found: methods, server names, headers; and its protocols.

use http::Method;
use signet_plugin_api::{Protocol, Route, Scheme};

use super::{Query, header::HeaderCondition, mistakes::Mistakes, sni::ServerName};

/// Protocols that can stand together in one route, the plain one before the one over TLS.
const FAMILIES: [[Protocol; 2]; 3] =
    [[Protocol::Http, Protocol::Https], [Protocol::Grpc, Protocol::Grpcs], [Protocol::Ws, Protocol::Wss]];

const REDIRECTS: [u16; 5] = [426, 301, 302, 307, 308];

/// What a request must fulfil besides its host and path.
#[derive(Debug)]
pub(super) struct Conditions {
    /// None of the route's protocols is a plain one.
    pub(super) https_only: bool,
    methods: Box<[Method]>,
    server_names: Box<[ServerName]>,
    headers: Box<[HeaderCondition]>,
}

impl Conditions {
    /// Checks and compiles them.
    pub(super) fn compile(route: &Route, mistakes: &mut Mistakes) -> Self {
        check_protocols(route, mistakes);
        if !REDIRECTS.contains(&route.https_redirect_status_code) {
            mistakes.add("https_redirect_status_code", "must be one of 426, 301, 302, 307, 308");
        }
        Self {
            https_only: !route.protocols.iter().any(|protocol| is_plain(*protocol)),
            methods: methods(route, mistakes),
            server_names: super::sni::compile(route, mistakes),
            headers: super::header::compile(route, mistakes),
        }
    }

    /// Whether every request fulfils them.
    pub(super) fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.server_names.is_empty() && self.headers.is_empty()
    }

    /// Whether a request fulfils them. Server names count for TLS only, as in Kong: a plain request may thus reach an
    /// https-only route, which redirects it.
    pub(super) fn hold(&self, query: &Query<'_>) -> bool {
        (self.methods.is_empty() || self.methods.contains(query.method))
            && (self.server_names.is_empty()
                || query.scheme == Scheme::Http
                || query.sni.is_some_and(|sni| self.server_names.iter().any(|name| name.matches(sni))))
            && self.headers.iter().all(|header| header.holds(query.headers))
    }
}

fn check_protocols(route: &Route, mistakes: &mut Mistakes) {
    let protocols = &route.protocols;
    if protocols.is_empty() {
        return mistakes.add("protocols", "must list at least one protocol");
    }
    if protocols.iter().any(|p| !FAMILIES.as_flattened().contains(p)) {
        return mistakes.add("protocols", "stream routes are not supported; use http and https");
    }
    if !FAMILIES.iter().any(|family| protocols.iter().all(|p| family.contains(p))) {
        return mistakes.add("protocols", "http and https, grpc and grpcs, ws and wss cannot be mixed in one route");
    }
    let over_tls = protocols.iter().any(|protocol| !is_plain(*protocol));
    if !over_tls && !is_empty(&route.snis) {
        mistakes.add("snis", "can only be set when `protocols` has https, grpcs or wss");
    }
    let grpc = protocols.iter().any(|protocol| matches!(protocol, Protocol::Grpc | Protocol::Grpcs));
    if grpc && !is_empty(&route.methods) {
        mistakes.add("methods", "cannot be set when `protocols` is grpc or grpcs");
    }
    check_presence(route, over_tls, grpc, mistakes);
}

fn check_presence(route: &Route, over_tls: bool, grpc: bool, mistakes: &mut Mistakes) {
    let present = !is_empty(&route.methods)
        || !is_empty(&route.hosts)
        || !is_empty(&route.paths)
        || !is_empty(&route.snis)
        || route.headers.as_ref().is_some_and(|headers| !headers.is_empty());
    if present {
        return;
    }
    let methods = if grpc { "" } else { "methods, " };
    let server_names = if over_tls { ", snis" } else { "" };
    mistakes.add("", format!("a route must have at least one of {methods}hosts, headers, paths{server_names}"));
}

fn methods(route: &Route, mistakes: &mut Mistakes) -> Box<[Method]> {
    let names = route.methods.iter().flatten().enumerate();
    names
        .filter_map(|(at, name)| {
            let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase());
            let method = Method::from_bytes(name.as_bytes()).ok().filter(|_| valid);
            if method.is_none() {
                mistakes.add(format!("methods[{at}]"), format!("`{name}` is not a method: upper-case letters only"));
            }
            method
        })
        .collect()
}

fn is_plain(protocol: Protocol) -> bool {
    FAMILIES.iter().any(|[plain, _]| *plain == protocol)
}

fn is_empty(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}
