//! Key sets and keys: Kong's fields, and ours for files, directories and time. No key is read here.

use std::{path::PathBuf, sync::Arc};

use serde_yaml::Value;
use signet_keys::Algorithm;

use super::{
    At, KeyDecl, KeyMaterial, KeySetDecl, Secret,
    checks::{self, Check},
    draft::Draft,
    fields::{Fields, kind},
    ids,
    index::Added,
};
use crate::moment;

/// What `publish_before` and `retire_after` are where the file does not say: a day.
const A_DAY: u64 = 86_400;

/// The longest period: ten years, in seconds.
const LONGEST: i64 = 10 * 366 * 86_400;

/// What a key is written in; exactly one of them.
const FORMS: [&str; 3] = ["jwk", "pem", "file"];

impl Draft<'_> {
    /// Reads all sets, then all keys.
    pub(super) fn all_keys(&mut self, top: &mut Fields<'_>) {
        let [sets, keys] = ["key_sets", "keys"].map(|collection| top.entities(collection));
        let mut nested = Vec::new();
        for (at, value) in sets {
            self.key_set(at, value, &mut nested);
        }
        for (at, value, set) in nested {
            self.key(at, value, Some(set));
        }
        for (at, value) in keys {
            self.key(at, value, None);
        }
    }

    fn key_set(&mut self, at: At, value: Value, nested: &mut Vec<(At, Value, usize)>) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let keys = fields.entities("keys");
        let (given, name) = (fields.id(), fields.checked("name", label).map(Arc::from));
        let id = self.key_sets.id(given, name.as_deref(), || fields.at.to_string());
        let Added { position, unique } = self.key_sets.add(&fields, name.as_ref(), &id);
        let id = if unique { id } else { self.key_sets.stand_in(&fields.at) };
        nested.extend(keys.into_iter().map(|(at, value)| (at, value, position)));
        let directory = fields.checked("directory", label).map(PathBuf::from);
        let rotate_every = period(&mut fields, "rotate_every");
        if rotate_every.is_some() && directory.is_none() {
            fields.wrong("rotate_every", "generated keys need a `directory`");
        }
        self.model.key_sets.push(KeySetDecl {
            id,
            name,
            directory,
            algorithm: algorithm(&mut fields),
            rotate_every,
            publish_before: period(&mut fields, "publish_before").unwrap_or(A_DAY),
            retire_after: period(&mut fields, "retire_after").unwrap_or(A_DAY),
            stamp: fields.stamp(),
            at: fields.at.clone(),
        });
        fields.finish();
    }

    fn key(&mut self, at: At, value: Value, nested: Option<usize>) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let set_named = fields.peek("set");
        let set = self.key_sets.refer_by(&mut fields, "set", nested);
        let (given, name) = (fields.id(), fields.checked("name", label).map(Arc::from));
        let kid: Option<Arc<str>> = fields.checked("kid", label).map(Arc::from);
        let owner = set.as_ref().ok().copied().flatten().and_then(|set| self.model.key_sets.get(set));
        if owner.is_some_and(|set| set.directory.is_some()) {
            let reason =
                "the keys of its set stand in a `directory`; put the key there, or give the set no `directory`";
            fields.cx.notes.mistake(fields.at.clone(), reason);
        }
        let given = given.or_else(|| match (&name, &kid) {
            (None, Some(kid)) => {
                let owner = if set_named.is_empty() { owner.map_or("", |set| &set.id) } else { &set_named };
                Some(ids::derive("keys", &ids::joined("keys", &[kid, owner])))
            }
            _ => None,
        });
        // Of its place and not of its content, which is a secret.
        let id = self.keys.id(given, name.as_deref(), || fields.at.to_string());
        let unique_kid =
            kid.as_ref().is_none_or(|kid| self.claim_kid(&fields, kid, set.as_ref().ok().copied().flatten()));
        let unique = unique_kid && self.keys.add(&fields, name.as_ref(), &id).unique;
        let (not_before, not_after) = (moment(&mut fields, "not_before"), moment(&mut fields, "not_after"));
        if not_before.zip(not_after).is_some_and(|(from, until)| until <= from) {
            fields.wrong("not_after", "lies before `not_before`: the key would never sign");
        }
        let material = material(&mut fields).filter(|_| unique);
        let (stamp, at) = (fields.stamp(), fields.at.clone());
        fields.finish();
        if let Ok(set) = set {
            self.model.keys.push(KeyDecl { id, name, set, kid, material, not_before, not_after, stamp, at });
        }
    }

    /// False, and a mistake, when another key of the set has it.
    fn claim_kid(&mut self, fields: &Fields<'_>, kid: &Arc<str>, set: Option<usize>) -> bool {
        if let Some(other) = self.kids.get(&(Arc::clone(kid), set)) {
            fields.cx.notes.duplicate(fields.at.key("kid"), format!("kid `{kid}` is taken by"), other.clone());
            return false;
        }
        self.kids.insert((Arc::clone(kid), set), fields.at.clone());
        true
    }
}

fn material(fields: &mut Fields<'_>) -> Option<KeyMaterial> {
    let given: Vec<&str> = FORMS.into_iter().filter(|form| fields.has(form)).collect();
    if given.len() != 1 {
        let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
        let reason = format!("a key has exactly one of `jwk`, `pem` and `file`, found {found}");
        fields.cx.notes.mistake(fields.at.clone(), reason);
    }
    let jwk = filled(fields, "jwk").map(KeyMaterial::Jwk);
    let pem = fields.take("pem").and_then(|pem| {
        let mut pem = Fields::open(fields.cx, fields.at.key("pem"), pem)?;
        let none = !pem.has("private_key") && !pem.has("public_key");
        let (private, public) = (filled(&mut pem, "private_key"), filled(&mut pem, "public_key"));
        if none {
            pem.cx.notes.mistake(pem.at.clone(), "expected `private_key`, `public_key` or both");
        }
        pem.finish();
        (private.is_some() || public.is_some()).then_some(KeyMaterial::Pem { private, public })
    });
    let file = fields.checked("file", label).map(|file| KeyMaterial::File(file.into()));
    if given.len() == 1 { jwk.or(pem).or(file) } else { None }
}

/// A text that is a secret. Its checks must not show it.
fn filled(fields: &mut Fields<'_>, key: &'static str) -> Option<Secret> {
    let secret = Secret::new(fields.text(key)?);
    if secret.as_str().trim().is_empty() {
        fields.wrong(key, "is empty");
        return None;
    }
    Some(secret)
}

fn algorithm(fields: &mut Fields<'_>) -> Option<Algorithm> {
    let signing = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.can_sign());
    let words: Vec<_> = signing.map(|algorithm| (algorithm.as_str(), algorithm)).collect();
    fields.one_of("algorithm", &words)
}

/// Seconds.
fn period(fields: &mut Fields<'_>, key: &'static str) -> Option<u64> {
    fields.integer(key, 1..=LONGEST).map(i64::cast_unsigned)
}

/// Seconds since 1970, or a time as RFC 3339 writes it.
fn moment(fields: &mut Fields<'_>, key: &'static str) -> Option<u64> {
    const EXPECTED: &str = "seconds since 1970, or a time such as `2026-01-31T08:00:00Z`";
    if !fields.peek(key).is_empty() {
        let seconds = moment::parse(&fields.text(key)?);
        if seconds.is_none() {
            fields.wrong(key, format!("expected {EXPECTED}"));
        }
        return seconds;
    }
    let value = fields.take(key)?;
    let seconds = value.as_u64();
    if seconds.is_none() {
        fields.wrong(key, format!("expected {EXPECTED}, found {}", kind(&value)));
    }
    seconds
}

/// Names, kids and paths.
fn label(text: &str) -> Check {
    checks::demand(!text.is_empty() && !text.contains(char::is_control), "expected a text, without control characters")
}
