//! Consumers and their credentials, indexed.

use std::{collections::HashMap, sync::Arc};

use signet_plugin_api::{ConfigError, Consumers, CredentialStores, RawCredential, Registry};

use super::Problems;
use crate::config::{At, ConsumerDecl, CredentialDecl};

/// All consumers, by every name they have.
pub(super) fn index(declared: &[ConsumerDecl], problems: &mut Problems) -> Arc<Consumers> {
    let mut consumers = Consumers::default();
    for decl in declared {
        if !consumers.insert(Arc::clone(&decl.consumer)) {
            problems.mistake(&decl.at, ConfigError::new("", "another consumer has its id, username or custom_id"));
        }
    }
    Arc::new(consumers)
}

/// One index per kind of credential that a registered plugin declares.
pub(super) fn credentials(
    declared: Vec<CredentialDecl>,
    consumers: &[ConsumerDecl],
    registry: &Registry,
    problems: &mut Problems,
) -> CredentialStores {
    let mut by_collection: HashMap<&str, (Vec<RawCredential>, Vec<At>)> = HashMap::new();
    for CredentialDecl { collection, id, consumer, fields, at, .. } in declared {
        let Some(owner) = consumers.get(consumer) else {
            problems.mistake(&at, ConfigError::new("consumer", "no such consumer"));
            continue;
        };
        let (raw, places) = by_collection.entry(collection).or_default();
        raw.push(RawCredential { id, consumer: Arc::clone(&owner.consumer), fields });
        places.push(at);
    }
    let mut stores = CredentialStores::default();
    for kind in registry.iter().flat_map(|plugin| plugin.credentials) {
        let (raw, places) = by_collection.remove(kind.collection).unwrap_or_default();
        let place = |position: usize| places.get(position).cloned().unwrap_or_default();
        match stores.add(*kind, raw) {
            Ok(warnings) => {
                warnings.into_iter().for_each(|(position, warning)| problems.warning(&place(position), warning));
                continue;
            }
            Err(errors) => errors.into_iter().for_each(|(position, error)| problems.mistake(&place(position), error)),
        }
        // An empty index in its place, so that the plugins that use it are checked all the same.
        drop(stores.add(*kind, Vec::new()));
    }
    stores
}
