//! What counts as the same answer: everything but ids, times, product names and the order of JSON members.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use signet_integration::{Response, Seen};

use super::{
    mismatch,
    record::{Record, headers},
};

/// The port of the recording's gateway.
const PORT: &str = "18000";

/// A record beside what our gateway did.
pub(super) struct Comparison<'a> {
    pub(super) record: &'a Record,
    pub(super) response: &'a Response,
    pub(super) seen: Vec<Seen>,
    pub(super) port: u16,
}

/// Who a token is for; the other claims may be nested deeper than a tree of values can be.
#[derive(Deserialize)]
struct Named {
    client_id: String,
}

type Lines = Vec<(String, String)>;

impl Comparison<'_> {
    /// Everything, but for these headers.
    pub(super) fn all(&self, except: &[&str]) -> Vec<String> {
        let mut wrong: Vec<String> =
            mismatch("status", &self.record.status(), &self.response.status).into_iter().collect();
        wrong.extend(lines("header", &self.expected_headers(), &self.own_headers(), except));
        wrong.extend(self.bodies());
        wrong.extend(self.upstream(except));
        if let Some((header, claims)) = self.record.token() {
            wrong.extend(self.token(&header, claims));
        }
        wrong
    }

    /// A token for this client, whatever the record says.
    pub(super) fn token_for(&self, client_id: &str) -> Vec<String> {
        let mut wrong: Vec<String> = mismatch("status", &200, &self.response.status).into_iter().collect();
        let claims: Option<Named> = self.own_token().and_then(|token| part(&token, 1));
        wrong.extend(mismatch("client_id", &Some(client_id.to_owned()), &claims.map(|claims| claims.client_id)));
        wrong
    }

    fn expected_headers(&self) -> Lines {
        self.plain(self.record.headers())
    }

    fn own_headers(&self) -> Lines {
        self.plain(self.response.headers.0.clone())
    }

    /// Response headers with all that may differ taken out.
    fn plain(&self, headers: Lines) -> Lines {
        let made_here = self.record.headers().iter().any(|(name, _)| name == "X-Kong-Response-Latency");
        let mut lines = Vec::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            // Bodies that the gateway writes hold an id, and their members may come in any order.
            let length = name == "content-length" && (made_here || self.record.body().contains("request_id"));
            if matches!(name.as_str(), "date" | "connection") || length {
                continue;
            }
            let value = match name.as_str() {
                latency if latency.ends_with("-latency") => digits(&value),
                "x-kong-request-id" => id(&value),
                "server" if value != "echo/1" => "{product}".to_owned(),
                "via" => via(&value),
                _ => token_out(&value),
            };
            lines.push((name, value));
        }
        lines.sort();
        lines
    }

    fn bodies(&self) -> Vec<String> {
        let (expected, own) = (self.record.body(), self.response.text());
        if let (Ok(expected), Ok(own)) = (serde_json::from_str(expected), serde_json::from_str(&own)) {
            return mismatch("body", &self.scrub(expected), &self.scrub(own)).into_iter().collect();
        }
        let id = |headers: &Lines| {
            let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-kong-request-id"));
            found.map_or_else(|| "(none)".to_owned(), |(_, id)| id.clone())
        };
        let expected = expected.replace(&id(&self.record.headers()), "{id}");
        let own = own.replace(&id(&self.response.headers.0), "{id}");
        mismatch("body", &expected, &own).into_iter().collect()
    }

    /// Ids, times and places of the machine.
    fn scrub(&self, mut body: Value) -> Value {
        if body.get("request_id").is_some() {
            body["request_id"] = json!("{id}");
        }
        if body.get("kong").is_some() {
            let names: Vec<String> = body["kong"].as_object().unwrap().keys().cloned().collect();
            body["kong"] = json!(names);
            for place in ["matched_route", "matched_service"] {
                if let Some(entity) = body.get_mut(place).and_then(Value::as_object_mut) {
                    entity.retain(|name, _| !["created_at", "updated_at", "ws_id"].contains(&name.as_str()));
                }
            }
            if [PORT.to_owned(), self.port.to_string()].contains(&body["request"]["port"].to_string()) {
                body["request"]["port"] = json!("{port}");
            }
        }
        body
    }

    fn upstream(&self, except: &[&str]) -> Vec<String> {
        let Some(expected) = self.record.upstream() else {
            return mismatch("requests to the upstream", &0, &self.seen.len()).into_iter().collect();
        };
        let [own] = self.seen.as_slice() else {
            return vec![format!("the upstream saw {} requests instead of one", self.seen.len())];
        };
        let mut wrong = Vec::new();
        let own_body = String::from_utf8_lossy(&own.body).into_owned();
        for (what, own) in
            [("method", &own.method), ("path", &own.path), ("version", &own.version), ("body", &own_body)]
        {
            wrong.extend(mismatch(&format!("upstream {what}"), &expected[what].as_str().unwrap(), &own.as_str()));
        }
        let expected = self.upstream_lines(headers(&expected["headers"]));
        wrong.extend(lines("upstream header", &expected, &self.upstream_lines(own.headers.0.clone()), except));
        if own.header("x-kong-request-id") != self.response.header("x-kong-request-id") {
            wrong.push("the upstream's request id is not the client's".to_owned());
        }
        wrong
    }

    fn upstream_lines(&self, headers: Lines) -> Lines {
        let mut lines = Vec::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let value = match name.as_str() {
                "connection" => continue,
                "x-forwarded-port" if value == PORT || value == self.port.to_string() => "{port}".to_owned(),
                "x-kong-request-id" => id(&value),
                "via" => via(&value),
                "x-custom-jwt" | "authorization" => token_out(&value),
                _ => value,
            };
            lines.push((name, value));
        }
        lines.sort();
        lines
    }

    fn token(&self, header: &Value, claims: Value) -> Vec<String> {
        let Some(token) = self.own_token() else { return vec!["no token reached the upstream".to_owned()] };
        let (Some(own_header), Some(own_claims)) = (part::<Value>(&token, 0), part::<Value>(&token, 1)) else {
            return vec![format!("not a token: {token}")];
        };
        let mut wrong: Vec<String> = mismatch("token header", header, &own_header).into_iter().collect();
        let life = |claims: &Value| claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
        wrong.extend(mismatch("token life", &life(&claims), &life(&own_claims)));
        let timeless = |mut claims: Value| {
            claims.as_object_mut().unwrap().retain(|name, _| !["jti", "iat", "exp"].contains(&name.as_str()));
            claims
        };
        wrong.extend(mismatch("claims", &timeless(claims), &timeless(own_claims)));
        wrong
    }

    /// The token that the upstream got.
    fn own_token(&self) -> Option<String> {
        let seen = self.seen.first()?;
        let value = seen.header("x-custom-jwt").or_else(|| seen.header("authorization"))?;
        Some(value.rsplit(' ').next()?.to_owned())
    }
}

fn lines(what: &str, expected: &Lines, own: &Lines, except: &[&str]) -> Vec<String> {
    let kept = |lines: &Lines| -> Lines {
        lines.iter().filter(|(name, _)| !except.contains(&name.as_str())).cloned().collect()
    };
    let (expected, mut own) = (kept(expected), kept(own));
    let mut wrong = Vec::new();
    for line in expected {
        match own.iter().position(|other| *other == line) {
            Some(position) => drop(own.remove(position)),
            None => wrong.push(format!("{what} missing: {}: {}", line.0, line.1)),
        }
    }
    wrong.extend(own.into_iter().map(|(name, value)| format!("{what} too much: {name}: {value}")));
    wrong
}

fn part<T: DeserializeOwned>(token: &str, index: usize) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index)?).ok()?).ok()
}

fn digits(value: &str) -> String {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) { "#".to_owned() } else { value.to_owned() }
}

fn id(value: &str) -> String {
    let is_id = value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { "{id}".to_owned() } else { value.to_owned() }
}

/// The last element names the gateway; `1` is how the recorded one writes `1.0`.
fn via(value: &str) -> String {
    let (before, last) = value.rsplit_once(", ").map_or((String::new(), value), |(a, b)| (format!("{a}, "), b));
    let version = last.split(' ').next().unwrap_or_default();
    format!("{before}{} {{product}}", if version == "1" { "1.0" } else { version })
}

/// A token of ours stands where the record has its mark.
fn token_out(value: &str) -> String {
    let (scheme, token) = value.rsplit_once(' ').map_or((String::new(), value), |(a, b)| (format!("{a} "), b));
    let signed = token.len() > 150 && token.split('.').count() == 3;
    let ours = signed && part(token, 0).is_some_and(|header: Value| header.get("jku").is_some());
    if ours { format!("{scheme}{{token}}") } else { value.to_owned() }
}
