//! How requests find their routes: what was observed on Kong, the rules one by one, mistakes, and a naive matcher to compare with.

mod linear;
mod mistakes;
mod observed;
mod rules;
mod traced;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use signet_plugin_api::{Headers, Route, Scheme};

use super::{Match, Query, Router};

/// A route with Kong's defaults that says nothing yet.
fn route() -> Route {
    Route::new("00000000-0000-0000-0000-000000000000")
}

fn list(values: &[&str]) -> Option<Vec<String>> {
    Some(values.iter().map(ToString::to_string).collect())
}

fn paths(paths: &[&str]) -> Route {
    Route { paths: list(paths), ..route() }
}

fn hosts(hosts: &[&str]) -> Route {
    Route { hosts: list(hosts), ..route() }
}

fn with_headers(headers: &[(&str, &[&str])], route: Route) -> Route {
    let values = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    let headers: Headers = headers.iter().map(|(name, of)| ((*name).to_owned(), values(of))).collect();
    Route { headers: Some(headers), ..route }
}

fn router(routes: impl IntoIterator<Item = Route>) -> Router {
    let routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
    Router::build(&routes).expect("routes without mistakes")
}

/// A request that owns its parts.
#[derive(Debug, Clone)]
struct Sent {
    method: Method,
    host: Option<String>,
    path: String,
    headers: HeaderMap,
    scheme: Scheme,
    port: u16,
    sni: Option<String>,
}

/// `GET path` to `gw.test` on the plain listener.
fn get(path: &str) -> Sent {
    Sent {
        method: Method::GET,
        host: Some("gw.test".to_owned()),
        path: path.to_owned(),
        headers: HeaderMap::new(),
        scheme: Scheme::Http,
        port: 18000,
        sni: None,
    }
}

impl Sent {
    fn host(self, host: &str) -> Self {
        Self { host: Some(host.to_owned()), ..self }
    }

    fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a header value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    fn tls(self, sni: Option<&str>) -> Self {
        Self { scheme: Scheme::Https, port: 18443, sni: sni.map(ToOwned::to_owned), ..self }
    }

    fn query(&self) -> Query<'_> {
        Query {
            method: &self.method,
            host: self.host.as_deref(),
            path: &self.path,
            headers: &self.headers,
            scheme: self.scheme,
            port: self.port,
            sni: self.sni.as_deref(),
        }
    }

    fn find<'s>(&'s self, router: &Router) -> Option<Match<'s>> {
        router.find(&self.query())
    }

    /// The position of the route.
    fn route(&self, router: &Router) -> Option<u32> {
        self.find(router).map(|found| found.route)
    }
}
