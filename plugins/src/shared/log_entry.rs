//! A request as Kong's logging plugins write it down (`kong.log.serialize()` of 3.9), without credentials.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use signet_plugin_api::{
    ClientCertificate, Concealed, Consumer, Context, Proof, REDACTED, Record, Route, Service, Source, Try,
};

use super::names::without_port;

/// Kong's only workspace where there is no database.
const WORKSPACE: (&str, &str) = ("0dc6f45b-8f8d-40d2-a504-473544ee190b", "default");
/// nginx's status for a client that left before the answer.
const CLIENT_LEFT: u16 = 499;

/// The entry as one line of JSON, without a line feed.
pub(crate) fn log_entry(cx: &Context, record: &Record<'_>, concealed: &Concealed) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Entry::of(cx, record, concealed))
}

#[derive(Serialize)]
struct Entry<'a> {
    request: Request<'a>,
    response: Response,
    upstream_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<String>,
    latencies: Latencies,
    tries: Vec<Tried>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated_entity: Option<Authenticated<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Routed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<IpAddr>,
    started_at: u64,
    source: &'static str,
    workspace: &'static str,
    workspace_name: &'static str,
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    method: &'a str,
    uri: String,
    url: String,
    size: u64,
    querystring: BTreeMap<String, Value>,
    headers: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls>,
}

#[derive(Serialize)]
struct Tls {
    version: &'static str,
    client_verify: &'static str,
}

#[derive(Serialize)]
struct Response {
    status: u16,
    headers: BTreeMap<String, Value>,
    size: u64,
}

/// Milliseconds.
#[derive(Serialize)]
struct Latencies {
    request: u64,
    kong: u64,
    proxy: i64,
    receive: u64,
}

#[derive(Serialize)]
struct Tried {
    ip: IpAddr,
    port: u16,
    balancer_start: u64,
    balancer_latency: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

#[derive(Serialize)]
struct Authenticated<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Routed<'a> {
    #[serde(flatten)]
    route: &'a Route,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Id<'a>>,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
}

impl<'a> Entry<'a> {
    fn of(cx: &'a Context, record: &'a Record<'a>, concealed: &Concealed) -> Self {
        let status = if record.status == 0 { CLIENT_LEFT } else { record.status };
        let started = record.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let upstream = record.upstream.as_ref();
        let identity = cx.identity().filter(|identity| identity.is_authenticated());
        let entity = |identity: &'a signet_plugin_api::Identity| {
            let consumer_id = identity.consumer.as_ref().map(|consumer| &*consumer.id);
            Some(Authenticated { id: identity.credential_id.as_deref()?, consumer_id })
        };
        Self {
            request: Request::of(cx, record, concealed),
            response: Response {
                status,
                headers: record.response_headers.map(|headers| shown(headers, concealed)).unwrap_or_default(),
                size: record.response_body,
            },
            upstream_uri: upstream.map(|upstream| concealed.shown(upstream.path_and_query)).unwrap_or_default(),
            upstream_status: (record.source == Source::Upstream).then(|| status.to_string()),
            latencies: Latencies::of(record),
            tries: upstream
                .map_or(&[][..], |upstream| upstream.tries)
                .iter()
                .map(|one| Tried::of(one, started))
                .collect(),
            authenticated_entity: identity.and_then(entity),
            route: cx
                .route()
                .map(|route| Routed { route, service: cx.service().map(|service| Id { id: &service.id }) }),
            service: cx.service().map(|service| &**service),
            consumer: cx.consumer().map(|consumer| Named::of(consumer)),
            client_ip: record.client.map(|client| client.ip),
            started_at: milliseconds(started),
            source: match record.source {
                Source::Gateway => "kong",
                Source::Upstream => "upstream",
            },
            workspace: WORKSPACE.0,
            workspace_name: WORKSPACE.1,
        }
    }
}

impl<'a> Request<'a> {
    fn of(cx: &'a Context, record: &'a Record<'a>, concealed: &Concealed) -> Self {
        let uri = concealed.shown(record.path_and_query);
        let url = match record.client {
            Some(client) => {
                let host = without_port(record.host.unwrap_or_default());
                format!("{}://{host}:{}{uri}", client.scheme.as_str(), client.port)
            }
            None => uri.clone(),
        };
        let tls = record.client.and_then(|client| client.tls.as_deref());
        let verified = matches!(cx.identity().map(|identity| &identity.proof), Some(Proof::Certificate { .. }));
        Self {
            id: cx.request_id().as_str(),
            method: record.method.as_str(),
            querystring: arguments(record.path_and_query, concealed),
            headers: shown(record.request_headers, concealed),
            size: record.request_body,
            tls: tls.map(|tls| Tls {
                version: tls.version,
                client_verify: match tls.certificate {
                    ClientCertificate::Sent(_) if verified => "SUCCESS",
                    _ => "NONE",
                },
            }),
            uri,
            url,
        }
    }
}

impl Latencies {
    fn of(record: &Record<'_>) -> Self {
        let signet_plugin_api::Latencies { total, gateway, upstream } = record.latencies;
        let receive = upstream.map(|upstream| total.saturating_sub(gateway + upstream)).unwrap_or_default();
        Self {
            request: milliseconds(total),
            kong: milliseconds(gateway),
            proxy: upstream.map_or(-1, |upstream| i64::try_from(upstream.as_millis()).unwrap_or(i64::MAX)),
            receive: milliseconds(receive),
        }
    }
}

impl Tried {
    fn of(one: &Try, started: Duration) -> Self {
        Self {
            ip: one.address.ip(),
            port: one.address.port(),
            balancer_start: milliseconds(started + one.began),
            balancer_latency: one.sent.map_or(0, |sent| milliseconds(sent.saturating_sub(one.began))),
            state: one.error.map(|_| "failed"),
        }
    }
}

impl<'a> Named<'a> {
    fn of(consumer: &'a Consumer) -> Self {
        Self {
            id: &consumer.id,
            username: consumer.username.as_deref(),
            custom_id: consumer.custom_id.as_deref(),
            tags: &consumer.tags,
        }
    }
}

/// Names to values, or to lists where a name stands several times.
fn shown(headers: &HeaderMap, concealed: &Concealed) -> BTreeMap<String, Value> {
    let mut shown = BTreeMap::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| match name.as_str() {
            name if concealed.contains(name) => REDACTED.into(),
            "referer" | "location" | "content-location" => {
                concealed.shown(&String::from_utf8_lossy(value.as_bytes())).into()
            }
            _ => String::from_utf8_lossy(value.as_bytes()).into(),
        });
        shown.insert(name.as_str().to_owned(), one_or_more(values.collect()));
    }
    shown
}

/// The arguments of a query, decoded; one without `=` is true.
fn arguments(path_and_query: &str, concealed: &Concealed) -> BTreeMap<String, Value> {
    let mut arguments: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let Some((_, query)) = path_and_query.split_once('?') else { return BTreeMap::new() };
    for argument in query.split('&').filter(|argument| !argument.is_empty()) {
        let Some((name, value)) = form_urlencoded::parse(argument.as_bytes()).next() else { continue };
        let value = match argument.contains('=') {
            true if concealed.contains(&name) => REDACTED.into(),
            true => value.into(),
            false => true.into(),
        };
        arguments.entry(name.into_owned()).or_default().push(value);
    }
    arguments.into_iter().map(|(name, values)| (name, one_or_more(values))).collect()
}

fn one_or_more(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.pop().unwrap_or_default(),
        _ => values.into(),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
