//! One mapping of the file, taken apart field by field: every mistake is noted, nothing stays unread.

use std::{cell::Cell, ops::RangeInclusive, sync::Arc};

use serde_yaml::{Mapping, Value};
use signet_plugin_api::{RawConfig, boolean_word, nearest};
use smallvec::SmallVec;

use super::{
    At, Known, Stamp,
    checks::{self, Check},
    mistake::Notes,
    trace::{How, Trace},
    vault::{UNQUOTED, Vaults, is_unquoted},
};

/// What all entities of one file have in common while it is read.
pub(super) struct Context<'a> {
    pub(super) known: &'a Known,
    pub(super) vaults: Vaults<'a>,
    pub(super) notes: Notes,
    /// The file is of version 1.1 or 2.1: its route paths become those of 3.0.
    pub(super) old_paths: Cell<bool>,
    /// The file is YAML, whose version 1.1 (which Kong reads) has more words for true and false.
    pub(super) yaml: bool,
    /// Where what became of each field is kept, if somebody asks.
    pub(super) trace: Option<&'a Trace>,
}

/// A cursor over one mapping. What was not taken is a mistake in [`Fields::finish`].
pub(super) struct Fields<'c> {
    pub(super) cx: &'c Context<'c>,
    pub(super) at: At,
    members: Mapping,
    asked: SmallVec<[&'static str; 32]>,
}

impl<'c> Fields<'c> {
    /// None, and a mistake, when `value` is not a mapping.
    pub(super) fn open(cx: &'c Context<'c>, at: At, value: Value) -> Option<Self> {
        match value {
            Value::Mapping(members) => {
                if let Some(trace) = cx.trace {
                    trace.entity(&at);
                }
                Some(Self { cx, at, members, asked: SmallVec::new() })
            }
            other => {
                cx.notes.mistake(at, format!("expected a mapping, found {}", kind(&other)));
                None
            }
        }
    }

    /// A field as it stands; null is absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        let value = self.members.swap_remove(key).filter(|value| !value.is_null())?;
        if let Some(trace) = self.cx.trace {
            trace.field(&self.at, key);
        }
        Some(value)
    }

    /// Whether a field is there and not yet taken; a null one is not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.members.get(key).is_some_and(|value| !value.is_null())
    }

    /// A string as it is written, left where it is; empty when there is none.
    pub(super) fn peek(&self, key: &str) -> String {
        self.members.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn wrong(&self, key: &'static str, reason: impl Into<String>) {
        self.cx.notes.mistake(self.at.key(key), reason);
    }

    /// A string, references resolved.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.checked(key, checks::any)
    }

    /// A string that passes `check`. One that does not is None, as if it were absent, and a mistake.
    pub(super) fn checked(&mut self, key: &'static str, check: fn(&str) -> Check) -> Option<String> {
        let value = self.take(key)?;
        self.string(&self.at.key(key), value, check)
    }

    /// One of some words.
    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.wrong(key, expected_one_of(words.iter().map(|(word, _)| *word)));
        }
        found
    }

    /// A whole number.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.take(key)?;
        // Kong's numbers are floating-point: 60000.0 is one of its integers.
        let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
        match value.as_i64().or_else(|| value.as_f64().and_then(whole)) {
            Some(number) if range.contains(&number) => return Some(number),
            Some(number) => {
                let bounds = format!("expected a number from {} to {}, found {number}", range.start(), range.end());
                self.wrong(key, bounds);
            }
            None if value.is_number() => self.wrong(key, "expected an integer, found a fraction"),
            None => {
                let number = value.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
                let hint = if number { "; write it without quotes" } else { "" };
                self.wrong(key, format!("expected an integer, found {}{hint}", kind(&value)));
            }
        }
        None
    }

    /// Seconds since 1970.
    pub(super) fn timestamp(&mut self, key: &'static str) -> Option<i64> {
        self.integer(key, 0..=i64::MAX)
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        match &value {
            Value::Bool(flag) => Some(*flag),
            Value::String(word) if self.cx.yaml && boolean_word(word).is_some() => boolean_word(word),
            other => {
                self.wrong(key, format!("expected true or false, found {}", kind(other)));
                None
            }
        }
    }

    /// A list of strings; an empty one counts as absent.
    pub(super) fn texts(&mut self, key: &'static str, check: fn(&str) -> Check) -> Option<Vec<String>> {
        let items = self.list(key)?;
        let texts = self.strings(&self.at.key(key), items, check);
        Some(texts).filter(|texts| !texts.is_empty())
    }

    /// The items of a list at `at`, as strings.
    pub(super) fn strings(&self, at: &At, items: Vec<Value>, check: fn(&str) -> Check) -> Vec<String> {
        let items = items.into_iter().enumerate();
        items.filter_map(|(index, item)| self.string(&at.index(index), item, check)).collect()
    }

    /// A list as it stands.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<Value>> {
        match self.take(key)? {
            Value::Sequence(items) => Some(items),
            // Kong's own dumps write an empty list as `{}` when Lua cannot tell.
            Value::Mapping(members) if members.is_empty() => None,
            other => {
                self.wrong(key, format!("expected a list, found {}", kind(&other)));
                None
            }
        }
    }

    /// The entities of a list, each with its place.
    pub(super) fn entities(&mut self, key: &'static str) -> Vec<(At, Value)> {
        let Some(items) = self.list(key) else { return Vec::new() };
        let at = self.at.key(key);
        items.into_iter().enumerate().map(|(index, item)| (at.index(index), item)).collect()
    }

    /// `tags`.
    pub(super) fn tags(&mut self) -> Vec<String> {
        self.texts("tags", checks::tag).unwrap_or_default()
    }

    /// `tags` and times.
    pub(super) fn stamp(&mut self) -> Stamp {
        let (created_at, updated_at) = (self.timestamp("created_at"), self.timestamp("updated_at"));
        Stamp { tags: self.tags(), created_at, updated_at }
    }

    /// `id`, if there is one.
    pub(super) fn id(&mut self) -> Option<Arc<str>> {
        self.checked("id", checks::uuid).map(|id| id.to_ascii_lowercase().into())
    }

    /// A field of Kong's that is accepted when it changes nothing: absent, null, empty, or `default`.
    pub(super) fn not_implemented(&mut self, key: &'static str, default: Option<Value>) {
        let Some(value) = self.take(key) else { return };
        let empty = match &value {
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(members) => members.is_empty(),
            _ => false,
        };
        if empty || default.as_ref() == Some(&value) {
            self.is(How::AtDefault);
            return;
        }
        match default.as_ref().map(shown) {
            Some(default) => {
                self.wrong(key, format!("`{key}` is not implemented yet; only its default ({default}) is accepted"))
            }
            None => self.wrong(key, format!("`{key}` is not implemented yet; leave it out")),
        }
    }

    /// What became of the field that was taken last.
    pub(super) fn is(&self, how: How) {
        if let Some(trace) = self.cx.trace {
            trace.last_is(how);
        }
    }

    /// What is left, as one text: what tells entities without a name apart.
    pub(super) fn content(&self) -> String {
        serde_json::to_string(&self.members).unwrap_or_default()
    }

    /// The members that are left, for what has its own decoder. References are resolved; nothing is reported as unknown.
    pub(super) fn rest(self) -> Mapping {
        let mut value = Value::Mapping(self.members);
        resolve(self.cx, &self.at, &mut value);
        match value {
            Value::Mapping(members) => members,
            _ => Mapping::new(),
        }
    }

    /// As [`Fields::rest`], for the decoder of a plugin.
    pub(super) fn raw(self) -> RawConfig {
        let cx = self.cx;
        raw(cx, self.rest())
    }

    /// Reports every member that nobody asked for. `_comment` and `_ignore` are Kong's notes to its readers.
    pub(super) fn finish(self) {
        if let Some(trace) = self.cx.trace {
            trace.known(&self.at, &self.asked);
        }
        for key in self.members.keys() {
            let Some(key) = key.as_str() else {
                self.cx
                    .notes
                    .mistake(self.at.clone(), format!("expected names of fields, found {} as a key", kind(key)));
                continue;
            };
            if key != "_comment" && key != "_ignore" {
                self.cx.notes.mistake(self.at.key(key.to_owned()), unknown(key, &self.asked));
            }
        }
    }

    fn string(&self, at: &At, value: Value, check: fn(&str) -> Check) -> Option<String> {
        let Value::String(text) = value else {
            let hint = match &value {
                Value::Number(_) | Value::Bool(_) => "; put it in quotes",
                Value::Mapping(members) if is_unquoted(members) => {
                    self.cx.notes.mistake(at.clone(), UNQUOTED);
                    return None;
                }
                _ => "",
            };
            self.cx.notes.mistake(at.clone(), format!("expected a string, found {}{hint}", kind(&value)));
            return None;
        };
        if self.cx.vaults.keeps(&text) {
            return Some(text);
        }
        let resolved = match self.cx.vaults.resolve(&text) {
            Ok(resolved) => resolved,
            Err(reason) => {
                self.cx.notes.mistake(at.clone(), reason);
                return None;
            }
        };
        match check(resolved.as_deref().unwrap_or(&text)) {
            Ok(()) => return Some(resolved.unwrap_or(text)),
            Err(_) if resolved.is_some() => {
                self.cx.notes.mistake(at.clone(), format!("what `{text}` stands for cannot be used here"));
            }
            Err(reason) => self.cx.notes.mistake(at.clone(), format!("`{text}`: {reason}")),
        }
        None
    }
}

/// Resolves every reference within `value`; each that fails is a mistake at its own place.
pub(super) fn resolve(cx: &Context<'_>, at: &At, value: &mut Value) {
    for (below, reason) in cx.vaults.resolve_all(value) {
        cx.notes.mistake(at.below(below), reason);
    }
}

/// What a plugin decodes, with the booleans of the file's language.
pub(super) fn raw(cx: &Context<'_>, members: Mapping) -> RawConfig {
    if cx.yaml { RawConfig::new(members) } else { RawConfig::strict(members) }
}

/// What a value is, for people. Never the value itself: it may be a secret.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a YAML tag",
    }
}

/// The reason for a field that does not exist.
pub(crate) fn unknown(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(known) => format!("unknown field `{key}`; did you mean `{known}`?"),
        None => format!("unknown field `{key}`"),
    }
}

fn expected_one_of(words: impl Iterator<Item = &'static str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    format!("expected one of {}", words.join(", "))
}

fn shown(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
