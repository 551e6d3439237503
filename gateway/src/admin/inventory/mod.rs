//! The entities of what serves, as operators see them: Kong's shapes, defaults filled in, no secret kept.

mod gather;
mod kinds;
mod shapes;

use std::sync::Arc;

use serde_json::{Map, Value};
use signet_plugin_api::Registry;
use smallvec::SmallVec;

use crate::config::Model;

pub(crate) use kinds::Kind;

/// One configuration.
#[derive(Debug)]
pub(crate) struct Inventory {
    collections: Vec<Collection>,
    /// Who is in which group.
    members: Vec<gather::Member>,
}

/// All entities of a kind.
#[derive(Debug)]
pub(crate) struct Collection {
    /// Which.
    pub kind: Kind,
    /// In the order of their ids.
    pub entities: Vec<Entity>,
}

/// One entity. Its JSON is kept as text: ten thousand of them are some megabytes.
#[derive(Debug)]
pub(crate) struct Entity {
    /// Its UUID.
    pub id: Arc<str>,
    /// The other field by which it is found.
    pub key: Option<Arc<str>>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Ids, in the order of [`Kind::refers`].
    pub refers: SmallVec<[Option<Arc<str>>; 1]>,
    /// As it is shown.
    pub json: Box<str>,
}

impl Inventory {
    /// Of a model whose references are as they are written. What has no time in the file was made at `loaded`, in seconds
    /// since 1970.
    pub(crate) fn of(model: Model, registry: &Registry, loaded: u64) -> Self {
        let (mut found, members) = gather::gather(model, registry, loaded);
        let collection = |kind: Kind| {
            let mut entities = found.remove(kind.name).unwrap_or_default();
            entities.sort_by(|one, other| one.id.cmp(&other.id));
            Collection { kind, entities }
        };
        Self { collections: kinds::all(registry).into_iter().map(collection).collect(), members }
    }

    /// All kinds.
    pub(crate) fn collections(&self) -> &[Collection] {
        &self.collections
    }

    /// By its name in a file.
    pub(crate) fn collection(&self, name: &str) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.kind.name == name)
    }

    /// By its name in a path.
    pub(crate) fn at(&self, path: &str) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.kind.path == path)
    }

    /// Whether a consumer is in a group, by their ids.
    pub(crate) fn is_member(&self, consumer: &str, group: &str) -> bool {
        self.members.iter().any(|(member, of)| &**member == consumer && &**of == group)
    }

    /// Every entity, by kind and id: what Kong answers to `POST /config`.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::from("{");
        for collection in self.collections.iter().filter(|collection| !collection.entities.is_empty()) {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&format!("\"{}\":{{", collection.kind.name));
            for (number, entity) in collection.entities.iter().enumerate() {
                let comma = if number == 0 { "" } else { "," };
                json.push_str(&format!("{comma}\"{}\":{}", entity.id, entity.json));
            }
            json.push('}');
        }
        json.push('}');
        json
    }
}

impl Collection {
    /// By its id, or by the other field of its kind.
    pub(crate) fn find(&self, id_or_key: &str) -> Option<&Entity> {
        let id = id_or_key.to_ascii_lowercase();
        let by_id = self.entities.binary_search_by(|entity| (*entity.id).cmp(&id)).ok();
        let by_key = || self.entities.iter().find(|entity| entity.key.as_deref() == Some(id_or_key));
        by_id.and_then(|position| self.entities.get(position)).or_else(by_key)
    }
}

impl Entity {
    /// The id in a field that refers to another entity.
    pub(crate) fn refers(&self, kind: &Kind, field: &str) -> Option<&Arc<str>> {
        let position = kind.refers.iter().position(|(known, _)| *known == field)?;
        self.refers.get(position)?.as_ref()
    }
}

/// What entities are made from.
type Members = Map<String, Value>;
