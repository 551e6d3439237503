//! Consumers, and the credentials and plugins that are nested in them.

use std::sync::Arc;

use serde_yaml::Value;
use signet_plugin_api::Consumer;

use super::{
    At, ConsumerDecl,
    draft::{Draft, Parent, Waiting},
    fields::Fields,
};

impl Draft<'_> {
    /// Reads one consumer; what is nested in it waits for its turn.
    pub(super) fn consumer(&mut self, at: At, value: Value) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let plugins = fields.entities("plugins");
        let position = self.model.consumers.len();
        let parent = Parent::Consumer(position);
        self.waiting_plugins.extend(plugins.into_iter().map(|(at, value)| Waiting { at, value, parent }));
        self.wait_for_credentials(&mut fields, parent);
        for key in ["groups", "consumer_groups", "type"] {
            fields.not_implemented(key, None);
        }
        let (given, username, custom_id) = (fields.id(), fields.text("username"), fields.text("custom_id"));
        let username: Option<Arc<str>> = username.filter(|name| !name.is_empty()).map(Arc::from);
        if username.is_none() && custom_id.is_none() {
            fields.cx.notes.mistake(fields.at.clone(), "a consumer needs a `username` or a `custom_id`");
        }
        // Kong derives from the user name only; what has none keeps its id by its other name.
        let id = self.consumers.id(given, username.as_deref(), || format!("custom_id:{custom_id:?}"));
        self.consumers.add(&fields, username.as_ref(), &id);
        self.claim_custom_id(&fields, custom_id.as_deref());
        let tags = fields.tags();
        let _ = (fields.timestamp("created_at"), fields.timestamp("updated_at"));
        match Consumer::new(&id, username.as_deref(), custom_id.as_deref(), tags) {
            Ok(consumer) => {
                let decl = ConsumerDecl { consumer: Arc::new(consumer), at: fields.at.clone() };
                self.model.consumers.push(decl);
            }
            Err(error) => {
                fields.cx.notes.mistake(fields.at.key(error.field), error.reason);
                // Its position is taken: what refers to it finds it, and the file is refused for the name alone.
                self.placeholder(&fields, &id);
            }
        }
        fields.finish();
    }

    fn claim_custom_id(&mut self, fields: &Fields<'_>, custom_id: Option<&str>) {
        let Some(custom_id) = custom_id else { return };
        if let Some(other) = self.custom_ids.get(custom_id) {
            let reason = format!("custom_id `{custom_id}` is taken by");
            fields.cx.notes.duplicate(fields.at.key("custom_id"), reason, other.clone());
            return;
        }
        self.custom_ids.insert(custom_id.to_owned(), fields.at.clone());
    }

    fn placeholder(&mut self, fields: &Fields<'_>, id: &Arc<str>) {
        if let Ok(consumer) = Consumer::new(id, None, None, Vec::new()) {
            self.model.consumers.push(ConsumerDecl { consumer: Arc::new(consumer), at: fields.at.clone() });
        }
    }
}
