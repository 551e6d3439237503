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

/// The names in paths of credentials that are not those in a file. Below a consumer they stand in the singular.
const CREDENTIALS: [(&str, &str); 5] = [
    ("basicauth_credentials", "basic-auths"),
    ("hmacauth_credentials", "hmac-auths"),
    ("jwt_secrets", "jwts"),
    ("keyauth_credentials", "key-auths"),
    ("mtls_auth_credentials", "mtls-auths"),
];

/// Those of every gateway, and the credentials of the plugins that are registered.
pub(crate) fn all(registry: &Registry) -> Vec<Kind> {
    let mut kinds = CORE.to_vec();
    for credential in registry.iter().flat_map(|registration| registration.credentials) {
        let name = credential.collection;
        if kinds.iter().any(|kind| kind.name == name) {
            continue;
        }
        let path = CREDENTIALS.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
        let (path, nested) = path.map_or((name, name), |path| (path, path.strip_suffix('s').unwrap_or(path)));
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
