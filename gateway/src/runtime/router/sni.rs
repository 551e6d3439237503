//! The `snis` of a route: names of TLS handshakes, with a wildcard at either end.

use signet_plugin_api::Route;

use super::{host, mistakes::Mistakes};

/// One accepted server name. Names are compared without case and without the dot at their end.
#[derive(Debug)]
pub(super) enum ServerName {
    Equal(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
}

/// Checks and compiles those of a route.
pub(super) fn compile(route: &Route, mistakes: &mut Mistakes) -> Box<[ServerName]> {
    let names = route.snis.iter().flatten().enumerate();
    names
        .filter_map(|(at, name)| {
            ServerName::compile(name).map_err(|reason| mistakes.add(format!("snis[{at}]"), reason)).ok()
        })
        .collect()
}

impl ServerName {
    fn compile(name: &str) -> Result<Self, String> {
        let star = name.find('*');
        if star != name.rfind('*') {
            return Err(format!("`{name}` has more than one wildcard"));
        }
        if star.is_some_and(|at| at != 0 && at + 1 != name.len()) {
            return Err(format!("`{name}`: the wildcard must stand at the beginning or at the end"));
        }
        if !host::is_name(&name.replace('*', "wildcard")) {
            return Err(format!("`{name}` is not a host name; addresses and ports are not allowed"));
        }
        if let Some(start) = name.strip_suffix('*').filter(|start| !start.is_empty()) {
            return Ok(Self::StartsWith(start.into()));
        }
        let name = without_dot(name);
        Ok(match name.strip_prefix('*') {
            Some(end) => Self::EndsWith(end.into()),
            None => Self::Equal(name.into()),
        })
    }

    /// Whether a client asked for it.
    pub(super) fn matches(&self, sni: &str) -> bool {
        let sni = without_dot(sni);
        match self {
            Self::Equal(name) => sni.eq_ignore_ascii_case(name),
            Self::StartsWith(start) => sni.get(..start.len()).is_some_and(|part| part.eq_ignore_ascii_case(start)),
            Self::EndsWith(end) => {
                let part = sni.len().checked_sub(end.len()).and_then(|from| sni.get(from..));
                part.is_some_and(|part| part.eq_ignore_ascii_case(end))
            }
        }
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}
