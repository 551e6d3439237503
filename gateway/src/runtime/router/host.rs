//! The `hosts` of routes, and the trees of paths that belong to each of them.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
    num::NonZeroU16,
};

use hashbrown::HashMap;
use signet_plugin_api::Route;

use super::{
    conditions::Conditions,
    entry::Ranked,
    mistakes::Mistakes,
    tree::{PathTrees, Posting},
};

/// One of the hosts of a route, in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RouteHost {
    pattern: Pattern,
    port: Option<NonZeroU16>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pattern {
    /// The route has no hosts.
    Any,
    Exact(Box<str>),
    /// `*.example.com`, kept as `.example.com`.
    Suffix(Box<str>),
    /// `example.*`, kept as `example.`.
    Prefix(Box<str>),
}

/// Checks and compiles the hosts of a route. One without hosts gets the pattern that all hosts match.
pub(super) fn compile(route: &Route, mistakes: &mut Mistakes) -> Vec<RouteHost> {
    let hosts = route.hosts.as_deref().unwrap_or_default();
    if hosts.is_empty() {
        return vec![RouteHost { pattern: Pattern::Any, port: None }];
    }
    let compiled = hosts.iter().enumerate().filter_map(|(at, host)| {
        RouteHost::compile(host).map_err(|reason| mistakes.add(format!("hosts[{at}]"), reason)).ok()
    });
    compiled.collect()
}

/// Whether a text is a host name without a port, and no address.
pub(super) fn is_name(text: &str) -> bool {
    let relative = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let allowed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        allowed && !label.is_empty() && !label.ends_with('-')
    };
    relative.split('.').all(is_label) && !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

impl RouteHost {
    fn compile(host: &str) -> Result<Self, String> {
        let (name, port) = split_port(host);
        let pattern = Pattern::compile(name).map_err(|reason| format!("`{host}` {reason}"))?;
        if port == Some(0) {
            return Err(format!("`{host}`: nothing listens on port 0"));
        }
        Ok(Self { pattern, port: port.and_then(NonZeroU16::new) })
    }
}

impl Pattern {
    fn compile(name: &str) -> Result<Self, &'static str> {
        if name.matches('*').count() > 1 {
            return Err("has more than one wildcard");
        }
        if let Some(suffix) = name.strip_prefix('*') {
            let valid = suffix.strip_prefix('.').is_some_and(is_name_or_digits);
            return if valid { Ok(Self::Suffix(lower(suffix))) } else { Err(WILDCARD) };
        }
        if let Some(prefix) = name.strip_suffix('*') {
            let valid = prefix.strip_suffix('.').is_some_and(is_name_or_digits);
            return if valid { Ok(Self::Prefix(lower(prefix))) } else { Err(WILDCARD) };
        }
        if name.contains('*') {
            return Err(WILDCARD);
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(Self::Exact(format!("[{address}]").into()));
        }
        if is_name(name) || name.parse::<Ipv4Addr>().is_ok() {
            return Ok(Self::Exact(lower(name)));
        }
        Err("is not a host: a name or an address, with or without a port")
    }
}

const WILDCARD: &str = "has a wildcard that is not the whole first or last label, as in `*.example.com` or `example.*`";

/// The host of a request: its name in lower case, its port if it names one.
#[derive(Debug)]
pub(super) struct RequestHost<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) port: Option<u16>,
}

impl<'a> RequestHost<'a> {
    /// Takes what a client sent. A malformed port makes it a name that no route has.
    pub(super) fn parse(sent: &'a str) -> Self {
        let (name, port) = split_port(sent);
        let upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
        let name = if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) };
        Self { name, port }
    }
}

/// Trees of paths by host.
#[derive(Debug, Default)]
pub(super) struct HostIndex {
    any: Option<u32>,
    exact: HashMap<Box<str>, u32>,
    suffixes: HashMap<Box<str>, u32>,
    prefixes: HashMap<Box<str>, u32>,
    /// No longer part of a client's host is looked up.
    longest_suffix: usize,
    longest_prefix: usize,
}

impl HostIndex {
    /// Plants one tree for each host. `entries` are in their order, the others by route.
    pub(super) fn build(
        entries: &[Ranked],
        conditions: &[Conditions],
        hosts: &[Vec<RouteHost>],
        trees: &mut PathTrees,
    ) -> Self {
        let mut keys: HashMap<&Pattern, Vec<(&str, Posting)>> = HashMap::new();
        for (number, ranked) in (0..).zip(entries) {
            let route = ranked.entry.route;
            let Some(conditions) = conditions.get(route as usize) else { continue };
            for host in hosts.get(route as usize).into_iter().flatten() {
                let posting = Posting {
                    entry: number,
                    route,
                    port: host.port,
                    regex: ranked.entry.regex().is_some(),
                    conditional: !conditions.is_empty(),
                    https_only: conditions.https_only,
                };
                keys.entry(&host.pattern).or_default().push((&ranked.literal, posting));
            }
        }
        let mut index = Self::default();
        for (pattern, keys) in keys {
            index.insert(pattern, trees.plant(keys));
        }
        index
    }

    /// Calls `visitor` with the tree of each pattern that the host matches.
    pub(super) fn visit(&self, host: Option<&str>, mut visitor: impl FnMut(u32)) {
        if let Some(host) = host {
            if let Some(root) = self.exact.get(host) {
                visitor(*root);
            }
            self.visit_suffixes(host, &mut visitor);
            self.visit_prefixes(host, &mut visitor);
        }
        if let Some(root) = self.any {
            visitor(root);
        }
    }

    fn visit_suffixes(&self, host: &str, visitor: &mut impl FnMut(u32)) {
        if self.suffixes.is_empty() {
            return;
        }
        let from = host.len().saturating_sub(self.longest_suffix);
        for (at, byte) in host.bytes().enumerate().skip(from) {
            let root = (byte == b'.').then(|| host.get(at..)).flatten().and_then(|suffix| self.suffixes.get(suffix));
            if let Some(root) = root {
                visitor(*root);
            }
        }
    }

    fn visit_prefixes(&self, host: &str, visitor: &mut impl FnMut(u32)) {
        if self.prefixes.is_empty() {
            return;
        }
        for (at, byte) in host.bytes().enumerate().take(self.longest_prefix) {
            let root = (byte == b'.').then(|| host.get(..=at)).flatten().and_then(|prefix| self.prefixes.get(prefix));
            if let Some(root) = root {
                visitor(*root);
            }
        }
    }

    fn insert(&mut self, pattern: &Pattern, root: u32) {
        match pattern {
            Pattern::Any => self.any = Some(root),
            Pattern::Exact(name) => _ = self.exact.insert(name.clone(), root),
            Pattern::Suffix(suffix) => {
                self.longest_suffix = self.longest_suffix.max(suffix.len());
                self.suffixes.insert(suffix.clone(), root);
            }
            Pattern::Prefix(prefix) => {
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefixes.insert(prefix.clone(), root);
            }
        }
    }
}

/// Takes a port off the end. The colons of an address without brackets separate no port.
fn split_port(host: &str) -> (&str, Option<u16>) {
    let Some((name, port)) = host.rsplit_once(':') else { return (host, None) };
    if name.contains(':') && !name.ends_with(']') {
        return (host, None);
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse().ok().filter(|_| digits) {
        Some(port) => (name, Some(port)),
        None => (host, None),
    }
}

/// What a wildcard leaves of a host: `*.1` and `10.*` are fine.
fn is_name_or_digits(text: &str) -> bool {
    is_name(text) || text.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()))
}

fn lower(text: &str) -> Box<str> {
    text.to_ascii_lowercase().into()
}
