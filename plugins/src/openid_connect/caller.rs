//! Who the caller is: from verified claims to a consumer, a credential and groups.

use std::sync::Arc;

use hashbrown::HashMap;
use http::HeaderValue;
use signet_plugin_api::{Claims, Consumer, Consumers, Identity, Proof, Scope};

use super::{
    claims::ClaimPath,
    config::{Config, kinds::ConsumerBy},
};

/// How consumers are found.
pub(super) struct CallerRules {
    consumers: Arc<Consumers>,
    /// By user name in lower case, where case makes no difference; nobody where two names differ in nothing else.
    lower_case: HashMap<String, Option<Arc<Consumer>>>,
    by: Vec<ConsumerBy>,
    consumer: Option<ClaimPath>,
    optional: bool,
    credential: Option<ClaimPath>,
    groups: Option<ClaimPath>,
}

impl CallerRules {
    /// From `consumer_claim` and its kin.
    pub(super) fn new(config: &Config, scope: &Scope<'_>) -> Self {
        let consumers = scope.consumers();
        let mut lower_case = HashMap::new();
        if config.by_username_ignore_case {
            for consumer in consumers.iter() {
                // Of ASCII only, as in Kong: to Unicode there are letters beyond it whose small one is `k` or `s`.
                let Some(name) = consumer.username.as_ref().map(|name| name.to_ascii_lowercase()) else { continue };
                lower_case.entry(name).and_modify(|known| *known = None).or_insert_with(|| Some(Arc::clone(consumer)));
            }
        }
        Self {
            consumers,
            lower_case,
            by: config.consumer_by.clone().unwrap_or_else(|| vec![ConsumerBy::Username, ConsumerBy::CustomId]),
            consumer: ClaimPath::new(config.consumer_claim.as_ref(), None),
            optional: config.consumer_optional,
            credential: ClaimPath::new(config.credential_claim.as_ref(), Some("sub")),
            groups: ClaimPath::new(config.authenticated_groups_claim.as_ref(), None),
        }
    }

    /// The identity that claims prove.
    ///
    /// # Errors
    /// When they must name a consumer and name none of ours.
    pub(super) fn identity(&self, claims: Arc<Claims>) -> Result<Identity, &'static str> {
        let consumer = match &self.consumer {
            None => None,
            Some(path) => match path.text(&claims).and_then(|name| self.find(&name)) {
                None if self.optional => None,
                None => return Err("no consumer belongs to the claims"),
                found => found,
            },
        };
        let identifier = self.credential.as_ref().and_then(|path| path.text(&claims));
        let groups = self.groups.as_ref().map(|path| path.words(&claims).into_iter().map(Into::into).collect());
        Ok(Identity {
            identifier: identifier.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()),
            groups,
            ..Identity::new(super::NAME, consumer, Proof::Token { claims })
        })
    }

    fn find(&self, name: &str) -> Option<Arc<Consumer>> {
        let by = |by: &ConsumerBy| match by {
            ConsumerBy::Id => self.consumers.by_id(name),
            ConsumerBy::CustomId => self.consumers.by_custom_id(name),
            ConsumerBy::Username if self.lower_case.is_empty() => self.consumers.by_username(name),
            ConsumerBy::Username => {
                let same = || self.lower_case.get(&name.to_ascii_lowercase())?.as_ref();
                self.consumers.by_username(name).or_else(same)
            }
        };
        self.by.iter().find_map(by).map(Arc::clone)
    }
}
