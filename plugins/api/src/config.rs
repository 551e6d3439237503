//! From the `config` of a plugin in the file to its own type, with every mistake reported at once.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use serde_yaml::{Mapping, Value};

use crate::ConfigError;

/// The `config` block of one plugin or the fields of one credential, references resolved, not yet typed.
#[derive(Clone, Default)]
pub struct RawConfig {
    members: Mapping,
    /// `true` and `false` are the only booleans.
    strict: bool,
    /// The names of outer members that were null.
    nulls: Vec<Value>,
}

/// Names of fields only: values may be secrets.
impl std::fmt::Debug for RawConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}

impl RawConfig {
    /// Takes a mapping; null members count as absent, as in Kong, at any depth. Where a boolean is expected, the words of
    /// YAML 1.1 (`yes`, `no`, `on`, `off`) are one.
    pub fn new(mapping: Mapping) -> Self {
        let nulls = mapping.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.clone()).collect();
        Self { members: without_nulls(mapping), strict: false, nulls }
    }

    /// Takes a mapping of a JSON file, where a word is never a boolean.
    pub fn strict(mapping: Mapping) -> Self {
        Self { strict: true, ..Self::new(mapping) }
    }

    /// All of it as one text: what tells one configuration from another. It holds the secrets, too.
    pub fn content(&self) -> String {
        serde_json::to_string(&(&self.members, &self.nulls)).unwrap_or_default()
    }

    /// Brings the null of these fields back: it says something else than leaving them out.
    #[must_use]
    pub(crate) fn keeping_nulls(mut self, fields: &[&str]) -> Self {
        for name in std::mem::take(&mut self.nulls) {
            if name.as_str().is_some_and(|name| fields.contains(&name)) {
                self.members.insert(name, Value::Null);
            }
        }
        self
    }
}

impl From<RawConfig> for Value {
    fn from(raw: RawConfig) -> Self {
        Value::Mapping(raw.members)
    }
}

fn without_nulls(mapping: Mapping) -> Mapping {
    mapping
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key, null_members_removed(value)))
        .collect()
}

/// The items of a list keep their places, also null ones.
fn null_members_removed(value: Value) -> Value {
    match value {
        Value::Mapping(inner) => Value::Mapping(without_nulls(inner)),
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(null_members_removed).collect()),
        other => other,
    }
}

/// Decodes a configuration. `at_default` lists Kong's fields that the type does not have, each with its default as YAML:
/// they are accepted at that value and are a mistake otherwise.
///
/// # Errors
/// One [`ConfigError`] for each field that is wrong: decoding starts again without a field that failed, so that one
/// run shows them all.
pub fn decode<T: DeserializeOwned>(raw: RawConfig, at_default: &[(&str, &str)]) -> Result<T, Vec<ConfigError>> {
    let RawConfig { members: mut mapping, strict, .. } = raw;
    let mut errors = not_implemented(&mut mapping, at_default);
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(Value::Mapping(mapping.clone())) {
            Ok(config) if errors.is_empty() => return Ok(config),
            Ok(_) => return Err(errors),
            Err(error) => error,
        };
        let message = error.inner().to_string();
        if !strict && message.ends_with("expected a boolean") && word_to_boolean(&mut mapping, error.path()) {
            continue;
        }
        let reason = explain(&message);
        let missing = reason.starts_with("missing field");
        let removed = remove_culprit(&mut mapping, &error.path().to_string(), &reason);
        let follows_from_removal = missing && errors.iter().any(|earlier| top(&earlier.field) == quoted(&reason));
        if !follows_from_removal {
            errors.push(ConfigError::new(field_of(&error.path().to_string(), &reason), reason));
        }
        if !removed {
            return Err(errors);
        }
    }
}

/// A default of Kong's as JSON; null when it is no YAML.
pub(crate) fn from_yaml(default: &str) -> serde_json::Value {
    serde_yaml::from_str(default).unwrap_or_default()
}

fn not_implemented(mapping: &mut Mapping, at_default: &[(&str, &str)]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (field, default) in at_default {
        let Some(value) = mapping.remove(*field) else { continue };
        let default_value: Value = serde_yaml::from_str(default).unwrap_or(Value::Null);
        if value != default_value {
            errors.push(ConfigError::new(
                *field,
                format!("this field of Kong's is not implemented; only its default ({default}) is accepted"),
            ));
        }
    }
    errors
}

/// serde names the known fields in an unordered list; the nearest one is what the reader looks for.
fn explain(message: &str) -> String {
    let message = message.strip_prefix(": ").unwrap_or(message);
    if let Some(mistyped) = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: ")) {
        return in_plain_words(mistyped).unwrap_or_else(|| message.to_owned());
    }
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return message.to_owned();
    }
    let message = message.replacen("unknown variant", "unknown value", 1);
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next() else { return message };
    let nearest = nearest(unknown, names);
    match nearest {
        Some(known) => format!("{message}; did you mean `{known}`?"),
        None => message,
    }
}

/// The name that `text` was probably meant to be. `rs256` is `RS256` in another case before it is anything else.
pub fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let text = text.to_lowercase();
    names
        .map(|name| (strsim::damerau_levenshtein(&text, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 3 + 1)
        .map(|(_, name)| name)
}

/// The names of Rust's types mean nothing to the reader of a file.
fn in_plain_words(mistyped: &str) -> Option<String> {
    let (found, expected) = mistyped.rsplit_once(", expected ")?;
    let expected = match expected {
        "a boolean" => "true or false",
        "f32" | "f64" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    };
    let hint = match (expected, found.split_once(' ')) {
        ("a string", Some(("integer" | "floating" | "boolean", _))) => "; put it in quotes",
        _ => "",
    };
    let found = match found {
        "sequence" => "a list",
        "map" => "a mapping",
        "unit value" => "null",
        // What it says may have come from a vault.
        text if text.starts_with("string ") => "a string",
        other => other.strip_prefix("floating point ").unwrap_or(other),
    };
    Some(format!("expected {expected}, found {found}{hint}"))
}

/// Kong reads YAML 1.1, our parser 1.2, which takes the words for strings. False when `path` is not one of them.
fn word_to_boolean(mapping: &mut Mapping, path: &Path) -> bool {
    let mut steps = path.iter();
    let Some(Segment::Map { key }) = steps.next() else { return false };
    let found = steps.try_fold(mapping.get_mut(key.as_str()), |value, step| match (value, step) {
        (Some(Value::Mapping(members)), Segment::Map { key }) => Some(members.get_mut(key.as_str())),
        (Some(Value::Sequence(items)), Segment::Seq { index }) => Some(items.get_mut(*index)),
        _ => None,
    });
    let Some(Some(value)) = found else { return false };
    let boolean = value.as_str().and_then(boolean_word);
    boolean.is_some_and(|boolean| {
        *value = Value::Bool(boolean);
        true
    })
}

/// The words of YAML 1.1 for true and false that YAML 1.2 takes for strings.
pub fn boolean_word(word: &str) -> Option<bool> {
    match word {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Removes the top-level member that an error is about; false when there is none, so that decoding cannot go on.
fn remove_culprit(mapping: &mut Mapping, path: &str, reason: &str) -> bool {
    let by_path = top(path);
    mapping.remove(by_path).is_some() || mapping.remove(quoted(reason)).is_some()
}

fn field_of(path: &str, reason: &str) -> String {
    match path {
        "." | "?" if reason.starts_with("missing field") => String::new(),
        "." | "?" => quoted(reason).to_owned(),
        path => path.to_owned(),
    }
}

fn top(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

fn quoted(reason: &str) -> &str {
    reason.split('`').nth(1).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoding is looked at")]
    struct Sample {
        #[serde(default)]
        key_names: Vec<String>,
        required: u32,
        realm: Option<String>,
        hide: Option<bool>,
        #[serde(default)]
        nested: Vec<Nested>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Nested {
        on: bool,
    }

    fn errors(yaml: &str) -> Vec<String> {
        let mapping = serde_yaml::from_str(yaml).expect("the test's YAML");
        let result = decode::<Sample>(RawConfig::new(mapping), &[("old", "60")]);
        result.expect_err("a mistake").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_wrong_field_is_reported_in_one_run() {
        let errors = errors("{kyes: [a], key_names: 5, required: x}");
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors.iter().any(|e| e == "key_names: expected a list, found integer `5`"), "{errors:?}");
        assert!(
            errors.iter().any(|e| e.starts_with("required: expected a whole number, 0 or more, found a string")),
            "{errors:?}"
        );
        assert!(errors.iter().any(|e| e.contains("unknown field `kyes`")), "{errors:?}");
    }

    #[test]
    fn the_words_of_old_yaml_are_booleans_except_in_json() {
        let raw = || serde_yaml::from_str("{required: 1, hide: yes, nested: [{on: Off}, {on: true}]}").expect("YAML");
        let sample: Sample = decode(RawConfig::new(raw()), &[]).expect("booleans");
        assert_eq!((sample.hide, sample.nested[0].on, sample.nested[1].on), (Some(true), false, true));
        assert_eq!(decode::<Sample>(RawConfig::strict(raw()), &[]).expect_err("mistakes").len(), 2);
        assert_eq!(errors("{required: 1, hide: y}"), ["hide: expected true or false, found a string"]);
        assert_eq!(errors("{required: 1, nested: [{on: 1}]}")[0].split(": ").next(), Some("nested[0].on"));
    }

    #[test]
    fn types_are_told_in_plain_words() {
        assert_eq!(errors("{required: -1}"), ["required: expected a whole number, 0 or more, found integer `-1`"]);
        assert_eq!(
            errors("{required: 1, realm: 5}"),
            ["realm: expected a string, found integer `5`; put it in quotes"]
        );
        assert_eq!(errors("{required: 1, realm: [a]}"), ["realm: expected a string, found a list"]);
        assert_eq!(errors("{required: 1, nested: {a: 1}}"), ["nested: expected a list, found a mapping"]);
    }

    #[test]
    fn a_null_counts_as_left_out_unless_it_is_meant() {
        #[derive(serde::Deserialize)]
        #[serde(default)]
        struct By {
            group: Option<String>,
            consumer: Option<String>,
        }
        impl Default for By {
            fn default() -> Self {
                Self { group: Some("CN".to_owned()), consumer: Some("username".to_owned()) }
            }
        }
        let raw = RawConfig::new(serde_yaml::from_str("{group: null, consumer: null}").expect("YAML"));
        let by: By = decode(raw.keeping_nulls(&["group"]), &[]).expect("both");
        assert_eq!((by.group, by.consumer.as_deref()), (None, Some("username")));
    }

    #[test]
    fn a_misspelt_field_gets_a_suggestion() {
        let errors = errors("{key_name: [a], required: 1}");
        assert!(errors.iter().any(|e| e.ends_with("did you mean `key_names`?")), "{errors:?}");
    }

    #[test]
    fn a_word_in_another_case_is_recognized() {
        let message = "unknown variant `rs256`, expected one of `ES256`, `RS256`";
        assert_eq!(explain(message), "unknown value `rs256`, expected one of `ES256`, `RS256`; did you mean `RS256`?");
    }

    #[test]
    fn a_missing_field_is_named() {
        assert_eq!(errors("{}"), [": missing field `required`"]);
    }

    #[test]
    fn a_kong_field_that_is_not_implemented_is_accepted_at_its_default_only() {
        let mapping = serde_yaml::from_str("{old: 60, required: 1, realm: null}").expect("YAML");
        assert!(decode::<Sample>(RawConfig::new(mapping), &[("old", "60")]).is_ok());
        assert!(errors("{old: 61, required: 1}").iter().any(|e| e.starts_with("old: this field of Kong's is not")));
    }
}
