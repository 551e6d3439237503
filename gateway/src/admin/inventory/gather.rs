//! From the model to entities: positions become ids, times and tags are filled in.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Value, json};
use signet_plugin_api::{Registry, Route, Service};
use smallvec::SmallVec;

use super::{Entity, Members, shapes};
use crate::config::{Model, Stamp};

type Found = HashMap<&'static str, Vec<Entity>>;
type Id = Option<Arc<str>>;

/// A consumer and a group that it is in.
pub(super) type Member = (Arc<str>, Arc<str>);

/// The entities by kind, and who is in which group.
pub(super) fn gather(model: Model, registry: &Registry, loaded: u64) -> (Found, Vec<Member>) {
    let mut gathered = Gathered { found: Found::new(), loaded, ids: Ids::of(&model) };
    let of = |decl: &crate::config::ConsumerDecl| {
        let consumer = Arc::clone(&decl.consumer.id);
        decl.consumer.groups.iter().map(move |group| (Arc::clone(&consumer), Arc::clone(&group.id))).collect::<Vec<_>>()
    };
    let members = model.consumers.iter().flat_map(of).collect();
    gathered.credentials(&model, registry);
    gathered.plugins(&model, registry);
    gathered.proxied(&model);
    gathered.callers(&model);
    gathered.certificates(&model);
    gathered.keys(&model);
    (gathered.found, members)
}

/// What positions in the model stand for.
struct Ids {
    services: Vec<Arc<str>>,
    routes: Vec<Arc<str>>,
    consumers: Vec<Arc<str>>,
    groups: Vec<Arc<str>>,
    certificates: Vec<Arc<str>>,
    authorities: Vec<Arc<str>>,
    key_sets: Vec<Arc<str>>,
}

impl Ids {
    fn of(model: &Model) -> Self {
        Self {
            services: model.services.iter().map(|decl| Arc::clone(&decl.service.id)).collect(),
            routes: model.routes.iter().map(|decl| Arc::clone(&decl.route.id)).collect(),
            consumers: model.consumers.iter().map(|decl| Arc::clone(&decl.consumer.id)).collect(),
            groups: model.consumer_groups.iter().map(|decl| Arc::clone(&decl.group.id)).collect(),
            certificates: model.certificates.iter().map(|decl| Arc::clone(&decl.id)).collect(),
            authorities: model.ca_certificates.iter().map(|decl| Arc::clone(&decl.id)).collect(),
            key_sets: model.key_sets.iter().map(|decl| Arc::clone(&decl.id)).collect(),
        }
    }
}

struct Gathered {
    found: Found,
    loaded: u64,
    ids: Ids,
}

impl Gathered {
    fn proxied(&mut self, model: &Model) {
        for decl in &model.services {
            let service = &*decl.service;
            let certificate = at(&self.ids.certificates, decl.client_certificate);
            let authorities = decl.ca_certificates.as_ref();
            let authorities: Option<Vec<Id>> = authorities
                .map(|list| list.iter().map(|position| at(&self.ids.authorities, Some(*position))).collect());
            let shape = shapes::service(service, certificate.as_deref(), authorities);
            let Service { id, name, created_at, updated_at, tags, .. } = service;
            let stamp = Stamp { tags: tags.clone(), created_at: *created_at, updated_at: *updated_at };
            self.add("services", id, name.clone(), &stamp, [certificate], shape);
        }
        for decl in &model.routes {
            let route = &*decl.route;
            let service = at(&self.ids.services, decl.service);
            let Route { id, name, created_at, updated_at, tags, .. } = route;
            let stamp = Stamp { tags: tags.clone(), created_at: *created_at, updated_at: *updated_at };
            self.add("routes", id, name.clone(), &stamp, [service.clone()], shapes::route(route, service.as_deref()));
        }
    }

    fn callers(&mut self, model: &Model) {
        for decl in &model.consumers {
            let consumer = &*decl.consumer;
            let shape = members(json!({"username": consumer.username, "custom_id": consumer.custom_id}));
            self.add("consumers", &consumer.id, consumer.username.clone(), &decl.stamp, [], shape);
        }
        for decl in &model.consumer_groups {
            let shape = members(json!({"name": decl.group.name}));
            self.add("consumer_groups", &decl.group.id, Some(Arc::clone(&decl.group.name)), &decl.stamp, [], shape);
        }
    }

    fn plugins(&mut self, model: &Model, registry: &Registry) {
        let mut schemas: HashMap<&str, Value> = HashMap::new();
        for decl in &model.plugins {
            let Some(registration) = registry.get(&decl.name) else { continue };
            let schema = schemas.entry(registration.name).or_insert_with(|| registration.schema());
            let stands = [
                at(&self.ids.services, decl.service),
                at(&self.ids.routes, decl.route),
                at(&self.ids.consumers, decl.consumer),
                at(&self.ids.groups, decl.consumer_group),
            ];
            let shape = shapes::plugin(decl, schema, &stands);
            let key = decl.instance_name.as_deref().map(Arc::from);
            self.add("plugins", &decl.id, key, &decl.stamp, stands, shape);
        }
    }

    fn credentials(&mut self, model: &Model, registry: &Registry) {
        let kinds = registry.iter().flat_map(|registration| registration.credentials);
        let schemas: HashMap<&str, (&str, Value)> =
            kinds.map(|kind| (kind.collection, (kind.unique, kind.schema()))).collect();
        for decl in &model.credentials {
            let Some((unique, schema)) = schemas.get(decl.collection) else { continue };
            let consumer = at(&self.ids.consumers, Some(decl.consumer));
            let mut shape = shapes::fields(&decl.fields, schema);
            let is_secret = schema.pointer(&format!("/properties/{unique}/writeOnly")).is_some();
            let key = shape.get(*unique).and_then(Value::as_str).filter(|_| !is_secret).map(Arc::from);
            shape.insert("consumer".to_owned(), shapes::reference(consumer.as_deref()));
            self.add(decl.collection, &decl.id, key, &decl.stamp, [consumer], shape);
        }
    }

    fn certificates(&mut self, model: &Model) {
        for decl in &model.certificates {
            self.add("certificates", &decl.id, None, &decl.stamp, [], shapes::certificate(decl));
            for sni in &decl.snis {
                let shape = members(json!({"name": sni.name, "certificate": {"id": decl.id}}));
                let refers = [Some(Arc::clone(&decl.id))];
                self.add("snis", &sni.id, Some(Arc::clone(&sni.name)), &sni.stamp, refers, shape);
            }
        }
        for decl in &model.ca_certificates {
            self.add("ca_certificates", &decl.id, None, &decl.stamp, [], shapes::authority(decl));
        }
    }

    fn keys(&mut self, model: &Model) {
        for decl in &model.key_sets {
            self.add("key_sets", &decl.id, decl.name.clone(), &decl.stamp, [], shapes::key_set(decl));
        }
        for decl in &model.keys {
            let set = at(&self.ids.key_sets, decl.set);
            let shape = shapes::key(decl, set.as_deref());
            self.add("keys", &decl.id, decl.name.clone(), &decl.stamp, [set], shape);
        }
        for decl in &model.vaults {
            let config = json!({"prefix": decl.variables, "base64_decode": false});
            let shape = members(json!({
                "prefix": decl.prefix, "name": "env", "description": decl.description, "config": config,
            }));
            self.add("vaults", &decl.id, Some(decl.prefix.as_str().into()), &decl.stamp, [], shape);
        }
    }

    /// Adds one with what all have: id, tags and times.
    fn add<const N: usize>(
        &mut self,
        kind: &'static str,
        id: &Arc<str>,
        key: Option<Arc<str>>,
        stamp: &Stamp,
        refers: [Id; N],
        mut shape: Members,
    ) {
        let tags = Some(&stamp.tags).filter(|tags| !tags.is_empty());
        let made = stamp.created_at.unwrap_or(i64::try_from(self.loaded).unwrap_or(0));
        shape.insert("id".to_owned(), json!(id));
        shape.insert("tags".to_owned(), json!(tags));
        shape.insert("created_at".to_owned(), made.into());
        // Credentials know when they were made, and nothing of later.
        if !kind.ends_with("_credentials") && kind != "acls" && kind != "jwt_secrets" {
            shape.insert("updated_at".to_owned(), stamp.updated_at.unwrap_or(made).into());
        }
        self.found.entry(kind).or_default().push(Entity {
            id: Arc::clone(id),
            key,
            tags: stamp.tags.clone(),
            refers: SmallVec::from_iter(refers),
            json: Value::Object(shape).to_string().into(),
        });
    }
}

fn at(ids: &[Arc<str>], position: Option<usize>) -> Id {
    ids.get(position?).map(Arc::clone)
}

/// The members of an object that stands in the code.
fn members(value: Value) -> Members {
    match value {
        Value::Object(members) => members,
        _ => Members::new(),
    }
}
