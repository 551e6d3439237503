//! Routes: Kong's fields and defaults. What conditions mean, and whether they can be matched, is the router's business.

use std::sync::Arc;

use serde_yaml::Value;
use signet_plugin_api::{Headers, PathHandling, Protocol, Route};

use super::{
    RouteDecl, checks,
    draft::{Draft, Parent, Waiting},
    fields::{Fields, kind},
    index::Added,
    path::migrate,
    protocol,
};

/// Kong's default.
const HTTP: [Protocol; 2] = [Protocol::Http, Protocol::Https];

/// One route speaks one family of protocols.
const FAMILIES: [&[Protocol]; 5] = [
    &[Protocol::Http, Protocol::Https],
    &[Protocol::Grpc, Protocol::Grpcs],
    &[Protocol::Ws, Protocol::Wss],
    &[Protocol::Tcp, Protocol::Tls, Protocol::Udp],
    &[Protocol::TlsPassthrough],
];

impl Draft<'_> {
    /// Reads one route; plugins that are nested in it wait for their turn.
    pub(super) fn route(&mut self, waiting: Waiting) {
        let Some(mut fields) = Fields::open(self.cx, waiting.at, waiting.value) else { return };
        let mistakes_before = self.cx.notes.count();
        let plugins = fields.entities("plugins");
        let nested = match waiting.parent {
            Parent::Service(service) => Some(service),
            _ => None,
        };
        let service = self.services.refer(&mut fields, nested);
        let (given, name) = (fields.id(), fields.checked("name", checks::name).map(Arc::from));
        let owner = service.as_ref().ok().and_then(|service| self.service_id(*service));
        let id = self.routes.id(given, name.as_deref(), || format!("{owner:?}:{}", fields.content()));
        let Added { position, unique } = self.routes.add(&fields, name.as_ref(), &id);
        let id = if unique { id } else { self.routes.stand_in(&fields.at) };
        let parent = Parent::Route(position);
        self.waiting_plugins.extend(plugins.into_iter().map(|(at, value)| Waiting { at, value, parent }));
        let mut route = decode(&mut fields, id, name);
        let (service, at) = (service.unwrap_or_default(), fields.at.clone());
        if let Some(service) = service.and_then(|service| self.model.services.get(service))
            && self.cx.notes.count() == mistakes_before
        {
            suited(&fields, &route, service.service.protocol);
        }
        fields.finish();
        if self.cx.notes.count() > mistakes_before {
            without_conditions(&mut route);
        }
        self.model.routes.push(RouteDecl { route: Arc::new(route), service, at });
    }

    fn service_id(&self, service: Option<usize>) -> Option<Arc<str>> {
        self.model.services.get(service?).map(|decl| Arc::clone(&decl.service.id))
    }
}

/// Whether route and service can speak to each other. As in Kong, WebSockets keep to themselves.
fn suited(fields: &Fields<'_>, route: &Route, service: Protocol) {
    let any = |is: fn(Protocol) -> bool| route.protocols.iter().any(|protocol| is(*protocol));
    if any(Protocol::is_websocket) != service.is_websocket() {
        let reason = "routes of `ws` and `wss` lead to services of `ws` and `wss`, and only they do";
        fields.wrong("protocols", reason);
    }
    if any(Protocol::is_grpc) && !service.is_grpc() {
        let reason = "a gRPC route whose service is neither `grpc` nor `grpcs`: HTTP/1.1 loses the status of each call";
        fields.cx.notes.warning(fields.at.key("protocols"), reason);
    }
}

/// What a route with mistakes becomes: nothing further is said of its conditions, but its plugins are still looked at.
fn without_conditions(route: &mut Route) {
    route.protocols = HTTP.to_vec();
    (route.methods, route.hosts, route.headers, route.snis) = (None, None, None, None);
    route.paths = Some(vec!["/".to_owned()]);
}

fn decode(fields: &mut Fields<'_>, id: Arc<str>, name: Option<Arc<str>>) -> Route {
    let protocols = route_protocols(fields);
    let grpc = protocols.iter().any(|protocol| protocol.is_grpc());
    let strip_path = fields.flag("strip_path");
    if grpc && strip_path == Some(true) {
        fields.wrong("strip_path", "cannot be set on routes of protocol `grpc` or `grpcs`");
    }
    let snis = fields.texts("snis", checks::sni);
    if snis.is_some() && !protocols.iter().any(|protocol| protocol.is_tls()) {
        fields.wrong("snis", "can only be set on routes with a protocol over TLS");
    }
    for key in ["sources", "destinations", "expression"] {
        fields.not_implemented(key, None);
    }
    fields.not_implemented("priority", Some(Value::from(0)));
    let redirects = [426, 301, 302, 307, 308];
    let status = fields.integer("https_redirect_status_code", 301..=426).unwrap_or(426);
    if !redirects.contains(&status) {
        fields.wrong("https_redirect_status_code", "expected one of 426, 301, 302, 307, 308");
    }
    Route {
        id,
        name,
        protocols,
        methods: fields.texts("methods", checks::method),
        hosts: fields.texts("hosts", checks::route_host),
        paths: paths(fields),
        headers: headers(fields),
        snis,
        https_redirect_status_code: u16::try_from(status).unwrap_or(426),
        regex_priority: fields.integer("regex_priority", 0..=i64::MAX).map_or(0, i64::unsigned_abs),
        strip_path: strip_path.unwrap_or(!grpc),
        path_handling: fields
            .one_of("path_handling", &[("v0", PathHandling::V0), ("v1", PathHandling::V1)])
            .unwrap_or_default(),
        preserve_host: fields.flag("preserve_host").unwrap_or(false),
        request_buffering: fields.flag("request_buffering").unwrap_or(true),
        response_buffering: fields.flag("response_buffering").unwrap_or(true),
        tags: fields.tags(),
        created_at: fields.timestamp("created_at"),
        updated_at: fields.timestamp("updated_at"),
    }
}

fn route_protocols(fields: &mut Fields<'_>) -> Vec<Protocol> {
    let protocols = protocol::list(fields, &HTTP);
    if !FAMILIES.iter().any(|family| protocols.iter().all(|protocol| family.contains(protocol))) {
        fields.wrong("protocols", "these protocols cannot stand in one route together");
    } else if protocols.iter().any(|protocol| protocol.is_stream()) {
        fields.wrong("protocols", "routes of streams (tcp, tls, udp, tls_passthrough) are not implemented yet");
    }
    protocols
}

/// In files older than 3.0, regular expressions have no mark yet.
fn paths(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    if !fields.cx.old_paths.get() {
        return fields.texts("paths", checks::route_path);
    }
    let migrated = |path: &str| match path.starts_with('/') {
        true => checks::route_path(&migrate(path)),
        false => checks::route_path(path),
    };
    let paths = fields.texts("paths", migrated)?;
    Some(paths.iter().map(|path| migrate(path)).collect())
}

fn headers(fields: &mut Fields<'_>) -> Option<Headers> {
    let value = fields.take("headers")?;
    let at = fields.at.key("headers");
    let Value::Mapping(members) = value else {
        fields.wrong("headers", format!("expected a mapping of names to lists of values, found {}", kind(&value)));
        return None;
    };
    let mut headers = Headers::new();
    for (name, values) in members {
        let Some(name) = name.as_str().map(str::to_owned) else {
            fields.wrong("headers", "expected names of headers as keys");
            continue;
        };
        let at = at.key(name.clone());
        if let Err(reason) = checks::route_header(&name) {
            fields.cx.notes.mistake(at, reason);
            continue;
        }
        let Value::Sequence(values) = values else {
            fields.cx.notes.mistake(at, format!("expected a list of values, found {}", kind(&values)));
            continue;
        };
        let values = fields.strings(&at, values, checks::any);
        headers.insert(name, values);
    }
    Some(headers).filter(|headers| !headers.is_empty())
}
