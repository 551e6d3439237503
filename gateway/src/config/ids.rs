//! Ids for what has none: Kong's own where Kong derives them, and stable ones where Kong rolls dice.

use std::sync::Arc;

use uuid::Uuid;

/// The namespace of Kong's declarative files; each kind of entity has its own below it.
const KONG: Uuid = Uuid::from_u128(0xfd02801f_0957_4a15_a55a_c8d9606f30b5);

/// The id that Kong gives to the entity of a collection (`services`) with this key: its name, or what it is unique by.
pub(super) fn derive(collection: &str, key: &str) -> Arc<str> {
    let namespace = Uuid::new_v5(&KONG, collection.as_bytes());
    Uuid::new_v5(&namespace, key.as_bytes()).to_string().into()
}

/// The key that Kong makes of several fields (its cache key), in the default workspace.
pub(super) fn joined(collection: &str, parts: &[&str]) -> String {
    let mut key = format!("{collection}:*");
    for part in parts {
        key.push(':');
        key.push_str(part);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_kong_derives() {
        assert_eq!(&*derive("routes", "termEcho"), "7846979c-e83a-51e7-935f-444ff5f40833");
        assert_eq!(&*derive("services", "main"), "8027b672-cb4d-5059-bc59-7d67b683008e");
    }

    #[test]
    fn a_plugin_is_known_by_its_name_and_scopes() {
        assert_eq!(joined("plugins", &["cors", "route-id", "", ""]), "plugins:*:cors:route-id::");
    }
}
