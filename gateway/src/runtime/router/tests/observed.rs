//! What Kong 3.9.1 was seen to do.

use http::Method;
use signet_plugin_api::{Protocol, Route};

use super::{Sent, get, hosts, list, paths, route, router, with_headers};
use crate::runtime::router::upstream_path;

/// A service's path, a route's path, the request's path; what the upstream gets with `strip_path` and without it.
const JOINED: &[(Option<&str>, &str, &str, &str, &str)] = &[
    (None, "/", "/", "/", "/"),
    (None, "/", "/a", "/a", "/a"),
    (None, "/", "//a", "/a", "/a"),
    (None, "/", "/a/", "/a/", "/a/"),
    (None, "/r", "/r", "/", "/r"),
    (None, "/r", "/ra", "/a", "/ra"),
    (None, "/r", "/r/a", "/a", "/r/a"),
    (None, "/r", "/ra/", "/a/", "/ra/"),
    (None, "/r/", "/r/", "/", "/r/"),
    (None, "/r/", "/r/a", "/a", "/r/a"),
    (Some("/"), "/", "/", "/", "/"),
    (Some("/"), "/", "//a", "/a", "/a"),
    (Some("/"), "/r", "/ra", "/a", "/ra"),
    (Some("/"), "/r", "/r/a", "/a", "/r/a"),
    (Some("/"), "/r/", "/r/", "/", "/r/"),
    (Some("/"), "/r/", "/r//a", "/a", "/r/a"),
    (Some("/s"), "/", "/", "/s", "/s"),
    (Some("/s"), "/", "/a", "/s/a", "/s/a"),
    (Some("/s"), "/", "/a/", "/s/a/", "/s/a/"),
    (Some("/s"), "/r", "/r", "/s", "/s/r"),
    (Some("/s"), "/r", "/ra", "/s/a", "/s/ra"),
    (Some("/s"), "/r", "/r/a", "/s/a", "/s/r/a"),
    (Some("/s"), "/r/", "/r/", "/s/", "/s/r/"),
    (Some("/s"), "/r/", "/r//a", "/s/a", "/s/r/a"),
    (Some("/s/"), "/", "/", "/s/", "/s/"),
    (Some("/s/"), "/", "/a", "/s/a", "/s/a"),
    (Some("/s/"), "/", "//a", "/s/a", "/s/a"),
    (Some("/s/"), "/r", "/r", "/s", "/s/r"),
    (Some("/s/"), "/r", "/r/", "/s/", "/s/r/"),
    (Some("/s/"), "/r", "/ra/", "/s/a/", "/s/ra/"),
    (Some("/s/"), "/r/", "/r/", "/s/", "/s/r/"),
    (Some("/s/"), "/r/", "/r/a/", "/s/a/", "/s/r/a/"),
    (Some("/base"), "/strip", "/strip//a", "/base/a", "/base/strip/a"),
    (Some("/base"), "/strip", "/strip/a%20b", "/base/a%20b", "/base/strip/a%20b"),
    (Some("/base"), "/strip", "/strip/%C3%A9", "/base/%C3%A9", "/base/strip/%C3%A9"),
    (Some("/base"), "/strip", "/strip/%FF", "/base/%FF", "/base/strip/%FF"),
    (Some("/base"), "/strip", "/strip/a;b=1", "/base/a;b=1", "/base/strip/a;b=1"),
    (Some("/base"), "/strip", "/strip/a%2fb", "/base/a%2Fb", "/base/strip/a%2Fb"),
    (Some("/base"), "/sl", "/sl/./a/../b", "/base/b", "/base/sl/b"),
    (Some("/base"), "/plain", "/%70lain/x", "/base/x", "/base/plain/x"),
    (Some("/base"), "/strip", "/strip../x", "/base/x", "/base/strip../x"),
    (Some("/base"), "/strip", "/strip..", "/base", "/base/strip.."),
    (Some("/base"), "/strip", "/strip%00", "/base/%00", "/base/strip%00"),
];

#[test]
fn paths_are_joined_with_one_slash() {
    for (service, prefix, sent, stripped, whole) in JOINED {
        let router = router([paths(&[prefix])]);
        let sent = get(sent);
        let found = sent.find(&router).expect("a match");
        assert_eq!(upstream_path(*service, &found, true), *stripped, "{service:?} + {prefix}: {sent:?}, stripped");
        assert_eq!(upstream_path(*service, &found, false), *whole, "{service:?} + {prefix}: {sent:?}");
    }
}

#[test]
fn a_route_without_paths_strips_nothing() {
    let router = router([hosts(&["gw.test"])]);
    for (service, sent, joined) in [
        (None, "/x/", "/x/"),
        (Some("/base"), "/x", "/base/x"),
        (Some("/base/"), "/x", "/base/x"),
        (Some("/base"), "/", "/base"),
        (Some("/base/"), "/", "/base/"),
    ] {
        let sent = get(sent);
        let found = sent.find(&router).expect("a match");
        assert_eq!(found.prefix(), "");
        assert_eq!(upstream_path(service, &found, true), joined, "{sent:?}");
        assert_eq!(router.forwarded_prefix(&found), None);
    }
}

#[test]
fn the_stripped_prefix_is_forwarded_unless_it_is_the_root() {
    let unstripped = Route { strip_path: false, ..paths(&["/whole"]) };
    let router = router([paths(&["/", "/strip", "/stripslash/", "~/re/\\d+", "/a b"]), unstripped]);
    for (sent, forwarded) in [
        ("/x", None),
        ("/stripX", Some("/strip")),
        ("/stripslash/a", Some("/stripslash/")),
        ("/re/12/x", Some("/re/12")),
        ("/a%20b/c", Some("/a%20b")),
        ("/whole", None),
    ] {
        let sent = get(sent);
        let found = sent.find(&router).expect("a match");
        let header = router.forwarded_prefix(&found);
        assert_eq!(header.as_ref().map(|value| value.to_str().expect("ASCII")), forwarded, "{sent:?}");
    }
}

/// A part of the recorded configuration, under the names that the routes have there.
fn recorded() -> Vec<(&'static str, Route)> {
    let methods = |methods: &[&str], route| Route { methods: list(methods), ..route };
    let https = |route| Route { protocols: vec![Protocol::Https], ..route };
    let regex = |regex_priority, path: &str| Route { regex_priority, ..paths(&[path]) };
    vec![
        ("plain", paths(&["/plain"])),
        ("strip", paths(&["/strip"])),
        ("stripSlash", paths(&["/stripslash/"])),
        ("caseP", paths(&["/CaseP"])),
        ("encoded", paths(&["/enc oded"])),
        ("multiPaths", paths(&["/mp", "/mp/longer", "~/mp/re"])),
        ("re1", regex(0, "~/re/(?<id>\\d+)/x$")),
        ("re2", regex(5, "~/re/\\w+")),
        ("re3", regex(10, "~/re/12.*")),
        ("repfx", paths(&["/re/"])),
        ("meth", methods(&["GET", "POST"], paths(&["/meth"]))),
        ("methDel", methods(&["DELETE"], paths(&["/meth"]))),
        ("methSub", methods(&["GET"], paths(&["/meth/sub"]))),
        ("host1", hosts(&["h1.test"])),
        ("hostWild", hosts(&["*.wild.test"])),
        ("hostWildR", hosts(&["wild.*"])),
        ("hostPort", hosts(&["hp.test:18000"])),
        ("hostPath", Route { hosts: list(&["h1.test"]), ..paths(&["/hp"]) }),
        ("hostPathMeth", methods(&["PUT"], Route { hosts: list(&["h1.test"]), ..paths(&["/hp"]) })),
        ("hdr", with_headers(&[("x-ver", &["v1", "v2"])], paths(&["/hdr"]))),
        ("hdrRe", with_headers(&[("x-ver", &["~*^beta\\d+$"])], paths(&["/hdr"]))),
        ("hdrNone", paths(&["/hdr"])),
        ("hdr2", with_headers(&[("x-ver", &["v1"]), ("x-b", &["1"])], paths(&["/hdr"]))),
        ("httpsOnly", https(paths(&["/httpsOnly"]))),
        ("httpOnly", Route { protocols: vec![Protocol::Http], ..paths(&["/http1only"]) }),
    ]
}

#[test]
fn requests_reach_the_routes_that_they_reached() {
    let (names, routes): (Vec<_>, Vec<_>) = recorded().into_iter().unzip();
    let router = router(routes.clone());
    let expect = |sent: Sent, name: Option<&str>| {
        super::traced::agrees(&router, &routes, &sent);
        assert_eq!(sent.route(&router).map(|route| names[route as usize]), name, "{sent:?}");
    };
    for (path, name) in [
        ("/", None),
        ("//", None),
        ("/STRIP", None),
        ("/strip//a", Some("strip")),
        ("/stripX", Some("strip")),
        ("/stripslash", Some("strip")),
        ("/stripslash/", Some("stripSlash")),
        ("/CaseP", Some("caseP")),
        ("/enc%20oded", Some("encoded")),
        ("/mp/other", Some("multiPaths")),
        ("/mp/re", Some("multiPaths")),
        ("/%70lain/x", Some("plain")),
        ("/re/12", Some("re3")),
        ("/re/7/x", Some("re2")),
        ("/re/-", Some("repfx")),
        ("/meth", Some("meth")),
        ("/meth/sub", Some("methSub")),
        ("/hdr", Some("hdrNone")),
        ("/httpsOnly/a", Some("httpsOnly")),
    ] {
        expect(get(path), name);
    }
    expect(get("/meth").method(Method::DELETE), Some("methDel"));
    expect(get("/meth").method(Method::PUT), None);
    for (host, path, name) in [
        ("h1.test:18000", "/x", Some("host1")),
        ("h1.test:99", "/x", Some("host1")),
        ("h1.test", "/hp", Some("hostPath")),
        ("a.b.wild.test", "/x", Some("hostWild")),
        ("wild.test", "/x", Some("hostWildR")),
        ("wild.a.b", "/x", Some("hostWildR")),
        ("wild", "/x", None),
        ("hp.test:18000", "/x", Some("hostPort")),
        ("hp.test", "/x", Some("hostPort")),
        ("hp.test:1", "/x", None),
        // One kind of condition each; that of plain hosts comes first.
        ("h1.test", "/plain", Some("host1")),
    ] {
        expect(get(path).host(host), name);
    }
    expect(get("/hp").host("h1.test").method(Method::PUT), Some("hostPathMeth"));
    for (value, name) in [("v2", "hdr"), ("V1", "hdr"), ("beta1", "hdrRe"), ("BETA1", "hdrRe"), ("beta", "hdrNone")] {
        expect(get("/hdr").header("x-ver", value), Some(name));
    }
    expect(get("/hdr").header("x-ver", "v1").header("x-b", "1"), Some("hdr2"));
    expect(get("/hdr").header("x-ver", "v9").header("x-ver", "v2"), Some("hdr"));
    expect(get("/http1only").tls(None), Some("httpOnly"));
}

#[test]
fn server_names_count_over_tls_only() {
    let https = |route| Route { protocols: vec![Protocol::Https], snis: list(&["sni.test"]), ..route };
    let router = router([paths(&["/plain"]), https(route()), https(paths(&["/snip"]))]);
    assert_eq!(get("/x").tls(Some("other.test")).route(&router), None);
    assert_eq!(get("/x").tls(None).route(&router), None);
    assert_eq!(get("/x").tls(Some("SNI.test")).route(&router), Some(1));
    assert_eq!(get("/snip").tls(Some("sni.test.")).route(&router), Some(2));
    assert_eq!(get("/plain").route(&router), Some(0));
    // The caller answers it with a redirect.
    let plain = get("/x");
    let found = plain.find(&router).expect("a match");
    assert!(found.route == 1 && found.https_only);
}
