//! What the loader made of each field, for who wants to know: the compatibility report, and the test of the schemas.

use std::cell::RefCell;

use serde_yaml::Value;
use signet_plugin_api::RawConfig;

use super::At;

/// Filled while a file is read.
#[derive(Default)]
pub(crate) struct Trace(RefCell<Found>);

/// All entities of a file, in the order in which they were read.
#[derive(Default)]
pub(crate) struct Found {
    /// Each with its fields.
    pub(crate) entities: Vec<Entity>,
    /// The entity of the field that was taken last.
    last: usize,
}

/// One mapping of the file that has fields.
pub(crate) struct Entity {
    /// Where it stands.
    pub(crate) at: At,
    /// Of a plugin: which.
    pub(crate) plugin: Option<String>,
    /// The fields that are there and known, without null ones.
    pub(crate) fields: Vec<(&'static str, How)>,
    /// The fields that it could have. Empty where something else decodes the rest.
    pub(crate) known: Vec<&'static str>,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum How {
    /// It does what it says.
    Runs,
    /// Kong's field that is accepted because its value changes nothing.
    AtDefault,
    /// Nothing reads it.
    Unread,
}

/// The names of the fields of what a plugin decodes itself.
pub(crate) fn names(raw: &RawConfig) -> Vec<String> {
    match Value::from(raw.clone()) {
        Value::Mapping(members) => members.keys().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

impl Trace {
    pub(super) fn entity(&self, at: &At) {
        let entity = Entity { at: at.clone(), plugin: None, fields: Vec::new(), known: Vec::new() };
        self.0.borrow_mut().entities.push(entity);
    }

    pub(super) fn field(&self, at: &At, name: &'static str) {
        self.of(at, |entity| entity.fields.push((name, How::Runs)));
    }

    pub(super) fn last_is(&self, how: How) {
        let found = &mut *self.0.borrow_mut();
        let fields = found.entities.get_mut(found.last).map(|entity| &mut entity.fields);
        if let Some((_, last)) = fields.and_then(|fields| fields.last_mut()) {
            *last = how;
        }
    }

    pub(super) fn plugin(&self, at: &At, name: &str) {
        self.of(at, |entity| entity.plugin = Some(name.to_owned()));
    }

    pub(super) fn known(&self, at: &At, fields: &[&'static str]) {
        self.of(at, |entity| entity.known = fields.to_vec());
    }

    /// What was found.
    pub(crate) fn into_found(self) -> Found {
        self.0.into_inner()
    }

    /// The entity at `at` is one of the latest: few are open at a time.
    fn of(&self, at: &At, change: impl FnOnce(&mut Entity)) {
        let found = &mut *self.0.borrow_mut();
        let position = found.entities.iter().rposition(|entity| entity.at.is(at));
        if let Some(entity) = position.and_then(|position| found.entities.get_mut(position)) {
            change(entity);
            found.last = position.unwrap_or_default();
        }
    }
}
