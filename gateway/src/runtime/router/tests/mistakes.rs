//! Routes that cannot be used, and what is said about them.

use std::sync::Arc;

use signet_plugin_api::{Protocol, Route};

use super::{hosts, list, paths, route, with_headers};
use crate::runtime::router::Router;

fn mistakes(routes: impl IntoIterator<Item = Route>) -> Vec<(usize, String)> {
    let routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
    let found = Router::build(&routes).err().unwrap_or_default();
    found.into_iter().map(|(position, error)| (position, error.to_string())).collect()
}

#[track_caller]
fn refused(route: Route, start: &str) {
    let found = mistakes([route]);
    assert!(found.len() == 1 && found[0].1.starts_with(start), "{found:?}, not {start}");
}

#[test]
fn all_mistakes_of_all_routes_are_reported_at_once() {
    let bad = Route { hosts: list(&["a.test", "a b"]), methods: list(&["get"]), ..paths(&["/ok", "no", "/a//b"]) };
    let found = mistakes([bad, paths(&["/fine"]), route()]);
    let places: Vec<_> = found.iter().map(|(at, text)| (*at, text.split(':').next().unwrap())).collect();
    assert_eq!(places, [(0, "methods[0]"), (0, "paths[1]"), (0, "paths[2]"), (0, "hosts[1]"), (2, "")]);
}

#[test]
fn a_route_must_say_what_it_matches() {
    refused(route(), ": a route must have at least one of methods, hosts, headers, paths, snis");
    refused(paths(&[]), ": a route must have at least one of");
    let plain = Route { protocols: vec![Protocol::Http], ..route() };
    refused(plain, ": a route must have at least one of methods, hosts, headers, paths");
}

#[test]
fn paths_must_be_normal_prefixes_or_valid_expressions() {
    refused(paths(&["a"]), "paths[0]: `a` must begin with `/` (a prefix) or `~/`");
    refused(paths(&["~^/a"]), "paths[0]: `~^/a` must begin with");
    refused(paths(&["/a//b"]), "paths[0]: `/a//b` must not have empty segments");
    refused(paths(&["/a%2"]), "paths[0]: `%2` is not a percent-encoded byte");
    refused(paths(&["/a%é1x"]), "paths[0]: `%é1` is not a percent-encoded byte");
    refused(paths(&["/a/../b"]), "paths[0]: `/a/../b` would never match: requests are normalised first; write `/b`");
    refused(paths(&["/%41"]), "paths[0]: `/%41` would never match");
    refused(paths(&["~/("]), "paths[0]: `/(` is not a regular expression: unclosed group");
    refused(paths(&["~/a)|(/b"]), "paths[0]: `/a)|(/b` is not a regular expression: unopened group");
    refused(paths(&["~/(?=a)"]), "paths[0]: `/(?=a)` is not a regular expression: look-around");
    refused(paths(&["~/(a{1000}){1000}"]), "paths[0]: `/(a{1000}){1000}` is not a regular expression: ");
}

#[test]
fn hosts_must_be_names_or_addresses_with_a_wildcard_label_at_most() {
    for (host, reason) in [
        ("", "is not a host"),
        ("a b", "is not a host"),
        ("a-.test", "is not a host"),
        ("a..test", "is not a host"),
        ("a.test:99999", "is not a host"),
        ("1.2.3", "is not a host"),
        ("a.test/x", "is not a host"),
        ("*", "has a wildcard that is not the whole first or last label"),
        ("*a.test", "has a wildcard that"),
        ("a.*.test", "has a wildcard that"),
        ("*.", "has a wildcard that"),
        ("*.a.*", "has more than one wildcard"),
    ] {
        refused(hosts(&[host]), &format!("hosts[0]: `{host}` {reason}"));
    }
    refused(hosts(&["a.test:0"]), "hosts[0]: `a.test:0`: nothing listens on port 0");
    let fine = ["a_b.test", "a.test.", "10.0.0.1", "10.0.0.1:80", "::1", "[::1]:80", "*.test:80", "a.*:80", "*.1"];
    assert_eq!(mistakes([hosts(&fine)]), []);
}

#[test]
fn stream_protocols_and_mixtures_are_refused() {
    let of = |protocols: &[Protocol]| Route { protocols: protocols.to_vec(), ..paths(&["/a"]) };
    for stream in [Protocol::Tcp, Protocol::Udp, Protocol::Tls, Protocol::TlsPassthrough] {
        refused(of(&[stream]), "protocols: stream routes are not supported");
    }
    refused(of(&[Protocol::Http, Protocol::Grpc]), "protocols: http and https, grpc and grpcs, ws and wss cannot");
    refused(of(&[]), "protocols: must list at least one protocol");
    assert_eq!(mistakes([of(&[Protocol::Grpc, Protocol::Grpcs]), of(&[Protocol::Wss])]), []);
}

#[test]
fn server_names_need_a_protocol_over_tls() {
    let snis = |names: &[&str]| Route { snis: list(names), ..paths(&["/a"]) };
    refused(Route { protocols: vec![Protocol::Http], ..snis(&["a.test"]) }, "snis: can only be set when `protocols`");
    refused(snis(&["a.test:443"]), "snis[0]: `a.test:443` is not a host name");
    refused(snis(&["10.0.0.1"]), "snis[0]: `10.0.0.1` is not a host name");
    refused(snis(&["a.*.test"]), "snis[0]: `a.*.test`: the wildcard must stand at the beginning or at the end");
    refused(snis(&["*.*"]), "snis[0]: `*.*` has more than one wildcard");
}

#[test]
fn methods_and_headers_must_be_well_formed() {
    refused(Route { methods: list(&["G-T"]), ..route() }, "methods[0]: `G-T` is not a method");
    refused(Route { methods: list(&[""]), ..route() }, "methods[0]: `` is not a method");
    let grpc = Route { protocols: vec![Protocol::Grpc], methods: list(&["GET"]), ..paths(&["/a"]) };
    refused(grpc, "methods: cannot be set when `protocols` is grpc");
    refused(with_headers(&[("Host", &["a"])], route()), "headers.Host: hosts are matched by `hosts`");
    refused(with_headers(&[("x y", &["a"])], route()), "headers.x y: is not a header name");
    refused(with_headers(&[("x", &[])], route()), "headers.x: must list at least one value");
    refused(with_headers(&[("x", &["a", "~*("])], route()), "headers.x[1]: `(` is not a regular expression: unclosed");
}

#[test]
fn only_kongs_redirect_codes_are_accepted() {
    refused(Route { https_redirect_status_code: 303, ..paths(&["/a"]) }, "https_redirect_status_code: must be one of");
}
