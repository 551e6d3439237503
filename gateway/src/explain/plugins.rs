//! The plugins of a request: which declaration of each counts, what it is configured to, what would come of it.

use std::sync::Arc;

use signet_plugin_api::Consumer;

use super::{
    Explainer,
    answer::{Plugin, Silent, Standing, message},
    blueprint::PluginFacts,
};
use crate::{
    proxy::Course,
    runtime::{
        RouteEntry,
        chain::{Came, Run},
    },
};

impl Explainer<'_> {
    /// Those that run, in their order.
    pub(super) fn plugins(&self, course: &Course, caller: Option<&Consumer>) -> Vec<Plugin> {
        let Some(entry) = course.position.and_then(|position| self.snapshot.entry(position)) else { return Vec::new() };
        course.runs.iter().map(|run| self.plugin(run, entry, caller)).collect()
    }

    /// Those that stand on the request and do not run.
    pub(super) fn silent(&self, course: &Course, caller: Option<&Consumer>) -> Vec<Silent> {
        let Some(entry) = course.position.and_then(|position| self.snapshot.entry(position)) else { return Vec::new() };
        let here = self.here(entry).filter(|facts| facts.is_for(caller));
        let reason = |facts: &PluginFacts| match (facts.enabled, facts.on_requests) {
            (false, _) => Some("switched off (`enabled: false`)"),
            (true, false) => Some("for streams alone (`protocols`)"),
            (true, true) => None,
        };
        here.filter_map(|facts| {
            Some(Silent { name: facts.name.clone(), standing: standing(facts), reason: reason(facts)? })
        })
        .collect()
    }

    fn plugin(&self, run: &Run, entry: &RouteEntry, caller: Option<&Consumer>) -> Plugin {
        let id = run.handler.as_ref().and_then(|handler| self.snapshot.origins.of(handler));
        let facts = id.and_then(|id| self.blueprint.plugin(id));
        let outranked = self.here(entry).filter(|other| {
            let is_other = facts.is_some_and(|facts| facts.id != other.id) && other.name == run.plugin;
            is_other && other.enabled && other.on_requests && other.is_for(caller)
        });
        let (outcome, status, reason) = outcome(&run.came);
        Plugin {
            name: run.plugin.to_owned(),
            standing: facts.map(standing),
            config: facts.map(|facts| facts.fields.clone()).unwrap_or_default(),
            outranks: outranked.map(standing).collect(),
            outcome,
            status,
            reason,
            shows: run.shows.iter().map(|(name, json)| (*name, json.clone())).collect(),
        }
    }

    fn here(&self, entry: &RouteEntry) -> impl Iterator<Item = &PluginFacts> {
        let route = Arc::clone(&entry.route.id);
        let service = self.blueprint.routes.get(&route).and_then(|facts| facts.service.clone());
        self.blueprint.plugins.iter().filter(move |facts| facts.is_on(&route, service.as_deref()))
    }
}

fn outcome(came: &Came) -> (&'static str, Option<u16>, Option<String>) {
    match came {
        Came::Passes => ("passes", None, None),
        Came::Answers(response) => ("answers", Some(response.status.as_u16()), message(response)),
        Came::Unknown(reason) => ("unknown", None, Some(reason.clone())),
        Came::Assumed => ("assumed", None, Some("it finds the consumer that was given".to_owned())),
        Came::Breaks(failure) => {
            let reason = failure.error.as_ref().map_or_else(|| "it panics".to_owned(), ToString::to_string);
            ("breaks", Some(500), Some(reason))
        }
        Came::NotReached => ("not reached", None, None),
        Came::Later => ("after the request", None, None),
        Came::NotForCaller => ("not for this caller", None, None),
    }
}

fn standing(facts: &PluginFacts) -> Standing {
    Standing {
        id: Arc::clone(&facts.id),
        instance_name: facts.instance_name.clone(),
        scope: facts.scope.clone(),
        line: facts.line,
    }
}
