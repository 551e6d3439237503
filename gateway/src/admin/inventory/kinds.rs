//! The kinds of entities, with Kong's names for them, and which refers to which.

use signet_plugin_api::Registry;

/// One kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// In a file: `keyauth_credentials`.
    pub name: &'static str,
    /// In a path: `key-auths`.
    pub path: &'static str,
    /// In a path, below what it belongs to: `key-auth`.
    pub nested: &'static str,
    /// The field by which it can be found instead of its id; empty when there is none.
    pub key: &'static str,
    /// Fields that refer to entities, and the kind of these.
    pub refers: &'static [(&'static str, &'static str)],
}

const CORE: [Kind; 12] = [
    plain("services", "name", &[("client_certificate", "certificates")]),
    plain("routes", "name", &[("service", "services")]),
    plain("consumers", "username", &[]),
    plain("consumer_groups", "name", &[]),
    plain(
        "plugins",
        "instance_name",
        &[
            ("service", "services"),
            ("route", "routes"),
            ("consumer", "consumers"),
            ("consumer_group", "consumer_groups"),
        ],
    ),
    plain("certificates", "", &[]),
    plain("ca_certificates", "", &[]),
    plain("snis", "name", &[("certificate", "certificates")]),
    plain("upstreams", "name", &[("client_certificate", "certificates")]),
    Kind { name: "key_sets", path: "key-sets", nested: "key-sets", key: "name", refers: &[] },
    plain("keys", "name", &[("set", "key_sets")]),
    plain("vaults", "prefix", &[]),
];

/// The names in paths of credentials that are not those in a file.
const CREDENTIALS: [(&str, &str, &str); 5] = [
    ("basicauth_credentials", "basic-auths", "basic-auth"),
    ("hmacauth_credentials", "hmac-auths", "hmac-auth"),
    ("jwt_secrets", "jwts", "jwt"),
    ("keyauth_credentials", "key-auths", "key-auth"),
    ("mtls_auth_credentials", "mtls-auths", "mtls-auth"),
];

/// Those of every gateway, and the credentials of the plugins that are registered.
pub(crate) fn all(registry: &Registry) -> Vec<Kind> {
    let mut kinds = CORE.to_vec();
    for credential in registry.iter().flat_map(|registration| registration.credentials) {
        let name = credential.collection;
        if kinds.iter().any(|kind| kind.name == name) {
            continue;
        }
        let paths = CREDENTIALS.iter().find(|(known, ..)| *known == name);
        let (path, nested) = paths.map_or((name, name), |(_, path, nested)| (path, nested));
        // What is secret cannot be looked for: nothing keeps it.
        let is_secret = credential.schema().pointer(&format!("/properties/{}/writeOnly", credential.unique)).is_some();
        let key = if is_secret { "" } else { credential.unique };
        kinds.push(Kind { name, path, nested, key, refers: &[("consumer", "consumers")] });
    }
    kinds
}

const fn plain(name: &'static str, key: &'static str, refers: &'static [(&'static str, &'static str)]) -> Kind {
    Kind { name, path: name, nested: name, key, refers }
}
