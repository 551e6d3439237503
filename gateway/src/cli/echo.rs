//! `signet echo`: an upstream that answers any path with what it received, like httpbin's `/anything`.

use std::{net::SocketAddr, process::ExitCode, sync::atomic::AtomicUsize, time::Duration};

use async_trait::async_trait;
use http::{Response, StatusCode, header};
use pingora::{apps::http_app::ServeHttp, protocols::http::ServerSession, services::listening::Service};
use serde_json::{Map, Value, json};

use super::{fail, say};
use crate::{
    admin::json_response,
    proxy::Connections,
    server::{Bound, Life, Server},
    settings::Listener,
};

/// The longest body that is echoed.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Serves until a signal.
pub(super) fn run(listen: SocketAddr) -> ExitCode {
    let bound = match Bound::take(&Listener::plain(listen)) {
        Ok(bound) => bound,
        Err(error) => return fail(1, format_args!("cannot listen on {listen}: {error}")),
    };
    let address = bound.address;
    let mut server = Server::default();
    server.add(Service::new("echo".into(), Echo), vec![bound]);
    let ready = || say(format_args!("echo listening on http://{address}"));
    let in_flight = AtomicUsize::new(0);
    let connections = Connections::default();
    let life = Life {
        delay: Duration::ZERO,
        drain: Duration::ZERO,
        in_flight: &in_flight,
        connections: &connections,
        ready: &ready,
        reload: &|| (),
        loads: None,
        reopen: &|| (),
        obstacle: &|| None,
        successor: None,
        control: None,
        report: None,
        finish: &|| Box::pin(std::future::ready(())),
    };
    match server.run(2, life) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format_args!("cannot serve: {error}")),
    }
}

struct Echo;

#[async_trait]
impl ServeHttp for Echo {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        match read_body(session).await {
            Ok(body) => json_response(StatusCode::OK, &describe(session, &body)),
            Err(status) => json_response(status, &json!({"message": "the body cannot be read"})),
        }
    }
}

async fn read_body(session: &mut ServerSession) -> Result<Vec<u8>, StatusCode> {
    let mut body = Vec::new();
    while let Some(part) = session.read_request_body().await.map_err(|_| StatusCode::BAD_REQUEST)? {
        if body.len() + part.len() > MAX_BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

fn describe(session: &ServerSession, body: &[u8]) -> Value {
    let head = session.req_header();
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let is_form = head
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let (form, data) = if is_form { (pairs(body), String::new()) } else { (Map::new(), lossy(body)) };
    json!({
        "method": head.method.as_str(),
        "url": format!("http://{host}{path}"),
        "args": pairs(head.uri.query().unwrap_or("").as_bytes()),
        "headers": headers(session),
        "origin": session.client_addr().map(ToString::to_string),
        "form": form,
        "data": data,
        "json": serde_json::from_slice::<Value>(body).ok(),
    })
}

/// Names as httpbin writes them, whatever their case on the wire; values that stand several times are joined.
fn headers(session: &ServerSession) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in session.req_header().case_header_iter() {
        let (name, value) = (titled(&lossy(name.as_slice())), lossy(value.as_bytes()));
        let joined = match all.get(&name).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier}, {value}"),
            None => value,
        };
        all.insert(name, joined.into());
    }
    all
}

/// `x-custom-jwt` as `X-Custom-Jwt`.
fn titled(name: &str) -> String {
    let mut begins = true;
    let letter = |c: char| {
        let titled = if begins { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        begins = c == '-';
        titled
    };
    name.chars().map(letter).collect()
}

fn pairs(text: &[u8]) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in form_urlencoded::parse(text) {
        let value = Value::from(value.into_owned());
        match all.get_mut(&*name) {
            Some(Value::Array(values)) => values.push(value),
            Some(single) => *single = Value::Array(vec![single.take(), value]),
            None => drop(all.insert(name.into_owned(), value)),
        }
    }
    all
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_httpbin_writes_them() {
        for (name, expected) in [("x-custom-jwt", "X-Custom-Jwt"), ("X-Consumer-ID", "X-Consumer-Id"), ("host", "Host")]
        {
            assert_eq!(titled(name), expected);
        }
    }
}
