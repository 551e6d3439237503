//! Recorded requests under two configurations: which ones would take another way.

use std::{collections::BTreeMap, io::BufRead};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::explain::{Asked, Explainer, Explanation};

/// What an access log in JSON says of a request. It has neither its headers nor its query: no secrets, and no conditions on them.
#[derive(Debug, Clone, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Recorded {
    /// The method.
    pub method: String,
    /// The host, as it was sent.
    #[serde(default)]
    pub host: String,
    /// The path, as it was sent.
    pub path: String,
    /// `http` or `https`.
    #[serde(default = "http")]
    pub scheme: String,
    /// Who was verified.
    pub consumer: Option<String>,
}

/// A recorded request whose way changes.
#[derive(Debug, Serialize)]
pub(crate) struct Replayed {
    /// The request.
    #[serde(flatten)]
    pub request: Recorded,
    /// How often it was recorded.
    pub count: u64,
    /// What changes: `route`, `plugins`, `claims`, `upstream`, `answer`.
    pub changes: BTreeMap<&'static str, Difference>,
}

/// What became of the requests of a log.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Those that take another way.
    pub changed: Vec<Replayed>,
    /// How many were compared.
    pub compared: u64,
    /// How many could not be: a client may send, and a log then has, a host that no URL has.
    pub unusable: u64,
}

/// Both sides of a change.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    pub before: Value,
    pub after: Value,
}

impl Recorded {
    /// The requests of a log, each with how often it stands there, and how many lines are none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(log: impl BufRead) -> std::io::Result<(BTreeMap<Self, u64>, u64)> {
        let (mut requests, mut others) = (BTreeMap::new(), 0);
        for line in log.lines() {
            match serde_json::from_str::<Self>(&line?) {
                Ok(request) => *requests.entry(request).or_default() += 1,
                Err(_) => others += 1,
            }
        }
        Ok((requests, others))
    }

    fn asked(&self, side: &Explainer<'_>) -> Result<Asked, String> {
        let authority = if self.host.is_empty() { "" } else { self.host.as_str() };
        let url = match authority {
            "" => self.path.clone(),
            authority => format!("{}://{authority}{}", self.scheme, self.path),
        };
        let mut asked = Asked::of(&self.method, &url, "HTTP/1.1")?;
        // One who is no consumer of this file is nobody there.
        asked.consumer = self.consumer.clone().filter(|name| side.blueprint.consumer(name).is_some());
        Ok(asked)
    }
}

/// Compares the ways of all requests.
pub(crate) async fn replay(
    requests: BTreeMap<Recorded, u64>,
    before: &Explainer<'_>,
    after: &Explainer<'_>,
) -> Comparison {
    let mut comparison = Comparison::default();
    for (request, count) in requests {
        let Ok(changes) = changes(&request, before, after).await else {
            comparison.unusable += count;
            continue;
        };
        comparison.compared += count;
        if !changes.is_empty() {
            comparison.changed.push(Replayed { request, count, changes });
        }
    }
    comparison
}

async fn changes(
    request: &Recorded,
    before: &Explainer<'_>,
    after: &Explainer<'_>,
) -> Result<BTreeMap<&'static str, Difference>, String> {
    let old = way(&before.outline(&request.asked(before)?).await?);
    let mut new = way(&after.outline(&request.asked(after)?).await?);
    let differs = |(what, before): (&'static str, Value)| {
        let after = new.remove(what).unwrap_or_default();
        (before != after).then_some((what, Difference { before, after }))
    };
    Ok(old.into_iter().filter_map(differs).collect())
}

/// What is compared of a request.
fn way(explanation: &Explanation) -> BTreeMap<&'static str, Value> {
    let route = explanation.route.as_ref().map(|route| route.name.as_ref().unwrap_or(&route.id).to_string());
    let running = explanation.plugins.iter().filter(|plugin| plugin.standing.is_some());
    let plugins = running.map(|plugin| {
        let config: BTreeMap<_, _> = plugin.config.iter().map(|(name, field)| (name, &field.value)).collect();
        serde_json::json!({ "name": plugin.name, "config": config, "outcome": plugin.outcome })
    });
    let shown = explanation.plugins.iter().find_map(|plugin| plugin.shows.get("claims"));
    // What is nested too deep to be read is compared as text.
    let claims = shown.map(|claims| serde_json::from_str(claims.get()).unwrap_or_else(|_| claims.get().into()));
    let upstream = explanation.upstream.as_ref().map(|upstream| upstream.url.clone());
    let answer = serde_json::json!({ "by": explanation.answer.by, "status": explanation.answer.status });
    BTreeMap::from([
        ("route", route.into()),
        ("plugins", plugins.collect()),
        ("claims", claims.unwrap_or_default()),
        ("upstream", upstream.into()),
        ("answer", answer),
    ])
}

fn http() -> String {
    "http".to_owned()
}
