//! The entities of one kind by name and id: what references are looked up in, and what finds duplicates.

use std::{collections::HashMap, sync::Arc};

use serde_yaml::Value;
use signet_plugin_api::nearest;

use super::{
    At,
    fields::{Context, Fields, kind},
    ids,
};

/// A reference that leads nowhere. It has been reported; what it belongs to is left out.
pub(super) struct Dangling;

/// What became of an entity that was added.
pub(super) struct Added {
    /// Where it will be in its vector.
    pub(super) position: usize,
    /// Nobody else has its name or id.
    pub(super) unique: bool,
}

/// Positions in a vector of the model.
pub(super) struct Index {
    /// The field that refers to this kind: `service`.
    field: &'static str,
    /// The collection: `services`.
    collection: &'static str,
    /// What it is named by: `name`, `username`.
    naming: &'static str,
    by_name: HashMap<Arc<str>, usize>,
    by_id: HashMap<Arc<str>, usize>,
    places: Vec<At>,
    /// How often a content has been seen, of entities without name and id.
    nameless: HashMap<String, usize>,
}

impl Index {
    pub(super) fn new(field: &'static str, collection: &'static str, naming: &'static str) -> Self {
        let (by_name, by_id, places) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { field, collection, naming, by_name, by_id, places, nameless: HashMap::new() }
    }

    /// The id of an entity: given, or derived from its name as Kong does. Kong rolls dice for what has no name; here the
    /// content decides, so that the id is the same after a reload.
    pub(super) fn id(
        &mut self,
        given: Option<Arc<str>>,
        name: Option<&str>,
        content: impl FnOnce() -> String,
    ) -> Arc<str> {
        if let Some(id) = given {
            return id;
        }
        if let Some(name) = name {
            return ids::derive(self.collection, name);
        }
        let content = content();
        let seen = self.nameless.entry(content.clone()).or_default();
        *seen += 1;
        ids::derive(self.collection, &format!("nameless:{seen}:{content}"))
    }

    /// Adds the next entity of the vector. A name or id that is taken is a mistake, told with both places.
    pub(super) fn add(&mut self, fields: &Fields<'_>, name: Option<&Arc<str>>, id: &Arc<str>) -> Added {
        let position = self.places.len();
        self.places.push(fields.at.clone());
        if let Some(name) = name {
            if let Some(other) = self.by_name.get(name).and_then(|other| self.places.get(*other)) {
                let reason = format!("{} `{name}` is taken by", self.naming);
                fields.cx.notes.duplicate(fields.at.key(self.naming), reason, other.clone());
                // Its id is derived from the same name: one mistake, not two.
                return Added { position, unique: false };
            }
            self.by_name.insert(Arc::clone(name), position);
        }
        if let Some(other) = self.by_id.get(id).and_then(|other| self.places.get(*other)) {
            fields.cx.notes.duplicate(fields.at.key("id"), format!("id `{id}` is taken by"), other.clone());
            return Added { position, unique: false };
        }
        self.by_id.insert(Arc::clone(id), position);
        Added { position, unique: true }
    }

    /// An id of its own for what has another's: ids are unique even in a file that is only searched for mistakes.
    pub(super) fn stand_in(&self, at: &At) -> Arc<str> {
        ids::derive(self.collection, &format!("taken:{at}"))
    }

    /// The entity that the field of `fields` refers to, or the one that `fields` is nested in.
    pub(super) fn refer(&self, fields: &mut Fields<'_>, nested: Option<usize>) -> Result<Option<usize>, Dangling> {
        self.refer_by(fields, self.field, nested)
    }

    /// The same by a field of another name: `client_certificate`.
    pub(super) fn refer_by(
        &self,
        fields: &mut Fields<'_>,
        field: &'static str,
        nested: Option<usize>,
    ) -> Result<Option<usize>, Dangling> {
        let Some(wanted) = fields.take(field) else { return Ok(nested) };
        let found = match self.find(&wanted) {
            Ok(found) => found,
            Err(reason) => {
                fields.wrong(field, reason);
                return Err(Dangling);
            }
        };
        match nested {
            Some(parent) if parent != found => {
                fields.wrong(field, format!("it is nested in another {field}; leave `{field}` out"));
                Err(Dangling)
            }
            _ => Ok(Some(found)),
        }
    }

    /// The entity that an item of a list names: by its name or id, or by a mapping with one or both, as decK writes it.
    pub(super) fn named(&self, cx: &Context<'_>, at: &At, item: Value) -> Result<usize, Dangling> {
        if !item.is_mapping() {
            return self.find(&item).map_err(|reason| {
                cx.notes.mistake(at.clone(), reason);
                Dangling
            });
        }
        let mut fields = Fields::open(cx, at.clone(), item).ok_or(Dangling)?;
        let names = [self.naming, "id"].map(|key| (key, fields.take(key)));
        let _ = (fields.tags(), fields.timestamp("created_at"), fields.timestamp("updated_at"));
        let mut found = None;
        for (key, name) in names {
            let Some(name) = name else { continue };
            match self.find(&Value::Mapping([(Value::from(key), name)].into_iter().collect())) {
                Ok(position) if found.is_none_or(|other| other == position) => found = Some(position),
                Ok(_) => {
                    return self.dangling(&fields, key, format!("names another {} than `{}`", self.field, self.naming));
                }
                Err(reason) => return self.dangling(&fields, key, reason),
            }
        }
        fields.finish();
        found.ok_or_else(|| {
            cx.notes.mistake(at.clone(), format!("expected `{}` or `id`", self.naming));
            Dangling
        })
    }

    fn dangling(&self, fields: &Fields<'_>, key: &'static str, reason: String) -> Result<usize, Dangling> {
        fields.wrong(key, reason);
        Err(Dangling)
    }

    /// Kong looks for a name first, then for an id; `{id: ..}` and `{name: ..}` say which.
    fn find(&self, wanted: &Value) -> Result<usize, String> {
        match wanted {
            Value::String(text) => self
                .by_name
                .get(text.as_str())
                .or_else(|| self.by_id(text))
                .copied()
                .ok_or_else(|| self.nothing(&self.names(), text)),
            Value::Mapping(members) if members.len() == 1 => match members.iter().next() {
                Some((Value::String(key), Value::String(id))) if key == "id" => {
                    self.by_id(id).copied().ok_or_else(|| self.nothing("id", id))
                }
                Some((Value::String(key), Value::String(name))) if key == self.naming => {
                    self.by_name.get(name.as_str()).copied().ok_or_else(|| self.nothing(self.naming, name))
                }
                _ if self.naming == "id" => Err("expected `id`".to_owned()),
                _ => Err(format!("expected `id` or `{}`", self.naming)),
            },
            Value::Mapping(_) if self.naming == "id" => Err("expected `id` alone".to_owned()),
            Value::Mapping(_) => Err(format!("expected either `id` or `{}`", self.naming)),
            other => Err(format!("expected the {} of a {}, found {}", self.names(), self.field, kind(other))),
        }
    }

    /// What an entity of this kind is referred to by.
    fn names(&self) -> String {
        if self.naming == "id" { "id".to_owned() } else { format!("{} or id", self.naming) }
    }

    fn by_id(&self, id: &str) -> Option<&usize> {
        self.by_id.get(id).or_else(|| self.by_id.get(id.to_ascii_lowercase().as_str()))
    }

    fn nothing(&self, by: &str, wanted: &str) -> String {
        let reason = format!("no {} has the {by} `{wanted}`", self.field);
        if self.by_name.contains_key(wanted) {
            return format!("{reason}; `{wanted}` is a {}", self.naming);
        }
        match nearest(wanted, self.by_name.keys().map(|name| &**name)) {
            Some(name) => format!("{reason}; did you mean `{name}`?"),
            None => reason,
        }
    }
}
