//! The model while it grows: entities in the order in which they can refer to each other.

use std::{collections::HashMap, sync::Arc};

use serde_yaml::Value;

use super::{
    At, Model,
    fields::{Context, Fields, kind},
    group::Joining,
    index::Index,
    plugin::Scope,
    trace::How,
};

/// Kong's collections that have no counterpart here yet.
const NOT_IMPLEMENTED: [&str; 12] = [
    "upstreams",
    "targets",
    "consumer_group_plugins",
    "filter_chains",
    "partials",
    "licenses",
    "workspaces",
    "parameters",
    "rbac_roles",
    "degraphql_routes",
    "acme_storage",
    "sessions",
];

/// Collections of credentials that Kong's plugins declare. Without the plugin nothing reads them.
pub(crate) const CREDENTIALS: [&str; 8] = [
    "acls",
    "basicauth_credentials",
    "hmacauth_credentials",
    "jwt_secrets",
    "keyauth_credentials",
    "keyauth_enc_credentials",
    "mtls_auth_credentials",
    "oauth2_credentials",
];

/// What an entity is nested in.
#[derive(Clone, Copy)]
pub(super) enum Parent {
    File,
    Service(usize),
    Route(usize),
    Consumer(usize),
    ConsumerGroup(usize),
}

/// An entity whose turn comes when all that it may refer to is known.
pub(super) struct Waiting {
    pub(super) at: At,
    pub(super) value: Value,
    pub(super) parent: Parent,
}

pub(super) struct Draft<'c> {
    pub(super) cx: &'c Context<'c>,
    pub(super) model: Model,
    pub(super) certificates: Index,
    pub(super) snis: Index,
    pub(super) ca_certificates: Index,
    pub(super) key_sets: Index,
    pub(super) keys: Index,
    pub(super) services: Index,
    pub(super) routes: Index,
    pub(super) consumers: Index,
    pub(super) consumer_groups: Index,
    pub(super) plugins: Index,
    pub(super) plugin_scopes: HashMap<(String, Scope), At>,
    pub(super) kids: HashMap<(Arc<str>, Option<usize>), At>,
    pub(super) custom_ids: HashMap<String, At>,
    pub(super) credential_ids: HashMap<(&'static str, Arc<str>), At>,
    /// With the certificate that each is nested in.
    pub(super) waiting_snis: Vec<(usize, At, Value)>,
    pub(super) joining: Vec<Joining>,
    pub(super) waiting_members: Vec<(usize, At, Value)>,
    pub(super) waiting_routes: Vec<Waiting>,
    pub(super) waiting_plugins: Vec<Waiting>,
    pub(super) waiting_credentials: Vec<(&'static str, Waiting)>,
    /// Credentials that nothing uses: how many, and where the first stands.
    unused: Vec<(&'static str, usize, At)>,
}

impl<'c> Draft<'c> {
    /// Reads a whole file.
    pub(super) fn read(cx: &'c Context<'c>, root: Value) -> Model {
        let Some(mut top) = Fields::open(cx, At::root(), root) else { return Model::default() };
        let mut draft = Self::new(cx);
        header(&mut top);
        draft.vaults(&mut top);
        draft.all_certificates(&mut top);
        draft.all_keys(&mut top);
        let [services, mut routes, plugins] =
            ["services", "routes", "plugins"].map(|collection| top.entities(collection));
        for (at, value) in services {
            draft.service(at, value);
        }
        let nested = std::mem::take(&mut draft.waiting_routes);
        let flat = routes.drain(..).map(|(at, value)| Waiting { at, value, parent: Parent::File });
        for route in nested.into_iter().chain(flat) {
            draft.route(route);
        }
        draft.all_consumers(&mut top);
        let nested = std::mem::take(&mut draft.waiting_plugins);
        let flat = plugins.into_iter().map(|(at, value)| Waiting { at, value, parent: Parent::File });
        for plugin in nested.into_iter().chain(flat) {
            draft.plugin(plugin);
        }
        draft.wait_for_credentials(&mut top, Parent::File);
        for (collection, credential) in std::mem::take(&mut draft.waiting_credentials) {
            draft.credential(collection, credential);
        }
        draft.finish(top)
    }

    /// Sets the credentials of `fields` aside, of all collections.
    pub(super) fn wait_for_credentials(&mut self, fields: &mut Fields<'_>, parent: Parent) {
        for collection in &self.cx.known.credentials {
            let entities = fields.entities(collection.name);
            self.waiting_credentials
                .extend(entities.into_iter().map(|(at, value)| (collection.name, Waiting { at, value, parent })));
        }
        for collection in CREDENTIALS {
            if self.cx.known.collection(collection).is_some() {
                continue;
            }
            let count = fields.list(collection).map_or(0, |items| items.len());
            if count > 0 {
                fields.is(How::Unread);
                self.unused(collection, count, fields.at.key(collection));
            }
        }
    }

    fn new(cx: &'c Context<'c>) -> Self {
        Self {
            cx,
            model: Model::default(),
            certificates: Index::new("certificate", "certificates", "id"),
            snis: Index::new("sni", "snis", "name"),
            ca_certificates: Index::new("ca_certificate", "ca_certificates", "id"),
            key_sets: Index::new("key_set", "key_sets", "name"),
            keys: Index::new("key", "keys", "name"),
            services: Index::new("service", "services", "name"),
            routes: Index::new("route", "routes", "name"),
            consumers: Index::new("consumer", "consumers", "username"),
            consumer_groups: Index::new("consumer_group", "consumer_groups", "name"),
            plugins: Index::new("plugin", "plugins", "instance_name"),
            plugin_scopes: HashMap::new(),
            kids: HashMap::new(),
            custom_ids: HashMap::new(),
            credential_ids: HashMap::new(),
            waiting_snis: Vec::new(),
            joining: Vec::new(),
            waiting_members: Vec::new(),
            waiting_routes: Vec::new(),
            waiting_plugins: Vec::new(),
            waiting_credentials: Vec::new(),
            unused: Vec::new(),
        }
    }

    fn unused(&mut self, collection: &'static str, count: usize, at: At) {
        match self.unused.iter_mut().find(|(known, ..)| *known == collection) {
            Some((_, total, _)) => *total += count,
            None => self.unused.push((collection, count, at)),
        }
    }

    fn finish(self, mut top: Fields<'_>) -> Model {
        for (collection, count, at) in self.unused {
            let reason =
                format!("nothing uses `{collection}` ({count} in the file) until the plugin that reads them is there");
            self.cx.notes.warning(at, reason);
        }
        for collection in NOT_IMPLEMENTED {
            top.not_implemented(collection, None);
        }
        top.finish();
        self.model
    }
}

/// What stands at the top of a file besides entities.
fn header(top: &mut Fields<'_>) {
    match top.take("_format_version") {
        None => top.wrong("_format_version", "missing; expected `_format_version: \"3.0\"`"),
        Some(Value::String(version)) if version == "3.0" => {}
        Some(Value::String(version)) if version == "1.1" || version == "2.1" => top.cx.old_paths.set(true),
        Some(Value::String(version)) => {
            top.wrong("_format_version", format!("expected \"3.0\" (or \"2.1\", \"1.1\"), found {version:?}"));
        }
        Some(other) => top.wrong("_format_version", format!("expected the string \"3.0\", found {}", kind(&other))),
    }
    if top.flag("_transform") == Some(false) {
        // Kong then takes passwords for hashes already.
        let reason = "has no effect: credentials are compared as they stand in the file, hashed ones will not match";
        top.cx.notes.warning(top.at.key("_transform"), reason);
    }
    info(top);
    // What decK keeps for itself: where it deploys to, and in which workspace.
    let _ = (top.take("_konnect"), top.take("_workspace"));
    top.not_implemented("_plugin_configs", None);
}

/// decK's notes. Its `defaults` change entities before Kong sees them: passed over, they would be lost in silence.
fn info(top: &mut Fields<'_>) {
    let Some(info) = top.take("_info") else { return };
    let Some(mut info) = Fields::open(top.cx, top.at.key("_info"), info) else { return };
    info.not_implemented("defaults", None);
}
