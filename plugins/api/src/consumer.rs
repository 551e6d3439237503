//! Consumers as plugins see them.

use std::{collections::HashMap, fmt, sync::Arc};

use http::HeaderValue;

use crate::ConfigError;

/// A consumer of the configuration. Header values are made once, when the configuration is compiled.
#[derive(PartialEq, Eq)]
pub struct Consumer {
    /// Its UUID, given or derived as Kong derives it.
    pub id: Arc<str>,
    /// `username`, if it has one.
    pub username: Option<Arc<str>>,
    /// `custom_id`, if it has one.
    pub custom_id: Option<Arc<str>>,
    /// `tags`.
    pub tags: Vec<String>,
    /// The `consumer_groups` that it is in, by name: of two that both have a plugin, the first one's runs, as in Kong.
    pub groups: Vec<Arc<ConsumerGroup>>,
    /// `X-Consumer-ID`.
    pub id_header: HeaderValue,
    /// `X-Consumer-Username`.
    pub username_header: Option<HeaderValue>,
    /// `X-Consumer-Custom-ID`.
    pub custom_id_header: Option<HeaderValue>,
}

/// A group of consumers (Kong: `consumer_groups`), which plugins can stand on.
#[derive(Debug, PartialEq, Eq)]
pub struct ConsumerGroup {
    /// Its UUID, given or derived as Kong derives it.
    pub id: Arc<str>,
    /// `name`, unique.
    pub name: Arc<str>,
    /// `tags`.
    pub tags: Vec<String>,
}

impl Consumer {
    /// Builds a consumer and its header values; it is in no group.
    ///
    /// # Errors
    /// When a name cannot stand in a header (control characters).
    pub fn new(
        id: &str,
        username: Option<&str>,
        custom_id: Option<&str>,
        tags: Vec<String>,
    ) -> Result<Self, ConfigError> {
        let header = |field: &str, value: &str| {
            HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| ConfigError::new(field, "control characters cannot be sent upstream in a header"))
        };
        Ok(Self {
            id_header: header("id", id)?,
            username_header: username.map(|v| header("username", v)).transpose()?,
            custom_id_header: custom_id.map(|v| header("custom_id", v)).transpose()?,
            id: id.into(),
            username: username.map(Into::into),
            custom_id: custom_id.map(Into::into),
            tags,
            groups: Vec::new(),
        })
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("id", &self.id).field("username", &self.username).finish_non_exhaustive()
    }
}

/// All consumers of one configuration, found by id, user name or custom id.
#[derive(Debug, Default)]
pub struct Consumers {
    by_id: HashMap<Arc<str>, Arc<Consumer>>,
    by_username: HashMap<Arc<str>, Arc<Consumer>>,
    by_custom_id: HashMap<Arc<str>, Arc<Consumer>>,
}

impl Consumers {
    /// Adds one; false when its id, user name or custom id is taken.
    #[must_use]
    pub fn insert(&mut self, consumer: Arc<Consumer>) -> bool {
        let taken = self.by_id.contains_key(&consumer.id)
            || consumer.username.as_ref().is_some_and(|name| self.by_username.contains_key(name))
            || consumer.custom_id.as_ref().is_some_and(|id| self.by_custom_id.contains_key(id));
        if taken {
            return false;
        }
        if let Some(name) = &consumer.username {
            self.by_username.insert(Arc::clone(name), Arc::clone(&consumer));
        }
        if let Some(id) = &consumer.custom_id {
            self.by_custom_id.insert(Arc::clone(id), Arc::clone(&consumer));
        }
        self.by_id.insert(Arc::clone(&consumer.id), consumer);
        true
    }

    /// By UUID.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Consumer>> {
        self.by_id.get(id)
    }

    /// By user name.
    pub fn by_username(&self, username: &str) -> Option<&Arc<Consumer>> {
        self.by_username.get(username)
    }

    /// By custom id.
    pub fn by_custom_id(&self, custom_id: &str) -> Option<&Arc<Consumer>> {
        self.by_custom_id.get(custom_id)
    }

    /// By UUID, else by user name: how Kong reads `anonymous` and a plugin's `consumer`.
    pub fn find(&self, id_or_username: &str) -> Option<&Arc<Consumer>> {
        self.by_id(id_or_username).or_else(|| self.by_username(id_or_username))
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Consumer>> {
        self.by_id.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
