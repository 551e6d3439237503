//! `--resolve HOST:PORT:ADDRESS[:PORT]`: a production file against a local upstream.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// One override of a name. IPv6 addresses stand in brackets, as with curl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveOverride {
    /// The name in the configuration, in small letters; `*` is any.
    pub host: String,
    /// The port in the configuration.
    pub port: u16,
    /// Where connections go instead; the same port unless another is given.
    pub address: SocketAddr,
}

impl FromStr for ResolveOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}`: expected HOST:PORT:ADDRESS or HOST:PORT:ADDRESS:PORT");
        let (host, rest) = head(text).ok_or_else(malformed)?;
        let (port, rest) = rest.split_once(':').ok_or_else(malformed)?;
        let port = port.parse().map_err(|_| malformed())?;
        let (address, own_port) = head(rest).map_or((rest, None), |(address, port)| (address, Some(port)));
        let address: IpAddr = bare(address).parse().map_err(|_| malformed())?;
        let own_port = match own_port {
            Some(port) => port.parse().map_err(|_| malformed())?,
            None => port,
        };
        let host = bare(host).to_ascii_lowercase();
        if host.is_empty() {
            return Err(malformed());
        }
        Ok(Self { host, port, address: SocketAddr::new(address, own_port) })
    }
}

/// What stands before the first colon that is not in brackets, and what follows it.
fn head(text: &str) -> Option<(&str, &str)> {
    let after = if text.starts_with('[') { text.find(']')? } else { 0 };
    let colon = after + text.get(after..)?.find(':')?;
    Some((text.get(..colon)?, text.get(colon + 1..)?))
}

fn bare(text: &str) -> &str {
    text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_address_is_optional() {
        for (text, host, port, address) in [
            ("Api.test:80:127.0.0.1", "api.test", 80, "127.0.0.1:80"),
            ("api.test:80:127.0.0.1:9000", "api.test", 80, "127.0.0.1:9000"),
            ("api.test:80:[::1]", "api.test", 80, "[::1]:80"),
            ("api.test:80:[::1]:9000", "api.test", 80, "[::1]:9000"),
            ("*:443:10.0.0.1", "*", 443, "10.0.0.1:443"),
            ("[fe80::1]:80:127.0.0.1", "fe80::1", 80, "127.0.0.1:80"),
        ] {
            let parsed: ResolveOverride = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((parsed.host.as_str(), parsed.port, parsed.address.to_string().as_str()), (host, port, address));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "a",
            "a:80",
            "a:80:",
            ":80:127.0.0.1",
            "a:x:127.0.0.1",
            "a:80:b",
            "a:80:127.0.0.1:x",
            "a:80:::1",
            "a:80:127.0.0.1:99999",
        ] {
            assert!(text.parse::<ResolveOverride>().is_err(), "{text}");
        }
    }
}
