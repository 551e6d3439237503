//! The protocols that a file can name.

use signet_plugin_api::Protocol;

use super::{checks::Check, fields::Fields};

/// Kong's names.
pub(super) const PROTOCOLS: [(&str, Protocol); 10] = [
    ("http", Protocol::Http),
    ("https", Protocol::Https),
    ("grpc", Protocol::Grpc),
    ("grpcs", Protocol::Grpcs),
    ("ws", Protocol::Ws),
    ("wss", Protocol::Wss),
    ("tcp", Protocol::Tcp),
    ("tls", Protocol::Tls),
    ("tls_passthrough", Protocol::TlsPassthrough),
    ("udp", Protocol::Udp),
];

/// `protocols` of a route or plugin.
pub(super) fn list(fields: &mut Fields<'_>, default: &[Protocol]) -> Vec<Protocol> {
    let Some(words) = fields.texts("protocols", known) else { return default.to_vec() };
    let mut protocols = Vec::with_capacity(words.len());
    for protocol in words.iter().filter_map(|word| find(word)) {
        if !protocols.contains(&protocol) {
            protocols.push(protocol);
        }
    }
    protocols
}

/// By its name.
pub(super) fn find(word: &str) -> Option<Protocol> {
    PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, protocol)| *protocol)
}

fn known(word: &str) -> Check {
    match find(word) {
        Some(_) => Ok(()),
        None => Err("not one of Kong's protocols".to_owned()),
    }
}
