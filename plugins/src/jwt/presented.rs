//! The tokens of a request, wherever they may stand.

use std::borrow::Cow;

use http::{HeaderName, header::COOKIE};
use signet_plugin_api::Request;

/// Where tokens are looked for: everywhere, every time, since two different tokens are no credential.
pub(super) struct Places {
    pub(super) parameters: Vec<String>,
    pub(super) cookies: Vec<String>,
    pub(super) headers: Vec<HeaderName>,
}

/// What a request has.
pub(super) enum Presented<'r> {
    Nothing,
    /// One, maybe several times.
    Token(Cow<'r, [u8]>),
    /// Different ones.
    Several,
}

impl Places {
    pub(super) fn find<'r>(&self, request: &'r Request<'_>) -> Presented<'r> {
        let mut presented = Presented::Nothing;
        if !self.parameters.is_empty() {
            for (_, value) in request.query_pairs().filter(|(name, _)| self.parameters.iter().any(|own| own == name)) {
                presented.add(match value {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                });
            }
        }
        let headers = &request.head().headers;
        if !self.cookies.is_empty() {
            let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
            for token in pairs.filter_map(|pair| self.cookie(pair)) {
                presented.add(Cow::Borrowed(token));
            }
        }
        for token in self.headers.iter().flat_map(|name| headers.get_all(name)) {
            presented.add(Cow::Borrowed(bearer(token.as_bytes()).unwrap_or_default()));
        }
        presented
    }

    /// The value of `name=value`, if the name is one of ours. Case does not matter, as in Kong.
    fn cookie<'r>(&self, pair: &'r [u8]) -> Option<&'r [u8]> {
        let mut sides = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (sides.next()?.trim_ascii(), sides.next()?.trim_ascii());
        self.cookies.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name)).then_some(value)
    }
}

impl<'r> Presented<'r> {
    fn add(&mut self, token: Cow<'r, [u8]>) {
        match self {
            _ if token.is_empty() => {}
            Self::Nothing => *self = Self::Token(token),
            Self::Token(known) if *known == token => {}
            Self::Token(_) | Self::Several => *self = Self::Several,
        }
    }
}

/// What follows the scheme, which Kong takes in these two spellings alone.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let rest = value.strip_prefix(b"Bearer").or_else(|| value.strip_prefix(b"bearer"))?;
    rest.first()?.is_ascii_whitespace().then_some(rest.trim_ascii())
}
