//! Why a request takes its route and no other: for `explain`, not for requests.
//!
//! Nothing is compared here. Each route, and each of its conditions alone, becomes a router of its own, which says whether
//! it matches; the order is that of the entries.

use std::sync::Arc;

use signet_plugin_api::Route;

use super::{
    Query, Router,
    entry::{self, Rank},
    expression::Engines,
    mistakes::Mistakes,
};

/// More values of a condition than these are only counted.
const SHOWN: usize = 4;

/// One route, and what becomes of it.
#[derive(Debug)]
pub struct Candidate {
    /// Its position among the routes.
    pub route: u32,
    /// Whether it matches, and where it then stands.
    pub verdict: Verdict,
}

/// What becomes of a route.
#[derive(Debug)]
pub enum Verdict {
    /// The request takes it.
    Wins {
        /// The path of its that matched, if it has any.
        path: Option<String>,
    },
    /// It matches, too, but another one comes first.
    Later {
        /// The path of its that matched, if it has any.
        path: Option<String>,
        /// What decides, as a half sentence about the winner.
        rule: String,
    },
    /// It does not match: each condition that fails.
    Fails(Vec<Failed>),
}

/// A condition that a request does not fulfil.
#[derive(Debug)]
pub struct Failed {
    /// The field of the route: `hosts`, `paths`, `methods`, `headers.x-version`, `snis`.
    pub field: String,
    /// What is the matter, as a half sentence.
    pub reason: String,
}

impl Router {
    /// What becomes of each route: the winner first, then those that match in their order, then the others, those with the
    /// fewest failed conditions first. `routes` are those that the router was built from.
    pub fn trace(&self, routes: &[Arc<Route>], query: &Query<'_>) -> Vec<Candidate> {
        let winner = self.find(query).map(|found| found.route);
        let mut matching = Vec::new();
        let mut others = Vec::new();
        for (number, route) in (0..).zip(routes) {
            match best(route, number, query) {
                Some((rank, path)) => matching.push((rank, number, path)),
                None => others.push(Candidate { route: number, verdict: Verdict::Fails(failed(route, query)) }),
            }
        }
        matching.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        others.sort_by_key(|candidate| candidate.verdict.failures());
        let rule = |rank: &Rank| matching.first().map(|(first, ..)| first.decides_over(rank)).unwrap_or_default();
        let matching = matching.iter().map(|(rank, route, path)| Candidate {
            route: *route,
            verdict: match winner == Some(*route) {
                true => Verdict::Wins { path: path.clone() },
                false => Verdict::Later { path: path.clone(), rule: rule(rank) },
            },
        });
        matching.chain(others).collect()
    }
}

impl Verdict {
    fn failures(&self) -> usize {
        match self {
            Self::Fails(failed) => failed.len(),
            _ => 0,
        }
    }
}

/// The place of the best path of a route that matches.
fn best(route: &Arc<Route>, number: u32, query: &Query<'_>) -> Option<(Rank, Option<String>)> {
    let router = Router::build(std::slice::from_ref(route)).ok()?;
    let found = router.find(query)?;
    let (mut engines, mut mistakes) = (Engines::default(), Mistakes::default());
    let mut ranked = entry::compile(route, number as usize, &mut engines, &mut mistakes);
    ranked.sort_by(|a, b| a.rank.cmp(&b.rank));
    let rank = ranked.into_iter().nth(found.entry as usize)?.rank;
    let path = route.paths.as_ref().and_then(|paths| paths.get(rank.path())).cloned();
    Some((rank, path))
}

fn failed(route: &Arc<Route>, query: &Query<'_>) -> Vec<Failed> {
    let bare = Route { methods: None, hosts: None, paths: None, headers: None, snis: None, ..Route::clone(route) };
    let mut failed = Vec::new();
    let mut ask = |alone: Route, field: String, reason: &dyn Fn() -> String| {
        let matches = Router::build(&[Arc::new(alone)]).is_ok_and(|router| router.find(query).is_some());
        if !matches {
            failed.push(Failed { field, reason: reason() });
        }
    };
    if let Some(hosts) = filled(&route.hosts) {
        let sent = || none_of("host", query.host, hosts);
        ask(Route { hosts: route.hosts.clone(), ..bare.clone() }, "hosts".into(), &sent);
    }
    if let Some(paths) = filled(&route.paths) {
        let sent = || format!("path `{}` is not under {}", crate::path::normalise(query.path), list(paths));
        ask(Route { paths: route.paths.clone(), ..bare.clone() }, "paths".into(), &sent);
    }
    if let Some(methods) = filled(&route.methods) {
        let sent = || none_of("method", Some(query.method.as_str()), methods);
        ask(Route { methods: route.methods.clone(), ..bare.clone() }, "methods".into(), &sent);
    }
    for (name, values) in route.headers.iter().flatten() {
        let alone = [(name.clone(), values.clone())].into();
        // What was sent may be a secret.
        let sent = || match query.headers.contains_key(name) {
            true => format!("header `{name}` has none of the values {}", list(values)),
            false => format!("no header `{name}`; it must be one of {}", list(values)),
        };
        ask(Route { headers: Some(alone), ..bare.clone() }, format!("headers.{name}"), &sent);
    }
    if let Some(snis) = filled(&route.snis) {
        let sent = || none_of("server name", query.sni, snis);
        ask(Route { snis: route.snis.clone(), ..bare.clone() }, "snis".into(), &sent);
    }
    failed
}

fn filled(list: &Option<Vec<String>>) -> Option<&[String]> {
    list.as_deref().filter(|list| !list.is_empty())
}

fn none_of(what: &str, text: Option<&str>, values: &[String]) -> String {
    match text {
        Some(text) => format!("{what} `{text}` is none of {}", list(values)),
        None => format!("no {what} is given; it must be one of {}", list(values)),
    }
}

fn list(values: &[String]) -> String {
    let shown: Vec<String> = values.iter().take(SHOWN).map(|value| format!("`{value}`")).collect();
    match values.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
