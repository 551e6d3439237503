//! Entities in Kong's shapes. What is secret becomes `***` here, and nothing else of it is kept.

use std::sync::Arc;

use serde_json::{Value, json};
use signet_plugin_api::{RawConfig, Route, Service};

use super::Members;
use crate::{
    config::{CaCertificateDecl, CertificateDecl, KeyDecl, KeyMaterial, KeySetDecl, Pem, PluginDecl},
    schema::{HIDDEN, shown_raw},
    tls::Authority,
};

pub(super) fn service(
    service: &Service,
    certificate: Option<&str>,
    authorities: Option<Vec<Option<Arc<str>>>>,
) -> Members {
    members(json!({
        "name": service.name,
        "protocol": service.protocol,
        "host": service.host,
        "port": service.port,
        "path": service.path,
        "retries": service.retries,
        "connect_timeout": service.connect_timeout,
        "write_timeout": service.write_timeout,
        "read_timeout": service.read_timeout,
        "enabled": service.enabled,
        "client_certificate": reference(certificate),
        "tls_verify": service.tls_verify,
        "tls_verify_depth": service.tls_verify_depth,
        "ca_certificates": authorities,
    }))
}

pub(super) fn route(route: &Route, service: Option<&str>) -> Members {
    members(json!({
        "name": route.name,
        "protocols": route.protocols,
        "methods": route.methods,
        "hosts": route.hosts,
        "paths": route.paths,
        "headers": route.headers,
        "snis": route.snis,
        "sources": null,
        "destinations": null,
        "https_redirect_status_code": route.https_redirect_status_code,
        "regex_priority": route.regex_priority,
        "strip_path": route.strip_path,
        "path_handling": route.path_handling,
        "preserve_host": route.preserve_host,
        "request_buffering": route.request_buffering,
        "response_buffering": route.response_buffering,
        "service": reference(service),
    }))
}

/// The configuration by its schema; `stands` are the ids of service, route, consumer and consumer group.
pub(super) fn plugin(decl: &PluginDecl, schema: &Value, stands: &[Option<Arc<str>>; 4]) -> Members {
    let [service, route, consumer, group] = stands.each_ref().map(|id| reference(id.as_deref()));
    members(json!({
        "name": decl.name,
        "instance_name": decl.instance_name,
        "enabled": decl.enabled,
        "protocols": decl.protocols,
        "config": fields(&decl.config, schema),
        "service": service,
        "route": route,
        "consumer": consumer,
        "consumer_group": group,
    }))
}

/// What a schema describes.
pub(super) fn fields(raw: &RawConfig, schema: &Value) -> Members {
    members(shown_raw(raw, schema))
}

pub(super) fn certificate(decl: &CertificateDecl) -> Members {
    let alternative = decl.alternative.as_ref();
    let names: Vec<_> = decl.snis.iter().map(|sni| &sni.name).collect();
    members(json!({
        "cert": text(&decl.cert),
        "key": HIDDEN,
        "cert_alt": alternative.map(|(cert, _)| text(cert)),
        "key_alt": alternative.map(|_| HIDDEN),
        "snis": names,
    }))
}

pub(super) fn authority(decl: &CaCertificateDecl) -> Members {
    let digest = decl.digest.clone().or_else(|| Authority::parse(decl.cert.as_bytes()).ok().map(|it| it.digest()));
    members(json!({"cert": text(&decl.cert), "cert_digest": digest}))
}

pub(super) fn key_set(decl: &KeySetDecl) -> Members {
    members(json!({
        "name": decl.name,
        "directory": decl.directory,
        "algorithm": decl.algorithm.map(|algorithm| algorithm.as_str()),
        "rotate_every": decl.rotate_every,
        "publish_before": decl.publish_before,
        "retire_after": decl.retire_after,
    }))
}

pub(super) fn key(decl: &KeyDecl, set: Option<&str>) -> Members {
    let hidden = |there: bool| there.then_some(HIDDEN);
    let (mut jwk, mut pem, mut file) = (None, Value::Null, None);
    match &decl.material {
        Some(KeyMaterial::Jwk(_)) => jwk = Some(HIDDEN),
        Some(KeyMaterial::Pem { private, public }) => {
            // The field for the public half is no proof that it is one.
            let public = public.as_ref().map(|text| text.as_str()).filter(|text| !text.contains("PRIVATE"));
            pem = json!({"private_key": hidden(private.is_some()), "public_key": public});
        }
        Some(KeyMaterial::File(path)) => file = Some(path),
        None => {}
    }
    members(json!({
        "name": decl.name,
        "kid": decl.kid,
        "set": reference(set),
        "jwk": jwk,
        "pem": pem,
        "file": file,
        "not_before": decl.not_before,
        "not_after": decl.not_after,
    }))
}

/// `{"id": …}`, or null.
pub(super) fn reference(id: Option<&str>) -> Value {
    id.map_or(Value::Null, |id| json!({"id": id}))
}

/// The text of a certificate; a key that stands in its place is not shown.
fn text(pem: &Pem) -> String {
    match String::from_utf8_lossy(pem.as_bytes()) {
        text if text.contains("PRIVATE") => HIDDEN.to_owned(),
        text => text.into_owned(),
    }
}

fn members(value: Value) -> Members {
    match value {
        Value::Object(members) => members,
        _ => Members::new(),
    }
}
