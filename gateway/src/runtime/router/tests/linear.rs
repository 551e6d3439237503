//! A matcher that looks at every route in turn, written after Kong's own description of priorities, and compared with the
//! real one on many random routes and requests.

use std::{cmp::Reverse, collections::HashMap};

use http::Method;
use regex::Regex;
use signet_plugin_api::{Protocol, Route, Scheme};

use super::{Sent, get, list, route, router, with_headers};
use crate::path::normalise;

const HOSTS: &[&str] =
    &["a.test", "b.a.test", "c.b.a.test", "A.test", "a.test:81", "*.test", "*.a.test", "a.*", "b.a.*", "*.a.test:81"];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/ab",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/b",
    "/é",
    "~/a",
    "~/a/\\w+$",
    "~/(a|b)/b",
    "~/[ab]/",
    "~/a/b/(?<c>c+)",
    "~/é",
    "~/.*b$",
    "~/a|/b",
    "~/x?a",
];
const SENT_HOSTS: &[&str] =
    &["a.test", "B.a.test", "c.b.a.test", "a.test:81", "b.a.test:81", "a.org", "b.a.org", "x.test", "other"];
const SENT_PATHS: &[&str] = &[
    "/",
    "/a",
    "/ab",
    "/a/",
    "//a/b",
    "/a/b/c",
    "/a/b/ccc",
    "/b",
    "/b/b",
    "/%C3%A9/x",
    "/x",
    "/xa/b",
    "/a/./b/",
    "/c",
];

/// The numbers of `xorshift64*`: the same ones in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn some(&mut self, from: &[&str]) -> Option<Vec<String>> {
        let chosen: Vec<_> = (0..self.below(4)).map(|_| self.pick(from)).collect();
        list(&chosen).filter(|chosen| !chosen.is_empty())
    }

    fn route(&mut self) -> Route {
        let mut route = Route {
            paths: self.some(PATHS),
            hosts: if self.one_in(2) { self.some(HOSTS) } else { None },
            methods: if self.one_in(3) { self.some(&["GET", "POST", "DELETE"]) } else { None },
            regex_priority: self.below(3) as u64,
            created_at: [None, Some(1), Some(2)][self.below(3)],
            ..route()
        };
        if self.one_in(4) {
            let of_x: &[&str] = [&["1", "2"] as &[&str], &["~*^[12]$"], &["V"]][self.below(3)];
            let both: &[(&str, &[&str])] = &[("x", of_x), ("y", &["1"])];
            route = with_headers(&both[..=self.below(2)], route);
        }
        if self.one_in(5) {
            route.protocols = vec![Protocol::Https];
            route.snis = self.some(&["a.test", "*.test", "b.*"]);
        }
        let says_something = route.paths.is_some() || route.hosts.is_some() || route.methods.is_some();
        if says_something { route } else { Route { paths: list(&["/"]), ..route } }
    }

    fn request(&mut self) -> Sent {
        let mut sent = get(self.pick(SENT_PATHS)).host(self.pick(SENT_HOSTS));
        sent.method = [Method::GET, Method::POST, Method::PUT][self.below(3)].clone();
        sent.port = [80, 81][self.below(2)];
        if self.one_in(2) {
            sent = sent.header("x", ["1", "3", "v"][self.below(3)]);
        }
        if self.one_in(2) {
            sent = sent.header("y", ["1", "2"][self.below(2)]);
        }
        if self.one_in(2) {
            sent = sent.tls([None, Some("a.test"), Some("b.x"), Some("c")][self.below(4)]);
        }
        sent
    }
}

/// Kong's number, bit by bit, for one path of a route.
fn priority(route: &Route, path: Option<&str>) -> u64 {
    let headers = route.headers.as_ref().map_or(0, |headers| headers.len());
    let kinds =
        [route.methods.is_some(), route.hosts.is_some(), headers > 0, route.snis.is_some(), route.paths.is_some()];
    let plain = route.hosts.as_ref().is_some_and(|hosts| hosts.iter().all(|host| !host.contains('*')));
    let regex = path.is_some_and(|path| path.starts_with('~'));
    let length = path.filter(|_| !regex).map_or(0, str::len);
    (kinds.iter().filter(|kind| **kind).count() as u64) << 61
        | u64::from(plain) << 60
        | (headers as u64) << 52
        | u64::from(regex) << 51
        | if regex { route.regex_priority } else { 0 } << 19
        | length as u64
}

/// Regular expressions by their text, each compiled once.
#[derive(Default)]
struct Expressions(HashMap<String, Regex>);

impl Expressions {
    fn get(&mut self, text: &str) -> &Regex {
        self.0.entry(text.to_owned()).or_insert_with(|| Regex::new(text).expect("a regular expression"))
    }

    /// What of the path is matched.
    fn match_path(&mut self, pattern: Option<&str>, path: &str) -> Option<usize> {
        let Some(pattern) = pattern else { return Some(0) };
        match pattern.strip_prefix('~') {
            None => path.starts_with(pattern).then_some(pattern.len()),
            Some(regex) => self.get(&format!("^(?:{regex})")).find(path).map(|found| found.end()),
        }
    }

    fn match_value(&mut self, wanted: &str, value: &str) -> bool {
        match wanted.strip_prefix("~*") {
            Some(regex) => self.get(regex).is_match(value),
            None => wanted.eq_ignore_ascii_case(value),
        }
    }
}

fn pattern_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    if let Some(end) = pattern.strip_prefix('*') {
        return text.ends_with(end);
    }
    pattern.strip_suffix('*').map_or(text == pattern, |start| text.starts_with(start))
}

fn others_match(route: &Route, sent: &Sent, expressions: &mut Expressions) -> bool {
    let host = sent.host.as_deref().unwrap_or_default();
    let (name, port) = host.split_once(':').map_or((host, sent.port), |(name, port)| (name, port.parse().unwrap()));
    let host_matches = |host: &String| match host.split_once(':') {
        Some((wanted, wanted_port)) => pattern_matches(wanted, name) && wanted_port == port.to_string(),
        None => pattern_matches(host, name),
    };
    let mut header_matches = |(name, wanted): (&String, &Vec<String>)| {
        let values: Vec<_> = sent.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        wanted.iter().any(|wanted| values.iter().any(|value| expressions.match_value(wanted, value)))
    };
    route.methods.as_ref().is_none_or(|methods| methods.iter().any(|method| sent.method == method.as_str()))
        && route.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(host_matches))
        && route.headers.iter().flatten().all(&mut header_matches)
        && (sent.scheme == Scheme::Http
            || route.snis.as_ref().is_none_or(|snis| {
                sent.sni.as_ref().is_some_and(|sni| snis.iter().any(|wanted| pattern_matches(wanted, sni)))
            }))
}

/// The route's position and the length of the matched prefix.
fn find(routes: &[Route], sent: &Sent, expressions: &mut Expressions) -> Option<(u32, usize)> {
    let path = normalise(&sent.path);
    let mut found = Vec::new();
    for (position, route) in (0..).zip(routes) {
        if !others_match(route, sent, expressions) {
            continue;
        }
        let patterns =
            route.paths.as_ref().map_or(vec![None], |paths| paths.iter().map(|p| Some(p.as_str())).collect());
        for pattern in patterns {
            if let Some(length) = expressions.match_path(pattern, &path) {
                let age = (route.created_at.is_none(), route.created_at);
                found.push(((Reverse(priority(route, pattern)), age, position), (position, length)));
            }
        }
    }
    // Stable: of equal ones the first path in the route's list.
    found.sort_by_key(|(rank, _)| *rank);
    found.first().map(|(_, result)| *result)
}

#[test]
fn the_router_agrees_with_a_linear_search() {
    let mut numbers = Numbers(0x5EED);
    let mut expressions = Expressions::default();
    let mut hits = 0;
    for _ in 0..150 {
        let count = 1 + numbers.below(25);
        let routes: Vec<_> = (0..count).map(|_| numbers.route()).collect();
        let router = router(routes.clone());
        for _ in 0..40 {
            let sent = numbers.request();
            let found = sent.find(&router).map(|found| (found.route, found.prefix().len()));
            assert_eq!(found, find(&routes, &sent, &mut expressions), "{sent:?}\n{routes:#?}");
            if hits % 20 == 0 {
                super::traced::agrees(&router, &routes, &sent);
            }
            hits += usize::from(found.is_some());
        }
    }
    assert!(hits > 2000, "only {hits} requests had a route");
}
