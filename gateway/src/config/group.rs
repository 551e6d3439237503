//! Groups of consumers: what they are called, who is in them, and the plugins that are nested in them.

use std::sync::Arc;

use serde_yaml::Value;
use signet_plugin_api::{Consumer, ConsumerGroup};

use super::{
    At, ConsumerDecl, ConsumerGroupDecl, Stamp, checks,
    draft::{Draft, Parent, Waiting},
    fields::Fields,
    index::Added,
};

/// A consumer whose groups are still being collected.
pub(super) struct Joining {
    pub(super) consumer: Consumer,
    /// Positions in the model, in no order, perhaps twice.
    pub(super) groups: Vec<usize>,
    pub(super) stamp: Stamp,
    pub(super) at: At,
}

impl Draft<'_> {
    /// Reads groups, consumers, and who is in which.
    pub(super) fn all_consumers(&mut self, top: &mut Fields<'_>) {
        for (at, value) in top.entities("consumer_groups") {
            self.consumer_group(at, value);
        }
        for (at, value) in top.entities("consumers") {
            self.consumer(at, value);
        }
        self.join_groups(top.entities("consumer_group_consumers"));
    }

    /// Reads one group; what is nested in it waits for its turn.
    fn consumer_group(&mut self, at: At, value: Value) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let (members, plugins) = (fields.entities("consumers"), fields.entities("plugins"));
        if !fields.has("name") {
            fields.cx.notes.mistake(fields.at.clone(), "a consumer group needs a `name`");
        }
        let (given, name) = (fields.id(), fields.checked("name", checks::group).map(Arc::from));
        let id = self.consumer_groups.id(given, name.as_deref(), || fields.content());
        let Added { position, unique } = self.consumer_groups.add(&fields, name.as_ref(), &id);
        let id = if unique { id } else { self.consumer_groups.stand_in(&fields.at) };
        let parent = Parent::ConsumerGroup(position);
        self.waiting_plugins.extend(plugins.into_iter().map(|(at, value)| Waiting { at, value, parent }));
        self.waiting_members.extend(members.into_iter().map(|(at, value)| (position, at, value)));
        let stamp = fields.stamp();
        let tags = stamp.tags.clone();
        let group = Arc::new(ConsumerGroup { name: name.unwrap_or_else(|| Arc::clone(&id)), id, tags });
        self.model.consumer_groups.push(ConsumerGroupDecl { group, stamp, at: fields.at.clone() });
        fields.finish();
    }

    /// The groups that a consumer names as its own.
    pub(super) fn groups_of(&self, consumer: &mut Fields<'_>) -> Vec<usize> {
        let named = consumer.entities("groups").into_iter();
        named.filter_map(|(at, group)| self.consumer_groups.named(self.cx, &at, group).ok()).collect()
    }

    /// Puts every consumer into its groups, also those that a group or a file names; the model then has them all.
    fn join_groups(&mut self, memberships: Vec<(At, Value)>) {
        for (group, at, member) in std::mem::take(&mut self.waiting_members) {
            let Ok(consumer) = self.consumers.named(self.cx, &at, member) else { continue };
            self.join(consumer, group);
        }
        for (at, membership) in memberships {
            self.membership(at, membership);
        }
        for Joining { mut consumer, groups, stamp, at } in std::mem::take(&mut self.joining) {
            let groups = groups.into_iter().filter_map(|group| self.model.consumer_groups.get(group));
            consumer.groups = groups.map(|decl| Arc::clone(&decl.group)).collect();
            consumer.groups.sort_by(|one, other| one.name.cmp(&other.name));
            consumer.groups.dedup_by(|one, other| one.id == other.id);
            self.model.consumers.push(ConsumerDecl { consumer: Arc::new(consumer), stamp, at });
        }
    }

    /// One of `consumer_group_consumers`.
    fn membership(&mut self, at: At, value: Value) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let (consumer, group) =
            (self.consumers.refer(&mut fields, None), self.consumer_groups.refer(&mut fields, None));
        let _ = (fields.id(), fields.tags(), fields.timestamp("created_at"), fields.timestamp("updated_at"));
        match (consumer, group) {
            (Ok(Some(consumer)), Ok(Some(group))) => self.join(consumer, group),
            (Err(_), _) | (_, Err(_)) => {}
            _ => fields.cx.notes.mistake(fields.at.clone(), "expected a `consumer` and a `consumer_group`"),
        }
        fields.finish();
    }

    fn join(&mut self, consumer: usize, group: usize) {
        if let Some(joining) = self.joining.get_mut(consumer) {
            joining.groups.push(group);
        }
    }
}
