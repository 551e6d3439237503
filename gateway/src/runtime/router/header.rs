//! The `headers` of a route: names, each with the values that it may have.

use http::{HeaderMap, HeaderName, HeaderValue};
use regex::bytes::{Regex, RegexBuilder};
use signet_plugin_api::Route;

use super::{expression::one_line, mistakes::Mistakes};

/// One header that a request must have, with one of these values.
#[derive(Debug)]
pub(super) struct HeaderCondition {
    name: HeaderName,
    values: Box<[ValueRule]>,
}

#[derive(Debug)]
enum ValueRule {
    Equal(Box<[u8]>),
    Regex(Box<Regex>),
}

/// Compiles the conditions of a route.
pub(super) fn compile(route: &Route, mistakes: &mut Mistakes) -> Box<[HeaderCondition]> {
    let headers = route.headers.iter().flatten();
    headers.filter_map(|(name, values)| HeaderCondition::compile(name, values, mistakes)).collect()
}

impl HeaderCondition {
    fn compile(name: &str, values: &[String], mistakes: &mut Mistakes) -> Option<Self> {
        let field = format!("headers.{name}");
        if name.eq_ignore_ascii_case("host") {
            mistakes.add(field, "hosts are matched by `hosts`, not by a header");
            return None;
        }
        if values.is_empty() {
            mistakes.add(field, "must list at least one value");
            return None;
        }
        let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let Some(parsed) = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| valid) else {
            mistakes.add(field, "is not a header name: letters, digits, `-` and `_` only");
            return None;
        };
        let values = values.iter().enumerate().filter_map(|(at, value)| {
            ValueRule::compile(value).map_err(|reason| mistakes.add(format!("{field}[{at}]"), reason)).ok()
        });
        Some(Self { values: values.collect(), name: parsed })
    }

    /// Whether any value of the header is among those of the route.
    pub(super) fn holds(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| self.values.iter().any(|rule| rule.matches(value)))
    }
}

impl ValueRule {
    fn compile(value: &str) -> Result<Self, String> {
        let Some(pattern) = value.strip_prefix("~*") else {
            return Ok(Self::Equal(value.as_bytes().into()));
        };
        match RegexBuilder::new(pattern).case_insensitive(true).build() {
            Ok(regex) => Ok(Self::Regex(Box::new(regex))),
            Err(error) => Err(format!("`{pattern}` is not a regular expression: {}", one_line(&error))),
        }
    }

    fn matches(&self, value: &HeaderValue) -> bool {
        match self {
            Self::Equal(wanted) => value.as_bytes().eq_ignore_ascii_case(wanted),
            Self::Regex(regex) => regex.is_match(value.as_bytes()),
        }
    }
}
