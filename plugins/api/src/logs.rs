//! What plugins that log are given: files to write lines to, and which names must not be shown with their values.

use std::{collections::HashSet, fmt, path::Path, sync::Arc};

use arc_swap::ArcSwap;

/// Files of lines, written by threads of the engine.
pub trait LogFiles: Send + Sync {
    /// The file of this path, shared by all who ask for it; `/dev/stdout` and `/dev/stderr` are the streams of the process.
    /// Nothing is opened before the first line. With `reopen` it is opened again each time that something is written.
    fn file(&self, path: &Path, reopen: bool) -> Arc<dyn LogFile>;
}

/// A file of lines.
pub trait LogFile: Send + Sync {
    /// Hands over one line, its line feed included. It never waits: what finds no room is dropped and counted.
    fn append(&self, line: &[u8]);
}

/// Names of headers and query arguments whose values are credentials: those that everybody uses, and those that the
/// plugins of a configuration read or write.
pub struct Concealed(ArcSwap<HashSet<String>>);

/// What stands in the place of a credential (Kong's word).
pub const REDACTED: &str = "REDACTED";

const ALWAYS: [&str; 22] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "apikey",
    "api_key",
    "api-key",
    "x-api-key",
    "access_token",
    "access-token",
    "x-access-token",
    "id_token",
    "refresh_token",
    "token",
    "jwt",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "password",
    "secret",
    "signature",
];

impl Concealed {
    /// From now on the values of this name are concealed, whatever its case. While a configuration is compiled; plugins have
    /// [`crate::Scope::conceal`].
    pub fn add(&self, name: &str) {
        let name = name.to_ascii_lowercase();
        if !self.0.load().contains(&name) {
            self.0.rcu(|known| {
                let mut names = HashSet::clone(known);
                names.insert(name.clone());
                names
            });
        }
    }

    /// Whether the values of this name must not be shown.
    pub fn contains(&self, name: &str) -> bool {
        let known = self.0.load();
        match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => known.contains(&name.to_ascii_lowercase()),
            false => known.contains(name),
        }
    }

    /// A URL, or a path and query, in which the values of concealed arguments are replaced; the other bytes stay as they are.
    /// Whatever stands before `@` in its authority goes, too.
    pub fn shown(&self, url: &str) -> String {
        let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
        let mut shown = match base.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                format!("{scheme}://{host}{path}")
            }
            None => base.to_owned(),
        };
        for (position, argument) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
            shown.push(if position == 0 { '?' } else { '&' });
            let name = form_urlencoded::parse(argument.as_bytes()).next().map(|(name, _)| name);
            match argument.split_once('=') {
                Some((written, _)) if name.is_some_and(|name| self.contains(&name)) => {
                    shown.push_str(written);
                    shown.push('=');
                    shown.push_str(REDACTED);
                }
                _ => shown.push_str(argument),
            }
        }
        shown
    }
}

impl Default for Concealed {
    /// The names that everybody uses.
    fn default() -> Self {
        Self(ArcSwap::from_pointee(ALWAYS.iter().map(|name| (*name).to_owned()).collect()))
    }
}

impl fmt::Debug for Concealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Concealed").field(&self.0.load()).finish()
    }
}

/// No files: every line is gone.
pub(crate) struct Nowhere;

impl LogFiles for Nowhere {
    fn file(&self, _: &Path, _: bool) -> Arc<dyn LogFile> {
        Arc::new(Self)
    }
}

impl LogFile for Nowhere {
    fn append(&self, _: &[u8]) {}
}

impl fmt::Debug for dyn LogFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogFiles")
    }
}

impl fmt::Debug for dyn LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogFile")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_concealed_in_any_case() {
        let concealed = Concealed::default();
        concealed.add("X-Ours");
        assert!(["x-ours", "X-OURS", "Authorization", "apikey"].iter().all(|name| concealed.contains(name)));
        assert!(!concealed.contains("accept"));
    }

    #[test]
    fn credentials_in_urls_are_replaced_and_the_rest_stays_as_it_is() {
        let concealed = Concealed::default();
        concealed.add("k");
        for (url, shown) in [
            ("/a", "/a"),
            ("/a?", "/a?"),
            ("/a?x=%2f&k=1&y&k=2", "/a?x=%2f&k=REDACTED&y&k=REDACTED"),
            ("/a?%6b=1&K=2", "/a?%6b=REDACTED&K=REDACTED"),
            ("/a?b=1?k=2&k", "/a?b=1?k=2&k"),
            ("https://me:secret@host/p@q?k=1", "https://host/p@q?k=REDACTED"),
            ("https://host?k=1", "https://host?k=REDACTED"),
        ] {
            assert_eq!(concealed.shown(url), shown);
        }
    }
}
