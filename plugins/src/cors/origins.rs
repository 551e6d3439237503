//! Which origins a resource is shared with.

use std::borrow::Cow;

use fancy_regex::{Regex, RegexBuilder};
use http::HeaderValue;
use signet_plugin_api::ConfigError;

/// Only expressions with look-around or back references backtrack at all; origins are short.
const BACKTRACK_LIMIT: usize = 10_000;

/// `origins`, compiled.
pub(super) enum Origins {
    /// None listed, or `*` alone.
    Any,
    /// One without metacharacters: it is sent whatever the request says, and the browser compares.
    One(HeaderValue),
    /// The first rule that matches; with `*` among them, all.
    List { rules: Vec<Rule>, any: bool },
}

/// One of several origins.
pub(super) enum Rule {
    Exact(String),
    /// Over `scheme://host:port`.
    Domain(Regex),
    /// Over the host, when the expression has no colon.
    Host(Regex),
}

/// What `Access-Control-Allow-Origin` may say.
pub(super) enum Allowed {
    /// `*`.
    All,
    /// This origin.
    Only(HeaderValue),
    /// Nothing.
    Nobody,
}

impl Origins {
    /// Compiles the list.
    pub(super) fn compile(origins: &[String]) -> Result<Self, ConfigError> {
        let wrong = |at: usize, reason: String| ConfigError::new(format!("origins[{at}]"), reason);
        if let Some(at) = origins.iter().position(String::is_empty) {
            return Err(wrong(at, "must not be empty".to_owned()));
        }
        match origins {
            [] => Ok(Self::Any),
            [only] if only == "*" => Ok(Self::Any),
            [only] if is_literal(only) => {
                HeaderValue::from_str(only).map(Self::One).map_err(|error| wrong(0, error.to_string()))
            }
            list => {
                let rule = |(at, entry): (usize, &String)| Rule::new(entry).map_err(|reason| wrong(at, reason));
                let listed = list.iter().enumerate().filter(|(_, entry)| *entry != "*");
                let rules: Vec<Rule> = listed.map(rule).collect::<Result<_, _>>()?;
                Ok(Self::List { any: rules.len() < list.len(), rules })
            }
        }
    }

    /// Whether the answer depends on the request's origin, as caches must know. Kong says so of a single one too.
    pub(super) fn varies(&self) -> bool {
        !matches!(self, Self::Any)
    }

    /// What a request from `origin` is told.
    pub(super) fn allow(&self, origin: Option<&HeaderValue>) -> Allowed {
        match (self, origin) {
            (Self::Any, _) | (Self::List { any: true, .. }, Some(_)) => Allowed::All,
            (Self::One(value), _) => Allowed::Only(value.clone()),
            (Self::List { .. }, None) => Allowed::Nobody,
            (Self::List { rules, .. }, Some(origin)) => {
                first_match(rules, origin).map_or(Allowed::Nobody, Allowed::Only)
            }
        }
    }
}

fn first_match(rules: &[Rule], origin: &HeaderValue) -> Option<HeaderValue> {
    let normal = Origin::parse(origin.to_str().ok()?);
    if !rules.iter().any(|rule| rule.matches(&normal)) {
        return None;
    }
    match normal.domain {
        Cow::Borrowed(_) => Some(origin.clone()),
        Cow::Owned(domain) => HeaderValue::try_from(domain).ok(),
    }
}

impl Rule {
    fn new(entry: &str) -> Result<Self, String> {
        if is_literal(entry) {
            return Ok(Self::Exact(Origin::parse(entry).domain.into_owned()));
        }
        // The whole origin must match, in each of several alternatives: Kong anchors only the last one at its end.
        let regex = RegexBuilder::new(&format!("^(?:{entry})$"))
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map_err(|error| format!("not a regular expression: {error}"))?;
        Ok(if entry.contains(':') { Self::Domain(regex) } else { Self::Host(regex) })
    }

    /// An expression that gives up (too much backtracking) does not match.
    fn matches(&self, origin: &Origin<'_>) -> bool {
        match self {
            Self::Exact(domain) => *domain == origin.domain,
            Self::Domain(regex) => regex.is_match(&*origin.domain).unwrap_or(false),
            Self::Host(regex) => regex.is_match(origin.host).unwrap_or(false),
        }
    }
}

/// Kong's test for what is no regular expression.
fn is_literal(entry: &str) -> bool {
    entry.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/-".contains(&byte))
}

/// An origin without a default port, and without what does not belong to one.
struct Origin<'a> {
    domain: Cow<'a, str>,
    host: &'a str,
}

impl<'a> Origin<'a> {
    /// What is no URL (`null`) stays as it is.
    fn parse(text: &'a str) -> Self {
        let opaque = Self { domain: Cow::Borrowed(text), host: text };
        let Some((scheme, rest)) = text.split_once("://") else { return opaque };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.split_once('@').map_or(authority, |(_, authority)| authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if host.is_empty() {
            return opaque;
        }
        let domain = match (scheme, port) {
            ("http", Some("80")) | ("https", Some("443")) => Cow::Owned(format!("{scheme}://{host}")),
            _ if authority.len() == rest.len() => Cow::Borrowed(text),
            _ => Cow::Owned(format!("{scheme}://{authority}")),
        };
        Self { domain, host }
    }
}
