//! The rules one by one.

use std::borrow::Cow;

use signet_plugin_api::{Protocol, Route};

use super::{get, hosts, list, paths, route, router, with_headers};
use crate::runtime::router::upstream_path;

#[test]
fn hosts_are_compared_without_case() {
    let router = router([hosts(&["H1.test"]), hosts(&["*.Wild.test"]), hosts(&["Pre.*"])]);
    assert_eq!(get("/").host("h1.TEST:80").route(&router), Some(0));
    assert_eq!(get("/").host("A.wild.TEST").route(&router), Some(1));
    assert_eq!(get("/").host("PRE.x").route(&router), Some(2));
}

#[test]
fn a_wildcard_stands_for_one_label_or_more() {
    let router = router([hosts(&["*.example.com"]), hosts(&["example.*"])]);
    for (host, found) in [
        ("a.example.com", Some(0)),
        ("a.b.example.com", Some(0)),
        ("example.com", Some(1)),
        ("example.co.uk", Some(1)),
        ("badexample.com", None),
        ("a.example.community", None),
        ("my.example.org", None),
    ] {
        assert_eq!(get("/").host(host).route(&router), found, "{host}");
    }
}

#[test]
fn a_host_with_a_port_matches_that_port_only() {
    let router = router([
        hosts(&["a.test:8080", "a.test:8443", "[::1]:82"]),
        hosts(&["a.test", "::1"]),
        hosts(&["*.b.test:81"]),
    ]);
    for (host, found) in [
        ("a.test:8080", Some(0)),
        ("a.test:8443", Some(0)),
        ("a.test:80", Some(1)),
        ("x.b.test:81", Some(2)),
        ("x.b.test:82", None),
        ("[::1]:82", Some(0)),
        ("[::1]", Some(1)),
        ("a.test:x", None),
        ("a.test:99999", None),
    ] {
        assert_eq!(get("/").host(host).route(&router), found, "{host}");
    }
}

#[test]
fn the_port_of_the_listener_counts_when_the_host_names_none() {
    let router = router([hosts(&["a.test:18443"])]);
    assert_eq!(get("/").host("a.test").tls(None).route(&router), Some(0));
    assert_eq!(get("/").host("a.test").route(&router), None);
}

#[test]
fn a_request_without_a_host_reaches_routes_without_hosts() {
    let router = router([hosts(&["a.test"]), paths(&["/"])]);
    let mut sent = get("/");
    sent.host = None;
    assert_eq!(sent.route(&router), Some(1));
}

#[test]
fn a_wildcard_anywhere_in_a_route_puts_it_behind_plain_hosts() {
    let router = router([hosts(&["a.test", "*.a.test"]), hosts(&["a.test"])]);
    assert_eq!(get("/").host("a.test").route(&router), Some(1));
}

#[test]
fn more_kinds_of_condition_beat_everything_else() {
    let both = with_headers(&[("x", &["1"])], paths(&["/"]));
    let router = router([hosts(&["a.test"]), both]);
    assert_eq!(get("/long").host("a.test").header("x", "1").route(&router), Some(1));
}

#[test]
fn more_headers_beat_a_regular_expression() {
    let one = with_headers(&[("x", &["1"])], Route { regex_priority: u64::MAX, ..paths(&["~/a"]) });
    let two = with_headers(&[("x", &["1"]), ("y", &["1"])], paths(&["/a"]));
    let router = router([one, two]);
    assert_eq!(get("/a").header("x", "1").header("y", "1").route(&router), Some(1));
}

#[test]
fn regular_expressions_go_by_their_priority_and_before_prefixes() {
    let regex = |regex_priority, path: &str| Route { regex_priority, ..paths(&[path]) };
    let router = router([paths(&["/a/long/prefix"]), regex(1, "~/a"), regex(2, "~/a")]);
    assert_eq!(get("/a/long/prefix").route(&router), Some(2));
}

#[test]
fn each_path_of_a_route_has_its_own_place_in_the_order() {
    let router = router([paths(&["/a", "/a/b/c"]), paths(&["/a/b"])]);
    assert_eq!(get("/a/b").route(&router), Some(1));
    assert_eq!(get("/a/b/c").route(&router), Some(0));
}

#[test]
fn the_first_listed_of_several_regular_expressions_matches() {
    let router = router([paths(&["~/a/\\d", "~/a/(\\d+)"])]);
    let sent = get("/a/123");
    assert_eq!(sent.find(&router).expect("a match").prefix(), "/a/1");
}

#[test]
fn ties_go_to_the_older_route_then_to_the_first_one() {
    let dated = |created_at| Route { created_at, ..paths(&["/a"]) };
    let found = |routes: Vec<Route>| get("/a").route(&router(routes));
    assert_eq!(found(vec![dated(None), dated(Some(9)), dated(Some(3)), dated(Some(3))]), Some(2));
    assert_eq!(found(vec![dated(None), dated(None)]), Some(0));
}

#[test]
fn a_regular_expression_is_anchored_as_a_whole() {
    let router = router([paths(&["~/a|/b"])]);
    assert_eq!(get("/b/x").route(&router), Some(0));
    assert_eq!(get("/x/b").route(&router), None);
    assert_eq!(get("/x/a").route(&router), None);
}

#[test]
fn regular_expressions_are_found_by_any_literal_beginning() {
    for (pattern, sent, prefix) in [
        ("~/(?i)api/v1", "/API/v1/x", "/API/v1"),
        ("~/(a|ab)c", "/abcd", "/abc"),
        ("~/é+", "/éé", "/éé"),
        ("~/[é-ï]x", "/îx", "/îx"),
        ("~/x?y", "/y", "/y"),
        ("~/a*", "/", "/"),
        ("~/(?:foo){2,3}", "/foofoo", "/foofoo"),
        ("~/a\\b", "/a/b", "/a"),
    ] {
        let router = router([paths(&[pattern])]);
        let sent = get(sent);
        assert_eq!(sent.find(&router).expect(pattern).prefix(), prefix, "{pattern}");
    }
}

#[test]
fn captures_are_there_for_those_who_ask() {
    let router = router([paths(&["~/users/(?<id>\\d+)/(\\w+)", "/plain"])]);
    let sent = get("/users/42/posts/1");
    let found = sent.find(&router).expect("a match");
    let captures = router.captures(&found).expect("captures");
    assert_eq!(captures.name("id"), Some("42"));
    assert_eq!(captures.get(2), Some("posts"));
    assert_eq!(found.rest(), "/1");
    let plain = get("/plain");
    assert!(router.captures(&plain.find(&router).expect("a match")).is_none());
}

#[test]
fn header_expressions_keep_their_meaning_whatever_the_case() {
    let router = router([with_headers(&[("X-Ver", &["~*^\\D+$"])], route())]);
    assert_eq!(get("/").header("x-ver", "ABC").route(&router), Some(0));
    assert_eq!(get("/").header("x-ver", "123").route(&router), None);
}

#[test]
fn an_https_only_route_is_found_by_plain_requests_too() {
    let only = |protocol, path: &str| Route { protocols: vec![protocol], ..paths(&[path]) };
    let router = router([only(Protocol::Https, "/a/b"), only(Protocol::Http, "/a"), only(Protocol::Grpcs, "/g")]);
    for (path, route, https_only) in [("/a/b", 0, true), ("/a", 1, false), ("/g", 2, true)] {
        let sent = get(path);
        let found = sent.find(&router).expect("a match");
        assert_eq!((found.route, found.https_only), (route, https_only), "{path}");
    }
}

#[test]
fn server_names_take_wildcards_at_either_end() {
    let snis = |names: &[&str]| Route { protocols: vec![Protocol::Https], snis: list(names), ..route() };
    let router = router([snis(&["*.a.test", "b.*", "c.test."])]);
    for (sni, found) in
        [("x.A.test", Some(0)), ("a.test", None), ("b.anything", Some(0)), ("c.test", Some(0)), ("é", None), ("", None)]
    {
        assert_eq!(get("/").tls(Some(sni)).route(&router), found, "{sni}");
    }
}

#[test]
fn nothing_is_copied_when_there_is_nothing_to_change() {
    let router = router([paths(&["/a"])]);
    let sent = get("/a/b");
    let found = sent.find(&router).expect("a match");
    assert!(matches!(found.path, Cow::Borrowed(_)));
    assert!(matches!(upstream_path(None, &found, true), Cow::Borrowed("/b")));
    assert!(matches!(upstream_path(Some("/"), &found, false), Cow::Borrowed("/a/b")));
}

#[test]
fn the_asterisk_and_an_empty_router_match_nothing() {
    assert_eq!(get("*").route(&router([paths(&["/"])])), None);
    assert_eq!(get("/").route(&router([])), None);
}

#[test]
fn an_endless_host_costs_no_more_than_the_longest_wildcard() {
    let router = router([hosts(&["*.example.com", "example.*"])]);
    let endless = "a.".repeat(100_000);
    assert_eq!(get("/").host(&endless).route(&router), None);
    assert_eq!(get("/").host(&format!("{endless}example.com")).route(&router), Some(0));
    assert_eq!(get("/").host(&format!("example.{endless}")).route(&router), Some(0));
}
