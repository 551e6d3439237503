//! Why a route is taken, and the others are not.

use signet_plugin_api::Protocol;

use super::{super::Verdict, *};

/// The trace of a request names the route that it takes, and every other one.
pub(super) fn agrees(router: &Router, routes: &[Route], sent: &Sent) {
    let shared: Vec<_> = routes.iter().cloned().map(Arc::new).collect();
    let trace = router.trace(&shared, &sent.query());
    let wins = |verdict: &Verdict| matches!(verdict, Verdict::Wins { .. });
    let winners: Vec<u32> = trace.iter().filter(|one| wins(&one.verdict)).map(|one| one.route).collect();
    assert_eq!(winners, Vec::from_iter(sent.route(router)), "{sent:?}\n{trace:#?}");
    assert!(trace.iter().skip(1).all(|one| !wins(&one.verdict)), "the winner comes first: {trace:#?}");
    assert_eq!(trace.len(), routes.len());
    for one in &trace {
        if let Verdict::Fails(failed) = &one.verdict {
            assert!(!failed.is_empty(), "route {} loses for no reason: {sent:?}\n{routes:#?}", one.route);
        }
    }
}

/// The position of each route with the field and the reason, or the rule that puts the winner before it.
fn told(routes: &[Route], sent: &Sent) -> Vec<(u32, String)> {
    let shared: Vec<_> = routes.iter().cloned().map(Arc::new).collect();
    let router = Router::build(&shared).expect("routes without mistakes");
    let text = |verdict| match verdict {
        Verdict::Wins { path } => format!("wins by {}", path.unwrap_or_default()),
        Verdict::Later { path, rule } => format!("{}: the winner {rule}", path.unwrap_or_default()),
        Verdict::Fails(failed) => {
            let all: Vec<_> = failed.iter().map(|failed| format!("{}: {}", failed.field, failed.reason)).collect();
            all.join("; ")
        }
    };
    router.trace(&shared, &sent.query()).into_iter().map(|one| (one.route, text(one.verdict))).collect()
}

#[test]
fn every_failed_condition_is_told() {
    let route = Route {
        methods: list(&["POST"]),
        hosts: list(&["a.test", "*.b.test", "c.test", "d.test", "e.test"]),
        paths: list(&["/v1", "~/v\\d+$"]),
        protocols: vec![Protocol::Https],
        snis: list(&["x.test"]),
        ..with_headers(&[("x-a", &["1"]), ("x-b", &["2"])], route())
    };
    let sent = get("//V1/x").header("x-b", "secret").tls(None);
    assert_eq!(
        told(&[route], &sent),
        [(
            0,
            "hosts: host `gw.test` is none of `a.test`, `*.b.test`, `c.test`, `d.test` and 1 more; \
             paths: path `/V1/x` is not under `/v1`, `~/v\\d+$`; methods: method `GET` is none of `POST`; \
             headers.x-a: no header `x-a`; it must be one of `1`; headers.x-b: header `x-b` has none of the values `2`; \
             snis: no server name is given; it must be one of `x.test`"
                .to_owned()
        )]
    );
}

#[test]
fn those_that_match_too_come_in_their_order_and_with_the_rule() {
    let dated = |created_at, route| Route { created_at: Some(created_at), ..route };
    let routes = [
        paths(&["/other"]),
        paths(&["/a"]),
        paths(&["/a/b"]),
        Route { regex_priority: 7, ..paths(&["~/a/.*"]) },
        Route { hosts: list(&["gw.test"]), ..paths(&["/"]) },
        Route { hosts: list(&["*.test"]), ..paths(&["/a/b"]) },
        paths(&["/a"]),
        dated(5, paths(&["/a"])),
    ];
    let found = told(&routes, &get("/a/b"));
    let routes: Vec<u32> = found.iter().map(|(route, _)| *route).collect();
    assert_eq!(routes, [4, 5, 3, 2, 7, 1, 6, 0]);
    assert_eq!(found[0].1, "wins by /");
    assert_eq!(found[1].1, "/a/b: the winner has hosts without wildcards");
    assert_eq!(found[2].1, "~/a/.*: the winner has more kinds of conditions (2, not 1)");
}

#[test]
fn each_rule_of_the_order_has_its_words() {
    let two = |first: Route, second: Route| {
        told(&[first, second], &get("/a/b").header("x", "1").header("y", "1"))[1].1.clone()
    };
    let headers = |names: &[&str]| {
        with_headers(&names.iter().map(|name| (*name, &["1"] as &[&str])).collect::<Vec<_>>(), paths(&["/a"]))
    };
    for (first, second, words) in [
        (headers(&["x", "y"]), headers(&["x"]), "has conditions on more headers (2, not 1)"),
        (paths(&["~/a"]), paths(&["/a/b"]), "is found by a regular expression, which comes before a prefix"),
        (Route { regex_priority: 2, ..paths(&["~/a"]) }, paths(&["~/a/b"]), "has a higher regex_priority (2, not 0)"),
        (paths(&["/a/b"]), paths(&["/a"]), "has a longer path (4 octets, not 2)"),
        (Route { created_at: Some(1), ..paths(&["/a"]) }, paths(&["/a"]), "is older (created_at)"),
        (paths(&["/a"]), paths(&["/a"]), "stands first in the file"),
    ] {
        let told = two(first, second);
        assert!(told.ends_with(&format!("the winner {words}")), "{told}");
    }
}
