//! One path of one route, and its place in the order of all of them.

use std::cmp::Reverse;

use http::HeaderValue;
use signet_plugin_api::Route;

use super::{
    expression::{Engines, Expression},
    join::escape,
    mistakes::Mistakes,
};
use crate::path::normalise;

/// What the router keeps of a path.
#[derive(Debug)]
pub(super) struct Entry {
    /// The position of the route.
    pub(super) route: u32,
    path: PathRule,
    strip: bool,
    /// `X-Forwarded-Prefix` of a prefix that is stripped, which is always the same.
    forwarded: Option<HeaderValue>,
}

#[derive(Debug)]
enum PathRule {
    /// The route has no paths.
    None,
    /// The tree compares it.
    Prefix,
    Regex(Expression),
}

/// An entry with what is needed only to sort it and to find it.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) entry: Entry,
    pub(super) rank: Rank,
    /// The bytes that every path begins with that this entry matches.
    pub(super) literal: Box<str>,
}

/// The order of entries, best first; compared from the first field to the last.
///
/// Kong puts the first six into one number, and splits a route whose paths differ in kind or length. With one entry for
/// each path nothing needs to be split, and no large `regex_priority` can overflow into its neighbours. Kong leaves ties
/// to the routes' ids; we take the older one, then the one that stands first in the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    kinds: Reverse<usize>,
    plain_hosts: Reverse<bool>,
    headers: Reverse<usize>,
    regex: Reverse<bool>,
    regex_priority: Reverse<u64>,
    length: Reverse<usize>,
    undated: bool,
    created_at: Option<i64>,
    route: usize,
    path: usize,
}

impl Rank {
    /// The position of the path in its route.
    pub(super) fn path(&self) -> usize {
        self.path
    }

    /// The rule that puts it before a later one: a half sentence about itself.
    pub(super) fn decides_over(&self, later: &Self) -> String {
        let Reverse(kinds) = self.kinds;
        if self.kinds != later.kinds {
            return format!("has more kinds of conditions ({kinds}, not {})", later.kinds.0);
        }
        if self.plain_hosts != later.plain_hosts {
            return "has hosts without wildcards".to_owned();
        }
        if self.headers != later.headers {
            return format!("has conditions on more headers ({}, not {})", self.headers.0, later.headers.0);
        }
        if self.regex != later.regex {
            return "is found by a regular expression, which comes before a prefix".to_owned();
        }
        if self.regex_priority != later.regex_priority {
            return format!("has a higher regex_priority ({}, not {})", self.regex_priority.0, later.regex_priority.0);
        }
        if self.length != later.length {
            return format!("has a longer path ({} octets, not {})", self.length.0, later.length.0);
        }
        if (self.undated, self.created_at) != (later.undated, later.created_at) {
            return "is older (created_at)".to_owned();
        }
        "stands first in the file".to_owned()
    }
}

/// Compiles the paths of a route.
pub(super) fn compile(route: &Route, position: usize, engines: &mut Engines, mistakes: &mut Mistakes) -> Vec<Ranked> {
    let paths = route.paths.as_deref().unwrap_or_default();
    if paths.is_empty() {
        return vec![ranked(route, position, 0, Compiled { rule: PathRule::None, literal: "".into(), length: 0 })];
    }
    let mut entries = Vec::with_capacity(paths.len());
    for (at, path) in paths.iter().enumerate() {
        match compile_path(path, engines) {
            Ok(compiled) => entries.push(ranked(route, position, at, compiled)),
            Err(reason) => mistakes.add(format!("paths[{at}]"), reason),
        }
    }
    entries
}

impl Entry {
    /// Its regular expression, if it has one.
    pub(super) fn regex(&self) -> Option<&Expression> {
        match &self.path {
            PathRule::Regex(regex) => Some(regex),
            _ => None,
        }
    }

    /// What it strips of a path, as a header.
    pub(super) fn forwarded_prefix(&self, prefix: &str) -> Option<HeaderValue> {
        match self.path {
            PathRule::Regex(_) if self.strip => forwarded(prefix),
            _ => self.forwarded.clone(),
        }
    }
}

struct Compiled {
    rule: PathRule,
    literal: Box<str>,
    /// What counts in the order: zero for a regular expression.
    length: usize,
}

fn ranked(route: &Route, position: usize, path: usize, compiled: Compiled) -> Ranked {
    let regex = matches!(compiled.rule, PathRule::Regex(_));
    let hosts = route.hosts.as_deref().unwrap_or_default();
    let headers = route.headers.as_ref().map_or(0, |headers| headers.len());
    let has_paths = !matches!(compiled.rule, PathRule::None);
    let kinds = [filled(&route.methods), !hosts.is_empty(), headers > 0, filled(&route.snis), has_paths];
    let rank = Rank {
        kinds: Reverse(kinds.into_iter().filter(|kind| *kind).count()),
        plain_hosts: Reverse(!hosts.is_empty() && !hosts.iter().any(|host| host.contains('*'))),
        headers: Reverse(headers),
        regex: Reverse(regex),
        regex_priority: Reverse(if regex { route.regex_priority } else { 0 }),
        length: Reverse(compiled.length),
        undated: route.created_at.is_none(),
        created_at: route.created_at,
        route: position,
        path,
    };
    let stripped = (!regex && route.strip_path).then(|| forwarded(&compiled.literal)).flatten();
    let route_number = u32::try_from(position).unwrap_or(u32::MAX);
    let entry = Entry { route: route_number, path: compiled.rule, strip: route.strip_path, forwarded: stripped };
    Ranked { entry, rank, literal: compiled.literal }
}

fn filled(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

fn forwarded(prefix: &str) -> Option<HeaderValue> {
    let shown = !matches!(prefix, "" | "/");
    shown.then(|| HeaderValue::from_str(&escape(prefix.into())).ok()).flatten()
}

fn compile_path(path: &str, engines: &mut Engines) -> Result<Compiled, String> {
    if !path.starts_with('/') && !path.starts_with("~/") {
        return Err(format!("`{path}` must begin with `/` (a prefix) or `~/` (a regular expression)"));
    }
    if path.contains("//") {
        return Err(format!("`{path}` must not have empty segments (`//`)"));
    }
    if let Some(broken) = broken_escape(path) {
        return Err(format!("`{broken}` is not a percent-encoded byte"));
    }
    match path.strip_prefix('~') {
        Some(pattern) => compile_regex(pattern, engines),
        None => compile_prefix(path),
    }
}

fn compile_prefix(path: &str) -> Result<Compiled, String> {
    let normal = normalise(path);
    if normal != path {
        return Err(format!("`{path}` would never match: requests are normalised first; write `{normal}`"));
    }
    Ok(Compiled { rule: PathRule::Prefix, literal: path.into(), length: path.len() })
}

fn compile_regex(pattern: &str, engines: &mut Engines) -> Result<Compiled, String> {
    match Expression::compile(pattern, engines) {
        Ok((expression, literal)) => Ok(Compiled { rule: PathRule::Regex(expression), literal, length: 0 }),
        Err(reason) => Err(format!("`{pattern}` is not a regular expression: {reason}")),
    }
}

fn broken_escape(path: &str) -> Option<&str> {
    path.match_indices('%').find_map(|(at, _)| {
        let tail = path.get(at..)?;
        let digits = tail.bytes().skip(1).take(2).filter(u8::is_ascii_hexdigit).count();
        (digits < 2).then(|| tail.char_indices().nth(3).map_or(tail, |(end, _)| tail.get(..end).unwrap_or(tail)))
    })
}
