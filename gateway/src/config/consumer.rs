//! Consumers, and the credentials and plugins that are nested in them.

use std::sync::Arc;

use serde_yaml::Value;
use signet_plugin_api::Consumer;

use super::{
    At,
    draft::{Draft, Parent, Waiting},
    fields::Fields,
    group::Joining,
};

impl Draft<'_> {
    /// Reads one consumer; what is nested in it waits for its turn.
    pub(super) fn consumer(&mut self, at: At, value: Value) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let plugins = fields.entities("plugins");
        let position = self.joining.len();
        let parent = Parent::Consumer(position);
        self.waiting_plugins.extend(plugins.into_iter().map(|(at, value)| Waiting { at, value, parent }));
        self.wait_for_credentials(&mut fields, parent);
        let groups = self.groups_of(&mut fields);
        for key in ["consumer_groups", "type"] {
            fields.not_implemented(key, None);
        }
        let (given, username, custom_id) = (fields.id(), fields.text("username"), fields.text("custom_id"));
        let username: Option<Arc<str>> = username.filter(|name| !name.is_empty()).map(Arc::from);
        if username.is_none() && custom_id.is_none() {
            fields.cx.notes.mistake(fields.at.clone(), "a consumer needs a `username` or a `custom_id`");
        }
        // Kong derives from the user name only; what has none keeps its id by its other name.
        let id = self.consumers.id(given, username.as_deref(), || format!("custom_id:{custom_id:?}"));
        let unique = self.consumers.add(&fields, username.as_ref(), &id).unique;
        let unique = self.claim_custom_id(&fields, custom_id.as_deref()) && unique;
        let stamp = fields.stamp();
        let consumer = match Consumer::new(&id, username.as_deref(), custom_id.as_deref(), stamp.tags.clone()) {
            Ok(consumer) if unique => Ok(consumer),
            // Its position is taken: what is nested in it finds somebody there, and the file is refused for the name.
            Ok(_) => Consumer::new(&self.consumers.stand_in(&fields.at), None, None, Vec::new()),
            Err(error) => {
                fields.cx.notes.mistake(fields.at.key(error.field), error.reason);
                Consumer::new(&id, None, None, Vec::new())
            }
        };
        if let Ok(consumer) = consumer {
            self.joining.push(Joining { consumer, groups, stamp, at: fields.at.clone() });
        }
        fields.finish();
    }

    fn claim_custom_id(&mut self, fields: &Fields<'_>, custom_id: Option<&str>) -> bool {
        let Some(custom_id) = custom_id else { return true };
        if let Some(other) = self.custom_ids.get(custom_id) {
            let reason = format!("custom_id `{custom_id}` is taken by");
            fields.cx.notes.duplicate(fields.at.key("custom_id"), reason, other.clone());
            return false;
        }
        self.custom_ids.insert(custom_id.to_owned(), fields.at.clone());
        true
    }
}
