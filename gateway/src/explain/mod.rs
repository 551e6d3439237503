//! What becomes of a request, and why: its route, every plugin with its configuration, what would go upstream.

mod answer;
mod asked;
mod blueprint;
mod plugins;
mod shown;
mod text;
mod upstream;

use std::sync::Arc;

use signet_plugin_api::{Consumer, Registry, Route, Scheme};

pub(crate) use self::{
    answer::{Answer, Explanation, Other, Plugin, Request, Routed, Standing},
    asked::{Asked, Posted},
    blueprint::{Blueprint, PluginFacts},
    shown::Field,
};
use crate::{
    proxy::{Course, Policy, rehearse},
    runtime::{
        Snapshot,
        chain::Assumed,
        router::{Candidate, Verdict},
    },
};

/// Everything that there is to know.
pub(crate) struct Explainer<'a> {
    /// What serves.
    pub snapshot: &'a Arc<Snapshot>,
    /// What the file of it says.
    pub blueprint: &'a Blueprint,
    /// What the settings say about every request.
    pub policy: &'a Policy,
    /// What plugins there are.
    pub registry: &'a Registry,
}

impl Explainer<'_> {
    /// Explains one request.
    ///
    /// # Errors
    /// When that is no request, or no such consumer: a sentence.
    pub(crate) async fn explain(&self, asked: &Asked) -> Result<Explanation, String> {
        self.explained(asked, true).await
    }

    /// The same without the routes that it does not take: asking all of them takes long where there are many.
    ///
    /// # Errors
    /// As [`Explainer::explain`].
    pub(crate) async fn outline(&self, asked: &Asked) -> Result<Explanation, String> {
        self.explained(asked, false).await
    }

    async fn explained(&self, asked: &Asked, traced: bool) -> Result<Explanation, String> {
        let imagined = asked.imagine()?;
        let original = imagined.head.clone();
        let consumer = self.consumer(asked.consumer.as_deref())?;
        let authenticates = |name: &str| self.registry.get(name).is_some_and(|plugin| plugin.authenticates);
        let assumed = consumer.map(|consumer| Assumed { consumer, authenticates: &authenticates });
        let port = imagined.port;
        let course = rehearse(self.policy, self.snapshot, imagined, assumed.as_ref(), traced).await;
        let caller = assumed.as_ref().map(|assumed| &*assumed.consumer);
        Ok(Explanation {
            request: Request {
                method: asked.method.to_string(),
                url: asked.url.clone(),
                host: signet_plugin_api::requested_host(&original).map(str::to_owned),
                path: crate::path::normalise(original.uri.path()).into_owned(),
                port,
                client_ip: course.client.as_ref().map_or(asked.client_ip, |client| client.ip),
                scheme: course.client.as_ref().map_or(Scheme::Http, |client| client.scheme).as_str(),
                headers: asked.headers.iter().map(|(name, _)| name.to_string()).collect(),
            },
            route: self.routed(&course),
            others: if traced { self.others(&course) } else { Vec::new() },
            plugins: self.plugins(&course, caller),
            silent: self.silent(&course, caller),
            answer: answer::of(&course),
            upstream: self.upstream(&course, &original),
        })
    }

    fn consumer(&self, name: Option<&str>) -> Result<Option<Arc<Consumer>>, String> {
        let Some(name) = name else { return Ok(None) };
        match self.blueprint.consumer(name) {
            Some(consumer) => Ok(Some(Arc::clone(consumer))),
            None => Err(format!("no consumer has the id, username or custom_id `{name}`")),
        }
    }

    fn routed(&self, course: &Course) -> Option<Routed> {
        let entry = self.snapshot.entry(course.position?)?;
        let by = course.candidates.iter().find_map(|candidate| match &candidate.verdict {
            Verdict::Wins { path } => Some(path.clone()),
            _ => None,
        });
        Some(Routed {
            id: Arc::clone(&entry.route.id),
            name: entry.route.name.clone(),
            line: self.blueprint.routes.get(&entry.route.id).and_then(|facts| facts.line),
            by: by.flatten(),
            captures: course.captures.clone(),
            conditions: answer::conditions(&entry.route),
            https_redirect_status_code: entry.route.https_redirect_status_code,
            strip_path: entry.route.strip_path,
            preserve_host: entry.route.preserve_host,
            quarantined: entry.quarantined,
        })
    }

    /// The routes that the request does not take. Those of services that are switched off are not served at all.
    fn others(&self, course: &Course) -> Vec<Other> {
        let lost = course.candidates.iter().filter_map(|candidate| self.other(candidate));
        let is_served = |id: &Arc<str>| self.snapshot.routes.iter().any(|entry| entry.route.id == *id);
        let off = self.blueprint.routes.iter().filter(|(id, facts)| {
            let service = facts.service.as_ref().and_then(|id| self.blueprint.services.get(id));
            service.is_some_and(|service| !service.enabled) && !is_served(id)
        });
        let mut off: Vec<_> = off.collect();
        off.sort_by_key(|(_, facts)| facts.line);
        lost.chain(off.into_iter().map(|(id, facts)| Other {
            id: Arc::clone(id),
            name: Some(Arc::clone(&facts.label)),
            line: facts.line,
            matches: None,
            reasons: vec!["its service is switched off (`enabled: false`)".to_owned()],
        }))
        .collect()
    }

    fn other(&self, candidate: &Candidate) -> Option<Other> {
        let route: &Arc<Route> = &self.snapshot.entry(candidate.route)?.route;
        let (matches, reasons) = match &candidate.verdict {
            Verdict::Wins { .. } => return None,
            Verdict::Later { rule, .. } => (true, vec![format!("also matches, but comes later: the winner {rule}")]),
            Verdict::Fails(failed) => {
                (false, failed.iter().map(|failed| format!("{}: {}", failed.field, failed.reason)).collect())
            }
        };
        Some(Other {
            id: Arc::clone(&route.id),
            name: route.name.clone(),
            line: self.blueprint.routes.get(&route.id).and_then(|facts| facts.line),
            matches: Some(matches),
            reasons,
        })
    }
}
