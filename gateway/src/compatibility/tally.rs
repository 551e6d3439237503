//! Fields and mistakes, sorted by the entities that they belong to.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Kind, Refusal};
use crate::config::{Found, How, Mistake};

/// What is known so far.
pub(super) struct Tally {
    entities: Vec<Entity>,
    by_path: HashMap<String, usize>,
}

struct Entity {
    kind: String,
    fields: Vec<(String, How)>,
    refusals: Vec<(Option<String>, Mistake)>,
}

impl Tally {
    pub(super) fn new(found: Found) -> Self {
        let mut tally = Self { entities: Vec::new(), by_path: HashMap::new() };
        for entity in found.entities {
            let path = entity.at.to_string();
            let kind = match entity.plugin {
                Some(name) => format!("plugins/{name}"),
                None => kind(&path),
            };
            // What a plugin decodes is told field by field.
            let own =
                entity.fields.into_iter().filter(|(name, _)| !(kind.starts_with("plugins/") && *name == "config"));
            let fields = own.map(|(name, how)| (name.to_owned(), how)).collect();
            tally.by_path.insert(path, tally.entities.len());
            tally.entities.push(Entity { kind, fields, refusals: Vec::new() });
        }
        if !tally.by_path.contains_key("") {
            // A file that is not even YAML.
            tally.by_path.insert(String::new(), tally.entities.len());
            tally.entities.push(Entity { kind: kind(""), fields: Vec::new(), refusals: Vec::new() });
        }
        tally
    }

    /// Adds a field to the entity at `path`.
    pub(super) fn field(&mut self, path: &str, field: String, how: How) {
        if let Some(entity) = self.by_path.get(path).and_then(|position| self.entities.get_mut(*position)) {
            entity.fields.push((field, how));
        }
    }

    /// Adds a mistake to the entity that it is about.
    pub(super) fn refuse(&mut self, mistake: &Mistake) {
        let (mut owner, mut rest) = (mistake.path.as_str(), "");
        let position = loop {
            if let Some(position) = self.by_path.get(owner) {
                break *position;
            }
            let cut = owner.rfind(['.', '[']).unwrap_or(0);
            (owner, rest) = mistake.path.split_at(cut);
        };
        if let Some(entity) = self.entities.get_mut(position) {
            entity.refusals.push((field(rest), mistake.clone()));
        }
    }

    pub(super) fn into_kinds(self) -> BTreeMap<String, Kind> {
        let mut kinds = BTreeMap::<String, Kind>::new();
        for mut entity in self.entities {
            let kind = kinds.entry(entity.kind).or_default();
            kind.entities += 1;
            kind.refused += usize::from(!entity.refusals.is_empty());
            if entity.refusals.iter().any(|(field, _)| field.is_none()) {
                // Nothing of it was looked at any further.
                entity.fields.clear();
            }
            let refused: HashSet<_> = entity.refusals.iter().filter_map(|(field, _)| field.as_deref()).collect();
            for (field, how) in entity.fields.iter().filter(|(field, _)| !refused.contains(field.as_str())) {
                let fields = match how {
                    How::Runs => &mut kind.runs,
                    How::AtDefault => &mut kind.at_default,
                    How::Unread => &mut kind.unread,
                };
                *fields.entry(field.clone()).or_default() += 1;
            }
            entity.refusals.into_iter().for_each(|(field, mistake)| kind.refuse(field, mistake));
        }
        kinds
    }
}

impl Kind {
    fn refuse(&mut self, field: Option<String>, mistake: Mistake) {
        let same = |known: &&mut Refusal| known.field == field && known.reason == mistake.reason;
        match self.refusals.iter_mut().find(same) {
            Some(known) => known.places += 1,
            None => {
                let Mistake { path, line, reason } = mistake;
                self.refusals.push(Refusal { field, reason, places: 1, path, line });
            }
        }
    }
}

/// `services[0].routes[1]` is one of `routes`, `keys[0].pem` is `keys.pem`.
fn kind(path: &str) -> String {
    if path.is_empty() {
        return "file".to_owned();
    }
    match (path.strip_suffix(']').and_then(|path| path.rsplit_once('[')), path.rsplit_once('.')) {
        (Some((list, _)), _) => list.rsplit_once('.').map_or(list, |(_, name)| name).to_owned(),
        (None, Some((owner, name))) => format!("{}.{name}", kind(owner)),
        (None, None) => path.to_owned(),
    }
}

/// The field in what is left of a path: `.port`, `.config.key_names[0]`.
fn field(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix('.')?;
    let steps = if rest.starts_with("config.") { 2 } else { 1 };
    let name = |step: &str| step.split('[').next().unwrap_or(step).to_owned();
    Some(rest.split('.').take(steps).map(name).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_of_one_kind_are_one_wherever_they_stand() {
        let kinds = ["", "services[3]", "services[0].routes[1]", "keys[0].pem", "_info"].map(kind);
        assert_eq!(kinds, ["file", "services", "routes", "keys.pem", "_info"]);
    }

    #[test]
    fn a_field_is_told_without_what_is_in_it() {
        let told = ["", ".port", ".paths[0]", ".config.key_names[0]", ".config", ".headers.a"].map(field);
        let expected = [None, Some("port"), Some("paths"), Some("config.key_names"), Some("config"), Some("headers")];
        assert_eq!(told, expected.map(|field| field.map(str::to_owned)));
    }
}
