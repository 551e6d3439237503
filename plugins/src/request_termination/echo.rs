//! The answer of `echo`: the request as the gateway sees it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use http::{HeaderMap, header::CONTENT_TYPE};
use serde::Serialize;
use serde_json::value::RawValue;
use signet_plugin_api::{Bytes, Context, PluginError, Request, Route, Service};
use uuid::Uuid;

/// More of a body is not shown.
const MAX_BODY: usize = 64 * 1024;

/// What is the same in every answer.
pub(super) struct Echo {
    message: Option<String>,
    kong: Node,
}

#[derive(Serialize)]
struct Node {
    node_id: String,
    worker_pid: u32,
    hostname: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    kong: &'a Node,
    request: Seen<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matched_route: Option<MatchedRoute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matched_service: Option<&'a Service>,
}

#[derive(Serialize)]
struct MatchedRoute<'a> {
    #[serde(flatten)]
    route: &'a Route,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Reference<'a>>,
}

#[derive(Serialize)]
struct Reference<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct Seen<'a> {
    scheme: &'a str,
    host: String,
    port: u16,
    method: &'a str,
    path: &'a str,
    headers: BTreeMap<&'a str, Values<'a>>,
    query: BTreeMap<Cow<'a, str>, Values<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<ParsedBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_body: Option<&'a str>,
    uri_captures: Captures,
}

/// What the route's regular expression took out of the path: plugins do not see it yet.
#[derive(Serialize, Default)]
struct Captures {
    named: BTreeMap<String, String>,
    unnamed: Vec<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ParsedBody<'a> {
    Json(&'a RawValue),
    Form(BTreeMap<Cow<'a, str>, Values<'a>>),
}

/// One value as a string, several as a list.
#[derive(Serialize)]
#[serde(untagged)]
enum Values<'a> {
    One(Cow<'a, str>),
    Many(Vec<Cow<'a, str>>),
}

impl Echo {
    /// Asks for what identifies this process.
    pub(super) fn new(message: Option<&str>) -> Self {
        let kong = Node { node_id: Uuid::new_v4().to_string(), worker_pid: std::process::id(), hostname: hostname() };
        Self { message: message.map(ToOwned::to_owned), kong }
    }

    /// The body of the answer.
    pub(super) async fn body(&self, request: &mut Request<'_>, cx: &Context) -> Result<Bytes, PluginError> {
        let body = request.body(MAX_BODY).await.ok();
        let service = cx.service().map(Arc::as_ref);
        let answer = Answer {
            message: self.message.as_deref(),
            kong: &self.kong,
            request: seen(request, body.as_deref()),
            matched_route: cx
                .route()
                .map(|route| MatchedRoute { route, service: service.map(|service| Reference { id: &service.id }) }),
            matched_service: service,
        };
        let json = serde_json::to_vec(&answer);
        Ok(json.map_err(|error| PluginError::with_source("the echo cannot be written as JSON", error))?.into())
    }
}

fn seen<'a>(request: &'a Request<'_>, body: Option<&'a [u8]>) -> Seen<'a> {
    Seen {
        scheme: request.client().scheme.as_str(),
        host: host(request.host().unwrap_or_default()),
        port: request.client().port,
        method: request.method().as_str(),
        path: request.path(),
        headers: headers(&request.head().headers),
        query: pairs(request.query_pairs()),
        body: body.and_then(|body| parsed(&request.head().headers, body)),
        raw_body: body.and_then(|body| std::str::from_utf8(body).ok()),
        uri_captures: Captures::default(),
    }
}

/// Without the port, in lower case.
fn host(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

fn headers(headers: &HeaderMap) -> BTreeMap<&str, Values<'_>> {
    let mut all = BTreeMap::new();
    for (name, value) in headers {
        add(&mut all, name.as_str(), String::from_utf8_lossy(value.as_bytes()));
    }
    all
}

fn pairs<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> BTreeMap<Cow<'a, str>, Values<'a>> {
    let mut all = BTreeMap::new();
    for (name, value) in pairs {
        add(&mut all, name, value);
    }
    all
}

fn add<'a, K: Ord>(all: &mut BTreeMap<K, Values<'a>>, name: K, value: Cow<'a, str>) {
    let values = match all.remove(&name) {
        None => Values::One(value),
        Some(Values::One(first)) => Values::Many(vec![first, value]),
        Some(Values::Many(mut values)) => {
            values.push(value);
            Values::Many(values)
        }
    };
    all.insert(name, values);
}

fn parsed<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<ParsedBody<'a>> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => serde_json::from_slice(body).ok().map(ParsedBody::Json),
        "application/x-www-form-urlencoded" => Some(ParsedBody::Form(pairs(form_urlencoded::parse(body)))),
        _ => None,
    }
}

/// The kernel's name of this machine. It is as constant as an environment variable, and asked for only when a
/// configuration echoes.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    name.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}
