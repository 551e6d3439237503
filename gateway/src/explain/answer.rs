//! An explanation as data: its JSON form is what `--format json` and `POST /explain` give.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use http::{StatusCode, header::LOCATION};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use signet_plugin_api::{Body, Response, Route};

use super::{shown::Field, upstream::Forwarded};
use crate::{proxy::Course, runtime::chain::Came};

/// What becomes of a request, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    /// What was asked about.
    pub request: Request,
    /// The route that it takes.
    pub route: Option<Routed>,
    /// Every other route: those that match too first, then those with the fewest conditions that fail.
    pub others: Vec<Other>,
    /// The plugins of the route, in the order in which they run.
    pub plugins: Vec<Plugin>,
    /// Plugins that stand on the request and do not run.
    pub silent: Vec<Silent>,
    /// Who answers.
    pub answer: Answer,
    /// What would go upstream.
    pub upstream: Option<Forwarded>,
}

/// What was asked about. Header values are not repeated: they may be secrets.
#[derive(Debug, Serialize)]
pub(crate) struct Request {
    pub method: String,
    pub url: String,
    pub host: Option<String>,
    /// As routes are compared with it.
    pub path: String,
    pub port: u16,
    /// After `trusted_ips`.
    pub client_ip: IpAddr,
    pub scheme: &'static str,
    /// Their names.
    pub headers: Vec<String>,
}

/// The route of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Routed {
    /// Its UUID.
    pub id: Arc<str>,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Where it stands.
    pub line: Option<usize>,
    /// The path of its that matched.
    pub by: Option<String>,
    /// What the groups of that path matched: the name of a group, if it has one, and the text.
    pub captures: Vec<(Option<String>, String)>,
    /// What it asks of requests.
    pub conditions: BTreeMap<&'static str, Value>,
    /// The answer to plain requests of a route for https alone.
    pub https_redirect_status_code: u16,
    /// `strip_path`
    pub strip_path: bool,
    /// `preserve_host`
    pub preserve_host: bool,
    /// Something that concerns it is wrong in the file: it answers 503.
    pub quarantined: bool,
}

/// A route that the request does not take.
#[derive(Debug, Serialize)]
pub(crate) struct Other {
    /// Its UUID.
    pub id: Arc<str>,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Where it stands.
    pub line: Option<usize>,
    /// Whether it matches, too; null when it is not served.
    pub matches: Option<bool>,
    /// Why it is not taken.
    pub reasons: Vec<String>,
}

/// A plugin of the route.
#[derive(Debug, Serialize)]
pub(crate) struct Plugin {
    /// What it is.
    pub name: String,
    /// Which one counts, unless none does for this caller.
    #[serde(flatten)]
    pub standing: Option<Standing>,
    /// Its configuration; secrets are `***`.
    pub config: BTreeMap<String, Field>,
    /// Those that would count if this one were not there.
    pub outranks: Vec<Standing>,
    /// `passes`, `answers`, `unknown`, `assumed`, `breaks`, `not reached`, `after the request`, `not for this caller`.
    pub outcome: &'static str,
    /// The status of its answer.
    pub status: Option<u16>,
    /// Why the outcome is unknown, or what the answer says.
    pub reason: Option<String>,
    /// What the plugin shows of itself: the claims of a token.
    pub shows: BTreeMap<&'static str, Box<RawValue>>,
}

/// One declaration of a plugin.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Standing {
    /// Its UUID.
    pub id: Arc<str>,
    /// `instance_name`
    pub instance_name: Option<String>,
    /// What it stands on.
    pub scope: String,
    /// Where it stands.
    pub line: Option<usize>,
}

/// A plugin that stands on the request and does not run.
#[derive(Debug, Serialize)]
pub(crate) struct Silent {
    /// What it is.
    pub name: String,
    /// Which one.
    #[serde(flatten)]
    pub standing: Standing,
    /// Why.
    pub reason: &'static str,
}

/// Who answers.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// `gateway`, `plugin` or `upstream`; `unknown` when a plugin cannot say what it does.
    pub by: &'static str,
    /// Which plugin.
    pub plugin: Option<&'static str>,
    /// The status, unless the upstream answers.
    pub status: Option<u16>,
    /// What the body of an error says.
    pub message: Option<String>,
    /// Where the client is sent.
    pub location: Option<String>,
}

/// Who answers in the end.
pub(super) fn of(course: &Course) -> Answer {
    for run in &course.runs {
        match &run.came {
            Came::Answers(response) => return given("plugin", Some(run.plugin), response),
            Came::Breaks(_) => {
                let broken = Response::error(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred");
                return given("plugin", Some(run.plugin), &broken);
            }
            _ => {}
        }
    }
    let unsure = course.runs.iter().find(|run| matches!(run.came, Came::Unknown(_)));
    match (&course.answer, unsure) {
        (_, Some(run)) => {
            Answer { by: "unknown", plugin: Some(run.plugin), status: None, message: None, location: None }
        }
        (Some(response), None) => given("gateway", None, response),
        (None, None) => Answer { by: "upstream", plugin: None, status: None, message: None, location: None },
    }
}

/// What an error says; other bodies may repeat the request.
pub(super) fn message(response: &Response) -> Option<String> {
    match &response.body {
        Body::Error(message) => Some(message.to_string()),
        _ => None,
    }
}

/// What a route asks of requests.
pub(super) fn conditions(route: &Route) -> BTreeMap<&'static str, Value> {
    let list = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty()).map(Value::from);
    let protocols: Value = route.protocols.iter().map(|protocol| protocol.as_str()).collect();
    let headers = route.headers.as_ref().and_then(|headers| serde_json::to_value(headers).ok());
    let conditions = [
        ("protocols", Some(protocols)),
        ("methods", list(&route.methods)),
        ("hosts", list(&route.hosts)),
        ("paths", list(&route.paths)),
        ("headers", headers),
        ("snis", list(&route.snis)),
    ];
    conditions.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn given(by: &'static str, plugin: Option<&'static str>, response: &Response) -> Answer {
    let location = response.headers.iter().find(|(name, _)| name == LOCATION);
    Answer {
        by,
        plugin,
        status: Some(response.status.as_u16()),
        message: message(response),
        location: location.and_then(|(_, value)| value.to_str().ok()).map(str::to_owned),
    }
}
