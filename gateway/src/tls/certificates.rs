//! Which certificate a server name gets: Kong's order.

use std::{collections::HashMap, sync::Arc};

use super::Pair;

/// What a handshake presents: one pair, or two with different kinds of keys.
pub(crate) type Presented = Arc<[Pair]>;

/// The certificates of one configuration, by server name.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    exact: HashMap<Box<str>, Presented>,
    /// `*.a.test` by `a.test`.
    below: HashMap<Box<str>, Presented>,
    /// `a.*` by `a`.
    before: HashMap<Box<str>, Presented>,
    /// `*`
    any: Option<Presented>,
}

impl Certificates {
    /// Adds a name: plain, `*.a.test`, `a.*` or `*`, in lower case and without a dot at its end.
    pub(crate) fn insert(&mut self, name: &str, presented: Presented) {
        let (names, key) = match (name.strip_prefix("*."), name.strip_suffix(".*")) {
            _ if name == "*" => {
                self.any = Some(presented);
                return;
            }
            (Some(parent), _) => (&mut self.below, parent),
            (None, Some(start)) => (&mut self.before, start),
            (None, None) => (&mut self.exact, name),
        };
        names.insert(key.into(), presented);
    }

    /// The certificate for a name in lower case: its own, that of `*.` and its parent, that of its beginning and `.*`, or
    /// that of `*`. A wildcard stands for one label. A name of one label, and a client without any, get what `None` stands
    /// for: the default.
    pub(crate) fn find(&self, name: &str) -> Option<&Presented> {
        let below = || name.split_once('.').filter(|(_, parent)| parent.contains('.')).map(|(_, parent)| parent);
        let before = || name.rsplit_once('.').map(|(start, _)| start);
        self.exact
            .get(name)
            .or_else(|| self.below.get(below()?))
            .or_else(|| self.before.get(before()?))
            .or(self.any.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificates are told apart by their addresses.
    fn store(names: &[&str]) -> (Certificates, Vec<Presented>) {
        let mut certificates = Certificates::default();
        let presented: Vec<Presented> = names.iter().map(|_| Presented::from([])).collect();
        for (name, presented) in names.iter().zip(&presented) {
            certificates.insert(name, Arc::clone(presented));
        }
        (certificates, presented)
    }

    #[test]
    fn the_most_specific_name_counts() {
        let names = ["a.b.test", "*.b.test", "a.b.*", "*", "c.test", "*.test"];
        let (certificates, presented) = store(&names);
        for (asked, expected) in [
            ("a.b.test", "a.b.test"),
            ("x.b.test", "*.b.test"),
            ("a.b.other", "a.b.*"),
            ("c.test", "c.test"),
            // As in Kong, one label is not enough to stand behind a wildcard, and a wildcard is one label.
            ("d.test", "*"),
            ("x.y.b.test", "*"),
            ("localhost", "*"),
        ] {
            let found = certificates.find(asked).expect("a certificate");
            let position = presented.iter().position(|presented| Arc::ptr_eq(presented, found)).expect("one of them");
            assert_eq!(names[position], expected, "{asked}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_gets_none() {
        let (certificates, _) = store(&["a.test", "*.a.test"]);
        assert!(certificates.find("b.test").is_none() && certificates.find("").is_none());
    }
}
