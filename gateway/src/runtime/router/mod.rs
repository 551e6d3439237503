//! From a request to its route, by the rules of Kong's `traditional_compatible` router.
//!
//! Every path of every route becomes an entry; entries are sorted once, best first, so that a position in that order
//! is all that is compared per request. Entries are found by host, then by the literal beginning of their path.

mod conditions;
mod entry;
mod expression;
mod header;
mod host;
mod join;
mod mistakes;
mod sni;
#[cfg(test)]
mod tests;
mod trace;
mod tree;

use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, HeaderValue, Method};
use signet_plugin_api::{ConfigError, Route, Scheme};

use self::{
    conditions::Conditions,
    entry::Entry,
    expression::Engines,
    host::{HostIndex, RequestHost},
    mistakes::Mistakes,
    tree::{PathTrees, Posting},
};
pub use self::{
    expression::Captures,
    join::upstream_path,
    trace::{Candidate, Failed, Verdict},
};
use crate::path::normalise;

/// What a request is routed by.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The method.
    pub method: &'a Method,
    /// `Host` or `:authority` as sent, with or without a port.
    pub host: Option<&'a str>,
    /// The path as sent, without the query.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The scheme of the connection, whatever `X-Forwarded-Proto` says.
    pub scheme: Scheme,
    /// The port of the listener, which counts when `host` names none.
    pub port: u16,
    /// The server name of the TLS handshake.
    pub sni: Option<&'a str>,
}

/// The route of a request, and how it was found.
#[derive(Debug, Clone)]
pub struct Match<'q> {
    /// The position of the route among those that the router was built from.
    pub route: u32,
    /// The route serves no plain requests: one whose (forwarded) scheme is not https gets `https_redirect_status_code`.
    pub https_only: bool,
    path: Cow<'q, str>,
    prefix: usize,
    entry: u32,
}

impl Match<'_> {
    /// The normalised path, decoded as far as that does not change its meaning.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The part of [`Self::path`] that the route's path matched; empty for a route without paths.
    pub fn prefix(&self) -> &str {
        self.path.get(..self.prefix).unwrap_or("")
    }

    /// What follows [`Self::prefix`].
    pub fn rest(&self) -> &str {
        self.path.get(self.prefix..).unwrap_or("")
    }
}

/// All routes of one configuration.
#[derive(Debug)]
pub struct Router {
    hosts: HostIndex,
    trees: PathTrees,
    /// Best first.
    entries: Vec<Entry>,
    /// By the position of the route.
    conditions: Vec<Conditions>,
}

impl Router {
    /// Checks and compiles the routes.
    ///
    /// # Errors
    /// Every mistake of every route, each with the position of its route.
    pub fn build(routes: &[Arc<Route>]) -> Result<Self, Vec<(usize, ConfigError)>> {
        let mut mistakes = Mistakes::default();
        let mut engines = Engines::default();
        let mut conditions = Vec::with_capacity(routes.len());
        let mut ranked = Vec::with_capacity(routes.len());
        let mut hosts = Vec::with_capacity(routes.len());
        for (position, route) in routes.iter().enumerate() {
            mistakes.of_route(position);
            conditions.push(Conditions::compile(route, &mut mistakes));
            ranked.extend(entry::compile(route, position, &mut engines, &mut mistakes));
            hosts.push(host::compile(route, &mut mistakes));
        }
        mistakes.into_result()?;
        ranked.sort_by(|a, b| a.rank.cmp(&b.rank));
        let mut trees = PathTrees::default();
        let hosts = HostIndex::build(&ranked, &conditions, &hosts, &mut trees);
        let entries = ranked.into_iter().map(|ranked| ranked.entry).collect();
        Ok(Self { hosts, trees, entries, conditions })
    }

    /// The best route for a request.
    pub fn find<'q>(&self, query: &Query<'q>) -> Option<Match<'q>> {
        let path = normalise(query.path);
        let host = query.host.map(RequestHost::parse);
        let port = host.as_ref().and_then(|host| host.port).unwrap_or(query.port);
        let mut search = Search { router: self, query, path: &path, port, best: None };
        self.hosts.visit(host.as_ref().map(|host| host.name.as_ref()), |root| {
            self.trees.visit(root, path.as_bytes(), |postings, length| search.consider(postings, length));
        });
        let (posting, prefix) = search.best?;
        Some(Match { route: posting.route, https_only: posting.https_only, path, prefix, entry: posting.entry })
    }

    /// What the groups of the route's regular expression matched; computed anew, for the few who ask.
    pub fn captures<'m>(&self, found: &'m Match<'_>) -> Option<Captures<'m>> {
        self.entries.get(found.entry as usize)?.regex()?.captures(found.path())
    }

    /// `X-Forwarded-Prefix`: what `strip_path` takes away, unless that is `/` or nothing.
    pub fn forwarded_prefix(&self, found: &Match<'_>) -> Option<HeaderValue> {
        self.entries.get(found.entry as usize)?.forwarded_prefix(found.prefix())
    }
}

/// The search for one request.
struct Search<'a, 'q> {
    router: &'a Router,
    query: &'a Query<'q>,
    path: &'a str,
    port: u16,
    /// The best so far, and the length of the prefix that it matched.
    best: Option<(Posting, usize)>,
}

impl Search<'_, '_> {
    /// Looks at entries in their order, and no further than the best one so far. The path begins with their literals,
    /// which have this length.
    fn consider(&mut self, postings: &[Posting], length: usize) {
        for posting in postings {
            if self.best.is_some_and(|(best, _)| best.entry <= posting.entry) {
                return;
            }
            if let Some(prefix) = self.matched(*posting, length) {
                self.best = Some((*posting, prefix));
                return;
            }
        }
    }

    /// The length of the matched prefix, if all conditions hold. The regular expression comes last: it costs most.
    fn matched(&self, posting: Posting, length: usize) -> Option<usize> {
        if posting.port.is_some_and(|port| port.get() != self.port) {
            return None;
        }
        if posting.conditional && !self.router.conditions.get(posting.route as usize)?.hold(self.query) {
            return None;
        }
        if !posting.regex {
            return Some(length);
        }
        self.router.entries.get(posting.entry as usize)?.regex()?.matched(self.path)
    }
}
