//! What changes between two configurations, in effect and not in text.

mod picture;
mod replay;

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use serde_json::Value;

use self::picture::{Fields, Picture};
pub(crate) use self::replay::{Comparison, Recorded, Replayed, replay};
use crate::{
    config::Loaded,
    explain::{Blueprint, Field},
    runtime::Snapshot,
};

/// One configuration, to be compared.
#[derive(Debug, Default)]
pub(crate) struct Sketch(Picture);

/// An entity that differs.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    /// `route`, `consumer`, `credential`, …
    pub kind: &'static str,
    /// Which one.
    pub entity: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// What differs in one that both have.
    pub fields: Vec<FieldChange>,
}

/// A field that differs. Of secrets both sides are `***`.
#[derive(Debug, Serialize)]
pub(crate) struct FieldChange {
    /// `paths`, `service.host`, `plugin jwt`, `plugin jwt.key_claim_name`
    pub field: String,
    /// None when it is not there.
    pub before: Option<Value>,
    /// None when it is not there.
    pub after: Option<Value>,
}

impl Sketch {
    /// What is known before compiling.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        Self(picture::beside_routes(loaded))
    }

    /// With what is known afterwards.
    #[must_use]
    pub(crate) fn with_routes(mut self, snapshot: &Snapshot, blueprint: &Blueprint) -> Self {
        self.0.extend(picture::routes(snapshot, blueprint));
        self
    }

    /// Everything that is different in another one.
    pub(crate) fn changes_to(&self, after: &Self) -> Vec<Change> {
        let nothing = Default::default();
        let kinds = self.0.keys().chain(after.0.keys()).copied().collect::<std::collections::BTreeSet<_>>();
        let mut changes = Vec::new();
        for kind in kinds {
            let (old, new) = (self.0.get(kind).unwrap_or(&nothing), after.0.get(kind).unwrap_or(&nothing));
            let change = |entity: &String, change, fields| Change { kind, entity: entity.clone(), change, fields };
            let gone = old.keys().filter(|entity| !new.contains_key(*entity));
            changes.extend(gone.map(|entity| change(entity, "removed", Vec::new())));
            for (entity, fields) in new {
                match old.get(entity) {
                    None => changes.push(change(entity, "added", Vec::new())),
                    Some(earlier) if earlier == fields => {}
                    Some(earlier) => changes.push(change(entity, "changed", differing(earlier, fields))),
                }
            }
        }
        changes.retain(|change| change.change != "changed" || !change.fields.is_empty());
        changes
    }
}

fn differing(before: &Fields, after: &Fields) -> Vec<FieldChange> {
    let names = before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>();
    let digest = |field: Option<&Field>| field.map(|field| field.digest);
    let whole =
        |name: &str| name.split_once('.').map(|(plugin, _)| plugin.to_owned()).filter(|_| name.starts_with("plugin "));
    let all = names.into_iter().filter(|name| digest(before.get(*name)) != digest(after.get(*name)));
    // Of a plugin that comes or goes, its fields say nothing more.
    all.filter(|name| whole(name).is_none_or(|plugin| before.contains_key(&plugin) == after.contains_key(&plugin)))
        .map(|name| FieldChange {
            field: name.clone(),
            before: before.get(name).map(|field| field.value.clone()),
            after: after.get(name).map(|field| field.value.clone()),
        })
        .collect()
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = match self.change {
            "added" => '+',
            "removed" => '-',
            _ => '~',
        };
        write!(f, "{sign} {} {}", self.kind, self.entity)?;
        self.fields.iter().try_for_each(|field| write!(f, "\n    {field}"))
    }
}

impl Display for FieldChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { field, before, after } = self;
        let is_plugin = field.starts_with("plugin ") && !field.contains('.');
        match (before, after) {
            (None, Some(_)) if is_plugin => write!(f, "+ {field}"),
            (Some(_), None) if is_plugin => write!(f, "- {field}"),
            (Some(before), Some(after)) if before == after => write!(f, "~ {field}: changed"),
            (Some(before), Some(after)) => write!(f, "~ {field}: {before} -> {after}"),
            (Some(before), None) => write!(f, "- {field}: {before}"),
            (None, Some(after)) => write!(f, "+ {field}: {after}"),
            (None, None) => Ok(()),
        }
    }
}
