//! A request as a line of the access log, as text or as JSON.

use std::{
    fmt::{self, Display, Write},
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Datelike, Timelike, Utc};
use http::{HeaderName, Version, header};
use signet_plugin_api::{Context, Identity, Record};

use super::escape::{self, Line};

/// nginx's status for a client that left before the answer.
const CLIENT_LEFT: u16 = 499;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What the access log says of a request. Of queries it says only that there was one: credentials travel in them.
pub(super) struct Entry<'a> {
    time: DateTime<Utc>,
    record: &'a Record<'a>,
    cx: &'a Context,
    ip: Option<IpAddr>,
    path: &'a str,
    has_query: bool,
    /// The caller, if a credential was verified.
    identity: Option<&'a Identity>,
    upstream: Option<SocketAddr>,
    retries: usize,
}

/// A member of the line and its value.
enum Value<'v> {
    /// Of others, or of the configuration: to be escaped.
    Text(&'v [u8]),
    /// Ours: letters, digits and a few signs.
    Word(&'v dyn Display),
    Number(u64),
    Milliseconds(Duration),
}

impl<'a> Entry<'a> {
    pub(super) fn of(cx: &'a Context, record: &'a Record<'a>, peer: Option<IpAddr>) -> Self {
        let (path, query) = record
            .path_and_query
            .split_once('?')
            .map_or((record.path_and_query, None), |(path, query)| (path, Some(query)));
        let tries = record.upstream.map_or(&[][..], |upstream| upstream.tries);
        Self {
            time: moment(record.started),
            record,
            cx,
            ip: record.client.map(|client| client.ip).or(peer),
            path,
            has_query: query.is_some(),
            identity: cx.identity().filter(|identity| identity.is_authenticated()),
            upstream: tries.last().map(|last| last.address),
            retries: tries.len().saturating_sub(1),
        }
    }

    /// The line of nginx's `combined`, which many tools read, and then `name=value` for each other fact.
    pub(super) fn text(&self, line: &mut Line) {
        match self.ip {
            Some(ip) => put(line, format_args!("{ip} - ")),
            None => line.extend_from_slice(b"- - "),
        }
        match self.consumer() {
            Some(name) => word(line, name.as_bytes()),
            None => line.push(b'-'),
        }
        self.date(line);
        escape::text(line, self.record.method.as_str().as_bytes());
        line.push(b' ');
        escape::text(line, self.path.as_bytes());
        line.extend_from_slice(if self.has_query { b"?... " } else { b" " });
        line.extend_from_slice(self.protocol().as_bytes());
        put(line, format_args!("\" {} {} \"", self.status(), self.record.response_body));
        escape::text(line, self.referer().unwrap_or(b"-"));
        line.extend_from_slice(b"\" \"");
        escape::text(line, self.header(&header::USER_AGENT).unwrap_or(b"-"));
        line.push(b'"');
        self.facts(|name, value| {
            line.push(b' ');
            line.extend_from_slice(name.as_bytes());
            line.push(b'=');
            match value {
                Value::Text(text) => {
                    line.push(b'"');
                    escape::text(line, text);
                    line.push(b'"');
                }
                value => plain(line, &value),
            }
        });
    }

    /// One object; what does not apply is left out.
    pub(super) fn json(&self, line: &mut Line) {
        line.extend_from_slice(b"{\"time\":\"");
        self.moment(line);
        line.push(b'"');
        let mut member = |name: &str, value: Value<'_>| {
            put(line, format_args!(",\"{name}\":"));
            match value {
                Value::Text(text) => escape::json(line, text),
                Value::Word(word) => put(line, format_args!("\"{word}\"")),
                value => plain(line, &value),
            }
        };
        if let Some(ip) = &self.ip {
            member("client_ip", Value::Word(ip));
        }
        member("method", Value::Text(self.record.method.as_str().as_bytes()));
        member("path", Value::Text(self.path.as_bytes()));
        if self.has_query {
            member("query", Value::Word(&"..."));
        }
        member("protocol", Value::Word(&self.protocol()));
        member("status", Value::Number(self.status().into()));
        member("response_bytes", Value::Number(self.record.response_body));
        if let Some(referer) = self.referer() {
            member("referer", Value::Text(referer));
        }
        if let Some(agent) = self.header(&header::USER_AGENT) {
            member("user_agent", Value::Text(agent));
        }
        if let Some(consumer) = self.consumer() {
            member("consumer", Value::Text(consumer.as_bytes()));
        }
        self.facts(member);
        line.push(b'}');
    }

    /// What both forms write in the same order.
    fn facts(&self, mut fact: impl FnMut(&str, Value<'_>)) {
        let Self { record, cx, .. } = self;
        fact("request_id", Value::Word(&cx.request_id().as_str()));
        if let Some(host) = record.host {
            fact("host", Value::Text(host.as_bytes()));
        }
        if let Some(client) = record.client {
            fact("scheme", Value::Word(&client.scheme.as_str()));
        }
        fact("request_bytes", Value::Number(record.request_body));
        fact("source", Value::Word(&record.source.as_str()));
        if let Some(service) = cx.service() {
            fact("service", Value::Text(service.name.as_ref().unwrap_or(&service.id).as_bytes()));
        }
        if let Some(route) = cx.route() {
            fact("route", Value::Text(route.name.as_ref().unwrap_or(&route.id).as_bytes()));
        }
        if let Some(identity) = self.identity {
            fact("auth", Value::Text(identity.method.as_bytes()));
            if let Some(consumer) = &identity.consumer {
                fact("consumer_id", Value::Text(consumer.id.as_bytes()));
            }
            if let Some(credential) = &identity.credential_id {
                fact("credential_id", Value::Text(credential.as_bytes()));
            }
        }
        fact("total_ms", Value::Milliseconds(record.latencies.total));
        fact("gateway_ms", Value::Milliseconds(record.latencies.gateway));
        if let Some(upstream) = record.latencies.upstream {
            fact("upstream_ms", Value::Milliseconds(upstream));
        }
        if let Some(upstream) = &self.upstream {
            fact("upstream", Value::Word(upstream));
            fact("retries", Value::Number(self.retries as u64));
        }
    }

    fn status(&self) -> u16 {
        if self.record.status == 0 { CLIENT_LEFT } else { self.record.status }
    }

    fn protocol(&self) -> &'static str {
        match self.record.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }

    /// The name of the consumer who was verified, or its id where it has none.
    fn consumer(&self) -> Option<&'a str> {
        let consumer = self.identity?.consumer.as_ref()?;
        Some(consumer.username.as_ref().unwrap_or(&consumer.id))
    }

    fn header(&self, name: &HeaderName) -> Option<&'a [u8]> {
        Some(self.record.request_headers.get(name)?.as_bytes())
    }

    /// Without its query, and without credentials before its host.
    fn referer(&self) -> Option<&'a [u8]> {
        let referer = self.header(&header::REFERER)?;
        let url = referer.split(|byte| matches!(byte, b'?' | b'#')).next()?;
        let is_bare = !url.contains(&b'@');
        Some(if is_bare { url } else { b"..." })
    }

    /// ` [23/Nov/2026:23:41:04 +0000] "`
    fn date(&self, line: &mut Line) {
        let Self { time, .. } = self;
        let month = MONTHS.get(time.month0() as usize).copied().unwrap_or("-");
        line.extend_from_slice(b" [");
        digits(line, time.day(), 2);
        put(line, format_args!("/{month}/{:04}:", time.year()));
        self.clock(line);
        line.extend_from_slice(b" +0000] \"");
    }

    /// RFC 3339 with milliseconds.
    fn moment(&self, line: &mut Line) {
        let Self { time, .. } = self;
        put(line, format_args!("{:04}-", time.year()));
        digits(line, time.month(), 2);
        line.push(b'-');
        digits(line, time.day(), 2);
        line.push(b'T');
        self.clock(line);
        line.push(b'.');
        digits(line, time.timestamp_subsec_millis(), 3);
        line.push(b'Z');
    }

    fn clock(&self, line: &mut Line) {
        digits(line, self.time.hour(), 2);
        line.push(b':');
        digits(line, self.time.minute(), 2);
        line.push(b':');
        digits(line, self.time.second(), 2);
    }
}

/// Values that need neither quotes nor escapes in either form.
fn plain(line: &mut Line, value: &Value<'_>) {
    match value {
        Value::Text(text) => escape::json(line, text),
        Value::Word(word) => put(line, format_args!("{word}")),
        Value::Number(number) => line.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Milliseconds(time) => {
            let micros = time.as_micros();
            line.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
            line.push(b'.');
            digits(line, u32::try_from(micros % 1000).unwrap_or(0), 3);
        }
    }
}

/// A value in a place where a space would end it.
fn word(line: &mut Line, value: &[u8]) {
    for part in value.split_inclusive(|byte| *byte == b' ') {
        match part.strip_suffix(b" ") {
            Some(part) => {
                escape::text(line, part);
                line.extend_from_slice(b"\\x20");
            }
            None => escape::text(line, part),
        }
    }
}

/// So many digits, with zeros before them.
fn digits(line: &mut Line, number: u32, count: u32) {
    for place in (0..count).rev() {
        line.push(b'0' + u8::try_from(number / 10_u32.pow(place) % 10).unwrap_or(0));
    }
}

fn put(line: &mut Line, text: fmt::Arguments<'_>) {
    struct Text<'l>(&'l mut Line);
    impl Write for Text<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    // Memory takes everything.
    let _ = Text(line).write_fmt(text);
}

/// A clock that stands before 1970 shows 1970.
fn moment(time: SystemTime) -> DateTime<Utc> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, since.subsec_nanos()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
