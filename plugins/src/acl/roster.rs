//! Who is in which groups: made once for a configuration, compared with lists per request by numbers.

use std::sync::{Arc, OnceLock};

use hashbrown::{HashMap, HashSet};
use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::{ConfigError, Consumer, Consumers, CredentialRecord, CredentialStore, CredentialWarnings};

/// One of `acls`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// A group that the consumer is in.
    group: String,
}

/// The groups of all consumers, without and with their consumer groups.
pub(crate) struct Acls {
    /// Of each consumer id, in the order of the file.
    groups: HashMap<Arc<str>, Vec<Arc<str>>>,
    listed: Arc<Roster>,
    /// Made when the first plugin asks for it: it takes all consumers, and all plugins can share it.
    with_consumer_groups: OnceLock<Arc<Roster>>,
    warnings: CredentialWarnings,
}

/// Consumers with their groups. Each group has a number, so that per request no names are compared.
#[derive(Default)]
pub(super) struct Roster {
    numbers: HashMap<Arc<str>, u32>,
    members: HashMap<Arc<str>, Member>,
}

/// A consumer that is in a group.
pub(super) struct Member {
    groups: Box<[u32]>,
    /// `X-Consumer-Groups`; none if a name could not stand in a header.
    pub(super) header: Option<HeaderValue>,
}

/// The groups that a plugin names, to be found by number or by name.
pub(super) struct Listed {
    numbers: HashSet<u32>,
    names: HashSet<Box<str>>,
}

impl Acls {
    /// The consumers that `acls` puts into groups; with `consumer_groups`, also those that are in a consumer group.
    pub(super) fn roster(&self, consumers: &Consumers, consumer_groups: bool) -> Arc<Roster> {
        if !consumer_groups {
            return Arc::clone(&self.listed);
        }
        let made = self.with_consumer_groups.get_or_init(|| {
            let all = consumers.iter().map(|consumer| (&consumer.id, self.all_groups(consumer)));
            Arc::new(all.collect())
        });
        Arc::clone(made)
    }

    fn all_groups(&self, consumer: &Consumer) -> Vec<Arc<str>> {
        let mut groups = self.groups.get(&consumer.id).cloned().unwrap_or_default();
        for group in &consumer.groups {
            if !groups.contains(&group.name) {
                groups.push(Arc::clone(&group.name));
            }
        }
        groups
    }
}

impl<'a> FromIterator<(&'a Arc<str>, Vec<Arc<str>>)> for Roster {
    /// From consumer ids and names of groups.
    fn from_iter<I: IntoIterator<Item = (&'a Arc<str>, Vec<Arc<str>>)>>(all: I) -> Self {
        let mut roster = Self::default();
        for (id, groups) in all.into_iter().filter(|(_, groups)| !groups.is_empty()) {
            let header = HeaderValue::from_bytes(groups.join(", ").as_bytes()).ok();
            let groups = groups.into_iter().map(|group| roster.number(group)).collect();
            roster.members.insert(Arc::clone(id), Member { groups, header });
        }
        roster
    }
}

impl Roster {
    /// A consumer, if it is in any group.
    pub(super) fn member(&self, consumer: &Consumer) -> Option<&Member> {
        self.members.get(&consumer.id)
    }

    fn number(&mut self, group: Arc<str>) -> u32 {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(group).or_insert(next)
    }
}

impl Listed {
    /// The groups of these names. One that no consumer is in may still be a group that a credential proves.
    pub(super) fn new(names: &[String], roster: &Roster) -> Self {
        Self {
            numbers: names.iter().filter_map(|name| roster.numbers.get(name.as_str()).copied()).collect(),
            names: names.iter().map(|name| name.as_str().into()).collect(),
        }
    }

    /// Whether a consumer is in one of them.
    pub(super) fn has(&self, member: &Member) -> bool {
        member.groups.iter().any(|group| self.numbers.contains(group))
    }

    /// Whether one of these groups, which a credential proves, is one of them.
    pub(super) fn has_any(&self, groups: &[Arc<str>]) -> bool {
        groups.iter().any(|group| self.names.contains(&**group))
    }
}

impl CredentialStore for Acls {
    const COLLECTION: &'static str = "acls";
    const UNIQUE: &'static str = "group";
    const UNIQUE_PER_CONSUMER: bool = true;
    type Entry = Entry;

    fn build(records: Vec<CredentialRecord<Entry>>) -> Result<Self, Vec<(usize, ConfigError)>> {
        let mut groups: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        for (position, CredentialRecord { consumer, entry: Entry { group }, .. }) in records.into_iter().enumerate() {
            let known = groups.entry(Arc::clone(&consumer.id)).or_default();
            let wrong = |reason: &str| (position, ConfigError::new("group", reason));
            if group.is_empty() || group.contains(char::is_control) {
                errors.push(wrong("a group's name is not empty, without control characters"));
            } else if known.iter().any(|known| **known == *group) {
                errors.push(wrong("the consumer is in this group already"));
            } else {
                if group.contains(',') {
                    warnings.push(wrong("to an upstream that reads X-Consumer-Groups this is more than one group"));
                }
                known.push(group.into());
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let listed = groups.iter().map(|(id, groups)| (id, groups.clone())).collect();
        Ok(Self { listed: Arc::new(listed), groups, with_consumer_groups: OnceLock::new(), warnings })
    }

    fn take_warnings(&mut self) -> CredentialWarnings {
        std::mem::take(&mut self.warnings)
    }
}
