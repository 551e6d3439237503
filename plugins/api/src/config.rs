//! From the `config` of a plugin in the file to its own type, with every mistake reported at once.

use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use crate::ConfigError;

/// The `config` block of one plugin or the fields of one credential, references resolved, not yet typed.
#[derive(Clone, Default)]
pub struct RawConfig(Mapping);

/// Names of fields only: values may be secrets.
impl std::fmt::Debug for RawConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl RawConfig {
    /// Takes a mapping; null members count as absent, as in Kong, at any depth.
    pub fn new(mapping: Mapping) -> Self {
        Self(without_nulls(mapping))
    }
}

impl From<RawConfig> for Value {
    fn from(raw: RawConfig) -> Self {
        Value::Mapping(raw.0)
    }
}

fn without_nulls(mapping: Mapping) -> Mapping {
    mapping
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| match value {
            Value::Mapping(inner) => (key, Value::Mapping(without_nulls(inner))),
            other => (key, other),
        })
        .collect()
}

/// Decodes a configuration. `at_default` lists Kong's fields that the type does not have, each with its default as YAML:
/// they are accepted at that value and are a mistake otherwise.
///
/// # Errors
/// One [`ConfigError`] for each field that is wrong: decoding starts again without a field that failed, so that one
/// run shows them all.
pub fn decode<T: DeserializeOwned>(raw: RawConfig, at_default: &[(&str, &str)]) -> Result<T, Vec<ConfigError>> {
    let mut mapping = raw.0;
    let mut errors = not_implemented(&mut mapping, at_default);
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(Value::Mapping(mapping.clone())) {
            Ok(config) if errors.is_empty() => return Ok(config),
            Ok(_) => return Err(errors),
            Err(error) => error,
        };
        let reason = explain(&error.inner().to_string());
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
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return message.to_owned();
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next() else { return message.to_owned() };
    let nearest = names
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3 + 1);
    match nearest {
        Some((_, known)) => format!("{message}; did you mean `{known}`?"),
        None => message.to_owned(),
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
        assert!(errors.iter().any(|e| e.starts_with("key_names: invalid type: integer `5`")), "{errors:?}");
        assert!(errors.iter().any(|e| e.starts_with("required: invalid type")), "{errors:?}");
        assert!(errors.iter().any(|e| e.contains("unknown field `kyes`")), "{errors:?}");
    }

    #[test]
    fn a_misspelt_field_gets_a_suggestion() {
        let errors = errors("{key_name: [a], required: 1}");
        assert!(errors.iter().any(|e| e.ends_with("did you mean `key_names`?")), "{errors:?}");
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
