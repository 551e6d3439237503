//! `{vault://env/NAME}`: secrets that a file names and the environment holds.

use std::{borrow::Cow, cell::RefCell, collections::HashMap};

use serde_yaml::{Mapping, Value};

/// How to look up a variable of the environment.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Vaults of other products that Kong knows.
const ELSEWHERE: [&str; 5] = ["hcv", "aws", "gcp", "azure", "conjur"];

/// The reason for a reference that YAML took for a mapping.
pub(super) const UNQUOTED: &str = "a reference stands in quotes, as in '{vault://env/name}'";

/// The vaults of one file.
pub(super) struct Vaults<'a> {
    env: &'a Env<'a>,
    /// The prefixes of variables, by the prefix of the vault entity: `{vault://my-env/x}`.
    named: RefCell<HashMap<String, String>>,
    /// References stay as they are written.
    kept: bool,
}

impl<'a> Vaults<'a> {
    pub(super) fn new(env: &'a Env<'a>) -> Self {
        Self { env, named: RefCell::default(), kept: false }
    }

    /// Leaves every reference as it is written: for whoever looks at a file, and must see no secret.
    pub(super) fn keeping(self) -> Self {
        Self { kept: true, ..self }
    }

    /// Whether it does that.
    pub(super) fn keep(&self) -> bool {
        self.kept
    }

    /// Whether this text is a reference that stays as it is: nothing can be said about what it stands for.
    pub(super) fn keeps(&self, text: &str) -> bool {
        self.kept && reference(text).is_some()
    }

    /// Adds a vault entity over the environment; false when its name is taken.
    pub(super) fn add(&self, name: String, variable_prefix: String) -> bool {
        let mut named = self.named.borrow_mut();
        !named.contains_key(&name) && named.insert(name, variable_prefix).is_none()
    }

    /// What a reference stands for; None when `text` is not a reference. The reason of an error never holds a secret.
    pub(super) fn resolve(&self, text: &str) -> Result<Option<String>, String> {
        match reference(text) {
            Some(_) if self.kept => Ok(None),
            Some(inner) => {
                self.look_up(&Reference::parse(inner)?).map(Some).map_err(|reason| format!("`{text}`: {reason}"))
            }
            None => Ok(None),
        }
    }

    /// Resolves every reference within `value`; gives the paths (`.a[0]`) that failed, with the reason.
    pub(super) fn resolve_all(&self, value: &mut Value) -> Vec<(String, String)> {
        let mut failed = Vec::new();
        self.walk(value, &mut failed);
        failed
    }

    /// Paths grow from the inside out, so that they cost nothing where all is well.
    fn walk(&self, value: &mut Value, failed: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) => match self.resolve(text) {
                Ok(None) => {}
                Ok(Some(secret)) => *text = secret,
                Err(reason) => failed.push((String::new(), reason)),
            },
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.below(item, failed, || format!("[{index}]"));
                }
            }
            Value::Mapping(members) if is_unquoted(members) => {
                failed.push((String::new(), UNQUOTED.to_owned()));
                // What reads it then expects a string, and has one.
                *value = Value::String(UNQUOTED.to_owned());
            }
            Value::Mapping(members) => {
                for (key, member) in members.iter_mut() {
                    self.below(member, failed, || match key.as_str() {
                        Some(key) => format!(".{}", quoted(key)),
                        None => ".?".to_owned(),
                    });
                }
            }
            Value::Tagged(tagged) => self.walk(&mut tagged.value, failed),
            _ => {}
        }
    }

    fn below(&self, value: &mut Value, failed: &mut Vec<(String, String)>, step: impl FnOnce() -> String) {
        let before = failed.len();
        self.walk(value, failed);
        if failed.len() > before {
            let step = step();
            failed.iter_mut().skip(before).for_each(|(path, _)| path.insert_str(0, &step));
        }
    }

    fn look_up(&self, wanted: &Reference) -> Result<String, String> {
        let variable = self.variable(wanted)?;
        let text = (self.env)(&variable).ok_or_else(|| format!("the variable {variable} is not set"))?;
        let secret = match &wanted.key {
            Some(key) => member(&text, key).map_err(|reason| format!("the variable {variable} {reason}"))?,
            None => text,
        };
        // An empty secret is a deployment that went wrong; it must not become an empty password.
        if secret.is_empty() { Err(format!("the variable {variable} is empty")) } else { Ok(secret) }
    }

    fn variable(&self, wanted: &Reference) -> Result<String, String> {
        let named = self.named.borrow();
        let prefix = match (&wanted.prefix, wanted.vault.as_str()) {
            (Some(prefix), vault) if vault == "env" || named.contains_key(vault) => prefix.as_str(),
            (None, "env") => "",
            (_, vault) => match named.get(vault) {
                Some(prefix) => prefix,
                None if ELSEWHERE.contains(&vault) => {
                    return Err(format!("the vault `{vault}` is not implemented; `env` is"));
                }
                None => return Err(format!("there is no vault `{vault}`")),
            },
        };
        let version = if wanted.previous { "_PREVIOUS" } else { "" };
        Ok(format!("{prefix}{}", wanted.resource).replace('-', "_").to_uppercase() + version)
    }
}

/// `vault://NAME/RESOURCE[/KEY][?prefix=P][#VERSION]`
struct Reference {
    vault: String,
    resource: String,
    key: Option<String>,
    prefix: Option<String>,
    previous: bool,
}

impl Reference {
    fn parse(inner: &str) -> Result<Self, String> {
        let malformed = |reason: &str| format!("`{{vault://{inner}}}` is not a reference: {reason}");
        let (rest, version) = inner.split_once('#').map_or((inner, None), |(rest, version)| (rest, Some(version)));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (vault, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut segments = path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect::<Vec<_>>();
        if vault.is_empty() || segments.is_empty() {
            return Err(malformed("expected `{vault://VAULT/NAME}`"));
        }
        let key = if segments.len() > 1 && !path.ends_with('/') { segments.pop() } else { None };
        let mut prefix = None;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "prefix" => prefix = Some(decoded(value)),
                // How long Kong caches what its other vaults give.
                "ttl" | "neg_ttl" | "resurrect_ttl" => {}
                other => return Err(malformed(&format!("unknown option `{other}`"))),
            }
        }
        let previous = match version {
            None | Some("1") => false,
            Some("2") => true,
            Some(_) => return Err(malformed("the version is 1 (current) or 2 (previous)")),
        };
        Ok(Self { vault: vault.to_owned(), resource: segments.join("/"), key, prefix, previous })
    }
}

/// What YAML makes of a reference without quotes: `{"vault://env/name": null}`.
pub(super) fn is_unquoted(members: &Mapping) -> bool {
    members.len() == 1 && members.keys().all(|key| key.as_str().is_some_and(|key| key.starts_with("vault://")))
}

fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("{vault://")?.strip_suffix('}')
}

/// A string member of a JSON object. Never says what the text is: it is a secret.
fn member(text: &str, key: &str) -> Result<String, String> {
    let Ok(serde_json::Value::Object(mut members)) = serde_json::from_str(text) else {
        return Err("does not hold a JSON object".to_owned());
    };
    match members.remove(key) {
        Some(serde_json::Value::String(secret)) => Ok(secret),
        Some(_) => Err(format!("holds a `{key}` that is not a string")),
        None => Err(format!("holds no `{key}`")),
    }
}

fn quoted(key: &str) -> Cow<'_, str> {
    let mut written = String::new();
    match super::at::write_key(&mut written, key) {
        Ok(()) => Cow::Owned(written),
        Err(_) => Cow::Borrowed(key),
    }
}

fn decoded(text: &str) -> String {
    let bytes = percent_encoding::percent_decode_str(text).collect();
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "SSO_APIM_CLIENTID" => "id-1",
            "SSL_CERT" => "pem",
            "KEY_PREVIOUS" => "old",
            "EMPTY" => "",
            "PAIR" => r#"{"user": "u", "n": 1}"#,
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn resolve(text: &str) -> Result<Option<String>, String> {
        let vaults = Vaults::new(&env);
        assert!(vaults.add("my-env".into(), "sso-".into()));
        vaults.resolve(text)
    }

    #[test]
    fn a_name_is_read_in_capitals_with_underscores() {
        assert_eq!(resolve("{vault://env/sso-apim-clientid}"), Ok(Some("id-1".into())));
        assert_eq!(resolve("{vault://my-env/apim-clientid}"), Ok(Some("id-1".into())));
        assert_eq!(resolve("{vault://env/cert?prefix=SSL_}"), Ok(Some("pem".into())));
        assert_eq!(resolve("{vault://env/key#2}"), Ok(Some("old".into())));
    }

    #[test]
    fn a_member_of_a_json_secret_is_picked_by_its_name() {
        assert_eq!(resolve("{vault://env/pair/user}"), Ok(Some("u".into())));
        assert!(resolve("{vault://env/pair/n}").is_err_and(|e| e.contains("not a string")));
        assert!(resolve("{vault://env/pair/x}").is_err_and(|e| e.ends_with("the variable PAIR holds no `x`")));
        assert!(resolve("{vault://env/cert/x?prefix=SSL_}").is_err_and(|e| !e.contains("pem")));
    }

    #[test]
    fn text_that_is_not_a_reference_as_a_whole_stays() {
        assert_eq!(resolve("plain"), Ok(None));
        assert_eq!(resolve("Bearer {vault://env/cert}"), Ok(None));
    }

    #[test]
    fn what_is_not_set_or_empty_or_unknown_is_an_error() {
        for (text, reason) in [
            ("{vault://env/nothing-here}", "NOTHING_HERE is not set"),
            ("{vault://env/empty}", "is empty"),
            ("{vault://none/x}", "there is no vault `none`"),
            ("{vault://hcv/x}", "not implemented"),
            ("{vault://env}", "expected `{vault://VAULT/NAME}`"),
            ("{vault://env/x#latest}", "the version is"),
            ("{vault://env/x?prefx=a}", "unknown option `prefx`"),
        ] {
            assert!(resolve(text).is_err_and(|e| e.contains(reason)), "{text}: {:?}", resolve(text));
        }
    }

    #[test]
    fn a_reference_without_quotes_is_told_from_a_mapping() {
        let vaults = Vaults::new(&env);
        let mut value: Value = serde_yaml::from_str("{a: {vault://env/ssl-cert}, b: {c: null}}").expect("YAML");
        assert_eq!(vaults.resolve_all(&mut value), [(".a".to_owned(), UNQUOTED.to_owned())]);
    }

    #[test]
    fn references_are_found_at_any_depth_and_failures_have_their_path() {
        let vaults = Vaults::new(&env);
        let mut value: Value = serde_yaml::from_str(
            "{a: [x, '{vault://env/none}'], b: {'c.d': '{vault://env/none}', e: '{vault://env/ssl-cert}'}}",
        )
        .expect("YAML");
        let failed = vaults.resolve_all(&mut value);
        let paths: Vec<_> = failed.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [".a[1]", ".b.\"c.d\""]);
        assert_eq!(value["b"]["e"], "pem");
    }
}
