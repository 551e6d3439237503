//! For which server names a handshake asks the client for a certificate.

use std::collections::HashSet;

use bytes::Bytes;
use signet_plugin_api::{CertificateRequest, Route};

/// The names of one configuration, and the authorities that are named to clients.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Whatever the name, and without one.
    all: bool,
    /// Clients that send no name.
    nameless: bool,
    exact: HashSet<Box<str>>,
    ends: Vec<Box<str>>,
    starts: Vec<Box<str>>,
    /// DER of each `Name`; a client may choose its certificate by them.
    authorities: Vec<Bytes>,
    /// A plugin wants none named. A list without its authorities would keep its clients from sending anything.
    any_authority: bool,
}

impl Asked {
    /// A route on which a plugin wants certificates: asked for by its server names, else by its hosts, else always.
    pub(crate) fn add(&mut self, route: &Route, request: &CertificateRequest) {
        let names = [&route.snis, &route.hosts].into_iter().flatten().find(|names| !names.is_empty());
        match names {
            None => self.all = true,
            Some(names) => names.iter().for_each(|name| self.add_name(name)),
        }
        self.any_authority |= request.authorities.is_empty();
        for authority in &request.authorities {
            if !self.authorities.contains(authority) {
                self.authorities.push(authority.clone());
            }
        }
    }

    /// Whether nobody is asked.
    pub(crate) fn is_empty(&self) -> bool {
        !self.all && !self.nameless && self.exact.is_empty() && self.ends.is_empty() && self.starts.is_empty()
    }

    /// Whether a client that asked for this name (in lower case, without a dot at its end) is asked for a certificate.
    pub(crate) fn includes(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return self.all || self.nameless };
        self.all
            || self.exact.contains(name)
            || self.ends.iter().any(|end| name.ends_with(&**end))
            || self.starts.iter().any(|start| name.starts_with(&**start))
    }

    /// The authorities to name in the request; none says nothing about them.
    pub(crate) fn authorities(&self) -> &[Bytes] {
        if self.any_authority { &[] } else { &self.authorities }
    }

    fn add_name(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        let is_address =
            name.starts_with('[') || name.bytes().all(|byte| byte.is_ascii_digit() || b".:".contains(&byte));
        let bare = name.split_once(':').map_or(name.as_str(), |(host, _port)| host);
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        match (bare.strip_prefix('*'), bare.strip_suffix('*')) {
            // Addresses are no server names (RFC 6066, 3): whoever asks for one sends no name.
            _ if is_address => self.nameless = true,
            (Some(end), _) => self.ends.push(end.into()),
            (None, Some(start)) => self.starts.push(start.into()),
            (None, None) => drop(self.exact.insert(bare.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(routes: &[(&[&str], &[&str])]) -> Asked {
        let mut asked = Asked::default();
        for (snis, hosts) in routes {
            let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
            let mut route = Route::new("r");
            (route.snis, route.hosts) = (texts(snis).filter(|snis| !snis.is_empty()), texts(hosts));
            asked.add(&route, &CertificateRequest::default());
        }
        asked
    }

    #[test]
    fn server_names_come_before_hosts() {
        let asked = asked(&[(&["a.test"], &["b.test"])]);
        assert!(asked.includes(Some("a.test")));
        assert!(!asked.includes(Some("b.test")) && !asked.includes(None));
    }

    #[test]
    fn hosts_are_compared_without_port_and_case_and_with_wildcards() {
        let asked = asked(&[(&[], &["A.test:8443", "*.b.test", "c.*", "d.test."])]);
        for name in ["a.test", "x.y.b.test", "c.other", "d.test"] {
            assert!(asked.includes(Some(name)), "{name}");
        }
        for name in ["b.test", "xb.test", "other.test", ""] {
            assert!(!asked.includes(Some(name)), "{name}");
        }
    }

    #[test]
    fn a_route_without_names_asks_everybody() {
        let asked = asked(&[(&[], &["a.test"]), (&[], &[])]);
        assert!(asked.includes(Some("b.test")) && asked.includes(None) && !asked.is_empty());
        assert!(Asked::default().is_empty());
    }

    #[test]
    fn whoever_asks_for_an_address_sends_no_name() {
        for host in ["10.0.0.1", "10.0.0.1:443", "[::1]:443"] {
            let asked = asked(&[(&[], &[host])]);
            assert!(asked.includes(None) && !asked.includes(Some("a.test")) && !asked.is_empty(), "{host}");
        }
    }

    #[test]
    fn authorities_are_named_only_when_all_agree_to_it() {
        let named = |names: &[&'static str]| {
            let mut asked = Asked::default();
            for name in names {
                let authorities =
                    [*name].into_iter().filter(|name| !name.is_empty()).map(|name| Bytes::from_static(name.as_bytes()));
                asked.add(&Route::new("r"), &CertificateRequest { authorities: authorities.collect() });
            }
            asked.authorities().len()
        };
        assert_eq!((named(&["x", "y", "x"]), named(&["x", ""]), named(&[])), (2, 0, 0));
    }
}
