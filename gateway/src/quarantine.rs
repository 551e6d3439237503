//! `invalid_entities: quarantine`: which routes a mistake concerns, so that the others can be served.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::config::{Mistake, Model};

/// The places of a file's entities, and the routes that a mistake there concerns.
#[derive(Debug)]
pub(crate) struct Territory {
    by_place: HashMap<String, Owner>,
}

/// The ids of the routes that answer 503.
pub(crate) type Quarantined = HashSet<Arc<str>>;

#[derive(Debug)]
enum Owner {
    /// Of a service: its routes.
    Service(Vec<Arc<str>>),
    /// What a route says of itself decides what it matches: without it, its requests would reach another route.
    Route(Arc<str>),
    /// Of a plugin on a route or a service.
    Plugin(Vec<Arc<str>>),
    /// Of a plugin that stands on all routes, or on a consumer.
    Everything,
}

impl Territory {
    /// Looks at where the entities of a model stand.
    pub(crate) fn of(model: &Model) -> Self {
        let id = |route: usize| model.routes.get(route).map(|decl| Arc::clone(&decl.route.id));
        let of_service = |service: usize| -> Vec<Arc<str>> {
            let routes = model.routes.iter().filter(|decl| decl.service == Some(service));
            routes.map(|decl| Arc::clone(&decl.route.id)).collect()
        };
        let services =
            model.services.iter().enumerate().map(|(at, decl)| (decl.at.to_string(), Owner::Service(of_service(at))));
        let routes = model.routes.iter().map(|decl| (decl.at.to_string(), Owner::Route(Arc::clone(&decl.route.id))));
        let plugins = model.plugins.iter().map(|decl| {
            let owner = match (decl.route, decl.service) {
                (Some(route), _) => id(route).map_or(Owner::Everything, |id| Owner::Plugin(vec![id])),
                (None, Some(service)) => Owner::Plugin(of_service(service)),
                (None, None) => Owner::Everything,
            };
            (decl.at.to_string(), owner)
        });
        Self { by_place: services.chain(routes).chain(plugins).collect() }
    }

    /// The routes that these mistakes concern, or nothing when one of them concerns the file as a whole.
    pub(crate) fn routes(&self, mistakes: &[Mistake]) -> Option<Quarantined> {
        let mut concerned = Quarantined::new();
        for mistake in mistakes {
            concerned.extend(self.concerned(&mistake.path)?.iter().map(Arc::clone));
        }
        Some(concerned)
    }

    /// Takes the plugins that could not be read whole out of the model: nothing of them must start.
    pub(crate) fn leave_out(model: &mut Model, mistakes: &[Mistake]) {
        if mistakes.is_empty() {
            return;
        }
        let wrong: HashSet<&str> = mistakes.iter().flat_map(|mistake| enclosing(&mistake.path)).collect();
        model.plugins.retain(|decl| !wrong.contains(decl.at.to_string().as_str()));
    }

    fn concerned(&self, path: &str) -> Option<&[Arc<str>]> {
        let (place, owner) = enclosing(path).find_map(|place| self.by_place.get_key_value(place))?;
        let rest = path.get(place.len()..).unwrap_or_default();
        match owner {
            Owner::Plugin(routes) => Some(routes),
            // A plugin of its own that is not in the model.
            Owner::Route(route) if rest.starts_with(".plugins[") => Some(std::slice::from_ref(route)),
            // A route that is not in the model matches nothing: its requests would reach another one.
            Owner::Service(_) if rest.starts_with(".routes") => None,
            Owner::Service(routes) => Some(routes),
            Owner::Route(_) | Owner::Everything => None,
        }
    }
}

/// A path and those of what encloses it, innermost first: `a[0].b`, `a[0]`, `a`.
fn enclosing(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.char_indices().rev().filter(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
    std::iter::once(path).chain(ends.filter_map(|end| path.get(..end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_enclosed_by_its_beginnings() {
        let found: Vec<_> = enclosing("services[0].routes[1].plugins[0].config.k").collect();
        assert_eq!(found[2], "services[0].routes[1].plugins[0]");
        assert!(found.contains(&"services[0].routes[1]") && found.contains(&"services[0]"));
        assert!(!found.contains(&"services[0].routes[1].plug"));
    }
}
