//! Where settings come from: texts by key, from the file or the environment, and what is wrong with them.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_yaml::Value;

use super::{Listener, listener, values};
use crate::config::{self, At, Mistake, Places, unknown};

const PREFIX: &str = "SIGNET_";

/// Something wrong with the settings. Shown as `FILE:LINE: key: reason`, or `SIGNET_KEY: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The settings file; None for the environment.
    pub file: Option<PathBuf>,
    /// Key, line and reason.
    pub mistake: Mistake,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) if self.mistake.line.is_some() => write!(f, "{}:{}", file.display(), self.mistake),
            Some(file) => write!(f, "{}: {}", file.display(), self.mistake),
            None => self.mistake.fmt(f),
        }
    }
}

/// One setting as it is written.
struct Given {
    texts: Vec<String>,
    /// It is one text, which may be a list with commas.
    single: bool,
    from_env: bool,
}

/// All settings that are given; each is taken once, what remains is unknown.
pub(super) struct Source {
    given: BTreeMap<String, Given>,
    file: Option<(PathBuf, Places)>,
    asked: Vec<&'static str>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Source {
    /// Takes the `SIGNET_*` variables. An empty one is as good as none, except for a list, which it empties.
    pub(super) fn new(env: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut given = BTreeMap::new();
        for (name, text) in env {
            if let Some(key) = name.strip_prefix(PREFIX) {
                given.insert(key.to_ascii_lowercase(), Given { texts: vec![text], single: true, from_env: true });
            }
        }
        Self { given, file: None, asked: Vec::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Adds what a file says and the environment does not.
    pub(super) fn read(&mut self, file: &Path) -> Result<(), Vec<Problem>> {
        let in_file = |mistake| Problem { file: Some(file.to_owned()), mistake };
        let (value, places) =
            config::yaml(file).map_err(|mistakes| mistakes.into_iter().map(in_file).collect::<Vec<_>>())?;
        let members = match value {
            Value::Mapping(members) => members,
            Value::Null => serde_yaml::Mapping::new(),
            _ => return Err(vec![in_file(Mistake::of_file(None, "expected settings, one `key: value` a line"))]),
        };
        self.file = Some((file.to_owned(), places));
        for (key, value) in members {
            let key = key.as_str().map_or_else(|| "?".to_owned(), str::to_owned);
            match texts(value) {
                Ok(Some((texts, single))) => {
                    self.given.entry(key).or_insert(Given { texts, single, from_env: false });
                }
                Ok(None) => drop(self.given.entry(key).or_insert(Given {
                    texts: vec![String::new()],
                    single: true,
                    from_env: false,
                })),
                Err(reason) => self.problem(&key, false, reason),
            }
        }
        Ok(())
    }

    /// A setting of one value.
    pub(super) fn value<T>(&mut self, key: &'static str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let given = self.take(key)?;
        let [text] = given.texts.as_slice() else {
            self.problem(key, given.from_env, "expected one value, found a list");
            return None;
        };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        parse(text).map_err(|reason| self.problem(key, given.from_env, reason)).ok()
    }

    /// How long something may last: a minute by default, for ever when it is 0.
    pub(super) fn patience(&mut self, key: &'static str) -> Option<Duration> {
        let given = self.value(key, values::seconds).unwrap_or(Duration::from_secs(60));
        Some(given).filter(|given| !given.is_zero())
    }

    /// A setting of several values, each parsed by itself.
    pub(super) fn list<T>(&mut self, key: &'static str, parse: fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let given = self.take(key)?;
        let from_env = given.from_env;
        let parsed = given.items().into_iter().filter_map(|item| {
            parse(&item).map_err(|reason| self.problem(key, from_env, format!("`{item}`: {reason}"))).ok()
        });
        Some(parsed.collect())
    }

    /// A setting of several values that mean something together.
    pub(super) fn whole_list<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&[String]) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.take(key)?;
        let from_env = given.from_env;
        parse(&given.items()).map_err(|reason| self.problem(key, from_env, reason)).ok()
    }

    /// Listeners, `off` being none.
    pub(super) fn listeners(&mut self, key: &'static str, default: &[&str]) -> Vec<Listener> {
        let given = self.take(key);
        let from_env = given.as_ref().is_some_and(|given| given.from_env);
        let mut items = given.map(Given::items).unwrap_or_default();
        if items.is_empty() {
            items.extend(default.iter().map(|item| (*item).to_owned()));
        }
        listener::parse(&items).unwrap_or_else(|reason| {
            self.problem(key, from_env, reason);
            Vec::new()
        })
    }

    /// A setting that changes nothing yet: accepted at its default.
    pub(super) fn only(&mut self, key: &'static str, default: &str) {
        let Some(given) = self.take(key) else { return };
        let text = given.texts.join(",");
        if !text.is_empty() && text.trim() != default {
            let reason = match default {
                "" => "not implemented yet; leave it out".to_owned(),
                _ => format!("not implemented yet; only its default (`{default}`) is accepted"),
            };
            self.problem(key, given.from_env, reason);
        }
    }

    /// A setting that Kong has and that has no meaning here.
    pub(super) fn ignore(&mut self, key: &'static str) {
        let _ = self.take(key);
    }

    /// Whether a setting is given and not yet taken.
    pub(super) fn has(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// A mistake of a setting in view of another.
    pub(super) fn contradicts(&mut self, key: &'static str, reason: &str) {
        self.problem(key, self.file.is_none(), reason);
    }

    /// Something legal but unwise about a setting in view of another.
    pub(super) fn warn(&mut self, key: &'static str, reason: &str) {
        let warning = self.locate(key, self.file.is_none(), reason);
        self.warnings.push(warning);
    }

    /// The warnings, or all mistakes. An unknown key of the file is a mistake; an unknown variable may be somebody
    /// else's (Kubernetes makes some from the names of services).
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, Vec<Problem>> {
        for (key, given) in std::mem::take(&mut self.given) {
            let reason = unknown(&key, &self.asked).replace("field", "setting");
            let problem = self.locate(&key, given.from_env, reason);
            if given.from_env { self.warnings.push(problem) } else { self.problems.push(problem) }
        }
        self.problems.sort_by_key(|problem| problem.mistake.line);
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(self.problems) }
    }

    /// The keys that were looked for: all that there are.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    fn take(&mut self, key: &'static str) -> Option<Given> {
        self.asked.push(key);
        self.given.remove(key)
    }

    fn problem(&mut self, key: &str, from_env: bool, reason: impl Into<String>) {
        let problem = self.locate(key, from_env, reason);
        self.problems.push(problem);
    }

    fn locate(&self, key: &str, from_env: bool, reason: impl Into<String>) -> Problem {
        let reason = reason.into();
        match &self.file {
            Some((file, places)) if !from_env => {
                let path = At::root().key(key.to_owned()).to_string();
                Problem { file: Some(file.clone()), mistake: places.mistake(path, reason) }
            }
            _ => {
                let path = format!("{PREFIX}{}", key.to_ascii_uppercase());
                Problem { file: None, mistake: Mistake { path, line: None, reason } }
            }
        }
    }
}

impl Given {
    /// A list of a file as it is; a text cut at its commas.
    fn items(self) -> Vec<String> {
        let items = self.texts.iter().flat_map(|text| match self.single {
            true => text.split(',').collect::<Vec<_>>(),
            false => vec![text.as_str()],
        });
        items.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }
}

/// What YAML made of a value, as text again: kong.conf knows nothing else. None for null.
fn texts(value: Value) -> Result<Option<(Vec<String>, bool)>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Sequence(items) => {
            let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
            texts.map(|texts| Some((texts, false))).ok_or("expected a list of plain values")
        }
        value => scalar(&value).map(|text| Some((vec![text], true))).ok_or("expected a value or a list of values"),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
