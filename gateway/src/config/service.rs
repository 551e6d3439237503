//! Services: Kong's fields, its defaults, and the `url` that stands for four of them.

use std::sync::Arc;

use serde_yaml::Value;
use signet_plugin_api::{Protocol, Service};

use super::{
    At, ServiceDecl, checks,
    draft::{Draft, Parent, Waiting},
    fields::Fields,
    index::Added,
    protocol::{self, PROTOCOLS},
};

/// Kong's bounds of a timeout, in milliseconds.
const TIMEOUT: std::ops::RangeInclusive<i64> = 1..=(1 << 31) - 2;

impl Draft<'_> {
    /// Reads one service; what is nested in it waits for its turn.
    pub(super) fn service(&mut self, at: At, value: Value) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let (routes, plugins) = (fields.entities("routes"), fields.entities("plugins"));
        let (given, name) = (fields.id(), fields.checked("name", checks::name).map(Arc::from));
        let id = self.services.id(given, name.as_deref(), || fields.content());
        let Added { position, unique } = self.services.add(&fields, name.as_ref(), &id);
        let id = if unique { id } else { self.services.stand_in(&fields.at) };
        let parent = Parent::Service(position);
        self.waiting_routes.extend(routes.into_iter().map(|(at, value)| Waiting { at, value, parent }));
        self.waiting_plugins.extend(plugins.into_iter().map(|(at, value)| Waiting { at, value, parent }));
        let service = Arc::new(decode(&mut fields, id, name));
        let client_certificate = self.certificates.refer_by(&mut fields, "client_certificate", None).unwrap_or(None);
        let ca_certificates = self.authorities(&mut fields);
        if ca_certificates.is_some() && service.tls_verify != Some(true) {
            let reason = "has no effect without `tls_verify: true`";
            fields.cx.notes.warning(fields.at.key("ca_certificates"), reason);
        }
        let at = fields.at.clone();
        self.model.services.push(ServiceDecl { service, client_certificate, ca_certificates, at });
        fields.finish();
    }

    /// The authorities that a service names. Those that are not there have been reported, and nobody stands in for them.
    fn authorities(&self, fields: &mut Fields<'_>) -> Option<Vec<usize>> {
        let items = fields.list("ca_certificates").filter(|items| !items.is_empty())?;
        let at = fields.at.key("ca_certificates");
        let items = items.into_iter().enumerate();
        let named = |(index, item)| self.ca_certificates.named(self.cx, &at.index(index), item).ok();
        Some(items.filter_map(named).collect())
    }
}

fn decode(fields: &mut Fields<'_>, id: Arc<str>, name: Option<Arc<str>>) -> Service {
    let address = address(fields);
    fields.not_implemented("tls_sans", None);
    let (tls_verify, tls_verify_depth) = tls(fields, address.protocol);
    Service {
        id,
        name,
        protocol: address.protocol,
        host: address.host,
        port: address.port,
        path: address.path,
        retries: fields.integer("retries", 0..=32767).map_or(5, |retries| retries as u32),
        connect_timeout: timeout(fields, "connect_timeout"),
        write_timeout: timeout(fields, "write_timeout"),
        read_timeout: timeout(fields, "read_timeout"),
        enabled: fields.flag("enabled").unwrap_or(true),
        tls_verify,
        tls_verify_depth,
        tags: fields.tags(),
        created_at: fields.timestamp("created_at"),
        updated_at: fields.timestamp("updated_at"),
    }
}

/// `tls_verify` and its depth.
fn tls(fields: &mut Fields<'_>, protocol: Protocol) -> (Option<bool>, Option<u8>) {
    if !protocol.is_tls() {
        for key in ["tls_verify", "tls_verify_depth", "ca_certificates", "client_certificate"] {
            let given = fields.take(key);
            // An empty list of authorities says nothing.
            if given.is_some_and(|value| value.as_sequence().is_none_or(|list| !list.is_empty())) {
                fields.wrong(key, "can only be set on services of protocol `https`, `grpcs` or `wss`");
            }
        }
    }
    let verify = fields.flag("tls_verify");
    let depth = fields.integer("tls_verify_depth", 0..=64).and_then(|depth| u8::try_from(depth).ok());
    if protocol.is_tls() && verify.is_none() {
        let reason = "the upstream's certificate is not verified; write `tls_verify: true`, or false if that is meant";
        fields.cx.notes.warning(fields.at.clone(), reason);
    }
    (verify, depth)
}

fn timeout(fields: &mut Fields<'_>, key: &'static str) -> u64 {
    fields.integer(key, TIMEOUT).map_or(60_000, |timeout| timeout as u64)
}

#[derive(PartialEq, Debug)]
struct Address {
    protocol: Protocol,
    host: String,
    port: u16,
    path: Option<String>,
}

/// Where the service is: its four fields, or the `url` that beats them, as in Kong.
fn address(fields: &mut Fields<'_>) -> Address {
    let protocol = fields.one_of("protocol", &PROTOCOLS);
    let somewhere = fields.has("host") || fields.has("url");
    let host = fields.checked("host", checks::host).map(|host| host.trim_matches(['[', ']']).to_owned());
    let port = fields.integer("port", 0..=65535).and_then(|port| u16::try_from(port).ok());
    let path = fields.checked("path", checks::path);
    let Some(url) = fields.text("url") else {
        if !somewhere {
            fields.cx.notes.mistake(fields.at.clone(), "a service needs a `host`, or a `url`");
        }
        let protocol = protocol.unwrap_or(Protocol::Http);
        let address = Address { protocol, host: host.unwrap_or_else(nowhere), port: port.unwrap_or(80), path };
        return implemented(fields, "protocol", "path", port.is_some(), address);
    };
    let address = match parse_url(&url) {
        Ok((address, told)) => {
            if let Some(ignored) = told.ignored {
                fields.cx.notes.warning(fields.at.key("url"), format!("{ignored} is ignored, as in Kong"));
            }
            implemented(fields, "url", "url", told.port, address)
        }
        Err(reason) => {
            fields.wrong("url", reason);
            Address { protocol: Protocol::Http, host: nowhere(), port: 80, path: None }
        }
    };
    let beaten = protocol.is_some_and(|protocol| protocol != address.protocol)
        || host.is_some_and(|host| host != address.host)
        || port.is_some_and(|port| port != address.port)
        || path.is_some_and(|path| Some(path) != address.path);
    if beaten {
        fields
            .cx
            .notes
            .warning(fields.at.key("url"), "beats `protocol`, `host`, `port` and `path`, which say otherwise");
    }
    address
}

/// The host of a service whose own cannot be used. The file is refused; nothing further is said of this host.
fn nowhere() -> String {
    "host.invalid".to_owned()
}

/// What the protocol has to do with the rest of the address. `protocol` and `path` are the fields that say them.
fn implemented(
    fields: &Fields<'_>,
    protocol: &'static str,
    path: &'static str,
    has_port: bool,
    address: Address,
) -> Address {
    let name = address.protocol.as_str();
    if address.protocol.is_stream() {
        fields.wrong(protocol, format!("services of streams (`{name}`) are not implemented yet"));
        return address;
    }
    if address.protocol.is_grpc() && address.path.is_some() {
        fields.wrong(path, format!("services of protocol `{name}` have no path: the method is the path"));
    }
    if address.protocol.is_tls() && !has_port && address.port == 80 {
        let reason = format!("the port is 80, Kong's default for `{name}` here; write the port that is meant");
        fields.cx.notes.warning(fields.at.key(protocol), reason);
    }
    address
}

/// What a URL said besides its address.
#[derive(PartialEq, Debug)]
struct Told {
    /// What Kong ignores of it.
    ignored: Option<&'static str>,
    /// It has a port.
    port: bool,
}

/// The address in a URL, and what Kong ignores of it. A reason never repeats the URL: it may be a secret.
fn parse_url(url: &str) -> Result<(Address, Told), String> {
    let (scheme, rest) = url.split_once("://").ok_or("expected a URL such as `http://host:80/path`")?;
    let protocol =
        protocol::find(&scheme.to_ascii_lowercase()).ok_or("the URL's scheme is not a protocol of services")?;
    let (rest, query) = match rest.find(['?', '#']) {
        Some(end) => (rest.get(..end).unwrap_or(rest), true),
        None => (rest, false),
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let (user, authority) = match authority.rsplit_once('@') {
        Some((_, authority)) => (true, authority),
        None => (false, authority),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, Some(port.parse::<u16>().map_err(|_| "the URL's port is not a number up to 65535")?))
        }
        _ => (authority, None),
    };
    checks::host(host).map_err(|reason| format!("the URL's host: {reason}"))?;
    if !path.is_empty() {
        checks::path(path).map_err(|reason| format!("the URL's path: {reason}"))?;
    }
    let has_port = port.is_some();
    let port = port.unwrap_or(if protocol == Protocol::Https { 443 } else { 80 });
    let host = host.trim_matches(['[', ']']).to_owned();
    let path = Some(path).filter(|path| !path.is_empty()).map(str::to_owned);
    let ignored = match (user, query) {
        (true, _) => Some("the user in the URL"),
        (_, true) => Some("the query of the URL"),
        _ => None,
    };
    Ok((Address { protocol, host, port, path }, Told { ignored, port: has_port }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (&'static str, String, u16, Option<String>) {
        let (address, _) = parse_url(url).expect("a URL");
        (address.protocol.as_str(), address.host, address.port, address.path)
    }

    #[test]
    fn a_url_stands_for_protocol_host_port_and_path() {
        assert_eq!(parsed("http://a.b:8080/x/y"), ("http", "a.b".into(), 8080, Some("/x/y".into())));
        assert_eq!(parsed("HTTPS://a"), ("https", "a".into(), 443, None));
        assert_eq!(parsed("http://[::1]:81/"), ("http", "::1".into(), 81, Some("/".into())));
        assert_eq!(parsed("grpc://a"), ("grpc", "a".into(), 80, None));
    }

    #[test]
    fn what_kong_ignores_in_a_url_is_told() {
        let ignored = |url| parse_url(url).map(|(_, told)| told.ignored);
        assert_eq!(ignored("http://u:p@a/x"), Ok(Some("the user in the URL")));
        assert_eq!(ignored("http://a/x?y#z"), Ok(Some("the query of the URL")));
    }

    #[test]
    fn what_is_not_a_url_is_refused() {
        for url in ["a.b", "a:80/x", "ftp://a", "http://", "http://a:x", "http://a:99999", "http://a b/", "http://a//b"]
        {
            assert!(parse_url(url).is_err(), "{url}");
        }
    }
}
