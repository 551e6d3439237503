//! Credentials: owner and id here, everything else with the plugin that declares them.

use std::sync::Arc;

use super::{
    CredentialDecl, Stamp,
    draft::{Draft, Parent, Waiting},
    fields::Fields,
    ids,
};

impl Draft<'_> {
    /// Reads one credential, when all consumers are known.
    pub(super) fn credential(&mut self, collection: &'static str, waiting: Waiting) {
        let Some(mut fields) = Fields::open(self.cx, waiting.at, waiting.value) else { return };
        let nested = match waiting.parent {
            Parent::Consumer(consumer) => Some(consumer),
            _ => None,
        };
        let named = fields.peek("consumer");
        let Ok(owner) = self.consumers.refer(&mut fields, nested) else { return };
        let Some(consumer) = owner else {
            fields.cx.notes.mistake(fields.at.clone(), "a credential needs a `consumer`");
            return;
        };
        // One that stands twice has been told; nothing refers to credentials, so it is simply left out.
        let Some(id) = self.credential_id(collection, &mut fields, consumer, &named) else { return };
        let stamp = Stamp { tags: fields.tags(), created_at: fields.timestamp("created_at"), updated_at: None };
        let _ = (fields.take("_comment"), fields.take("_ignore"));
        let at = fields.at.clone();
        let fields = fields.raw();
        self.model.credentials.push(CredentialDecl { collection, id, consumer, fields, stamp, at });
    }

    /// Given, or derived. Kong takes the reference to the owner as it is `named`, if it stands in a string.
    fn credential_id(
        &mut self,
        collection: &'static str,
        fields: &mut Fields<'_>,
        owner: usize,
        named: &str,
    ) -> Option<Arc<str>> {
        let known = self.cx.known.collection(collection);
        let (given, unique) = (fields.id(), known.map_or("", |known| known.unique));
        let derived = given.is_none();
        let id = given.unwrap_or_else(|| match fields.peek(unique) {
            value if value.is_empty() => ids::derive(collection, &format!("{}:{}", fields.at, fields.content())),
            value if known.is_some_and(|known| known.per_consumer) => {
                let owner = self.model.consumers.get(owner).map_or("", |decl| &decl.consumer.id);
                let owner = if named.is_empty() { owner } else { named };
                ids::derive(collection, &ids::joined(collection, &[owner, &value]))
            }
            value => ids::derive(collection, &ids::joined(collection, &[&value])),
        });
        if let Some(other) = self.credential_ids.get(&(collection, Arc::clone(&id))) {
            // The value itself is a secret.
            let (key, reason) = match derived {
                true => (unique, format!("the same `{unique}` as that of")),
                false => ("id", format!("id `{id}` is taken by")),
            };
            fields.cx.notes.duplicate(fields.at.key(key), reason, other.clone());
            return None;
        }
        self.credential_ids.insert((collection, Arc::clone(&id)), fields.at.clone());
        Some(id)
    }
}
