//! Single values of settings: numbers, sizes, switches, addresses.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use signet_plugin_api::{HeaderName, SigningBackend};

/// More threads than this are a slip of the pen.
const MAX_THREADS: usize = 1024;

/// A bound on the head of a request below this would refuse ordinary ones; above, it would bound nothing.
const LIMITS: std::ops::RangeInclusive<u64> = 1024..=1024 * 1024;

const ERROR_TYPES: [&str; 4] = ["text/plain", "text/html", "application/json", "application/xml"];

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    Ok(text.into())
}

/// What becomes of a declarative file with mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvalidEntities {
    /// It is refused.
    #[default]
    Reject,
    /// The routes that the mistakes concern answer 503; the others are served.
    Quarantine,
}

pub(super) fn invalid_entities(text: &str) -> Result<InvalidEntities, String> {
    match text {
        "reject" => Ok(InvalidEntities::Reject),
        "quarantine" => Ok(InvalidEntities::Quarantine),
        _ => Err("expected `reject` or `quarantine`".to_owned()),
    }
}

pub(super) fn signing_backend(text: &str) -> Result<SigningBackend, String> {
    match text {
        "ring" => Ok(SigningBackend::Ring),
        "openssl" => Ok(SigningBackend::Openssl),
        _ => Err("expected `ring` or `openssl`".to_owned()),
    }
}

pub(super) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number, 0 or more".to_owned())
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    number(text).map(|number| number as usize)
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<u32>()
        .map(|seconds| Duration::from_secs(seconds.into()))
        .map_err(|_| "expected whole seconds".to_owned())
}

/// None is as many as there are cores.
pub(super) fn threads(text: &str) -> Result<Option<usize>, String> {
    if text == "auto" {
        return Ok(None);
    }
    match text.parse() {
        Ok(threads) if (1..=MAX_THREADS).contains(&threads) => Ok(Some(threads)),
        _ => Err(format!("expected a number from 1 to {MAX_THREADS}, or auto")),
    }
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" => Ok(true),
        "off" | "false" | "no" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// Bytes, or as nginx writes them: `8k`, `10m`, `1g`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let units = [('k', 10), ('m', 20), ('g', 30)];
    let with_unit = units.iter().find_map(|(unit, shift)| Some((lower.strip_suffix(*unit)?, *shift)));
    let (digits, shift) = with_unit.unwrap_or((&lower, 0));
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1_u64 << shift));
    bytes.ok_or_else(|| "expected a size such as 8k, 10m or 4096".to_owned())
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    let bytes = size(text)?;
    match usize::try_from(bytes) {
        Ok(limit) if LIMITS.contains(&bytes) => Ok(limit),
        _ => Err("expected a size from 1k to 1m".to_owned()),
    }
}

pub(super) fn error_type(text: &str) -> Result<&'static str, String> {
    let known = ERROR_TYPES.iter().find(|known| **known == text).copied();
    known.ok_or_else(|| format!("expected one of {}", ERROR_TYPES.join(", ")))
}

/// An address, or a network in CIDR notation.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    if text == "unix:" {
        return Err("trusting UNIX sockets is not implemented yet".to_owned());
    }
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network
        .map(|network| network.trunc())
        .ok_or_else(|| "expected an address or a network such as 10.0.0.0/8".to_owned())
}

pub(super) fn real_ip_header(text: &str) -> Result<HeaderName, String> {
    if text == "proxy_protocol" {
        return Err("the PROXY protocol is not implemented yet".to_owned());
    }
    text.parse().map_err(|_| "expected the name of a header".to_owned())
}

/// `ADDRESS[:PORT]`
pub(super) fn name_server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let on_53 = || bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    text.parse().ok().or_else(on_53).ok_or_else(|| "expected an IP address, with or without a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_in_nginx() {
        assert_eq!((size("0"), size("8k"), size("10M")), (Ok(0), Ok(8192), Ok(10 << 20)));
        for text in ["", "k", "8kk", "-1", "1.5m", "99999999999999g"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(limit("32k"), Ok(32768));
        assert!(limit("0").is_err() && limit("1g").is_err());
    }

    #[test]
    fn networks_and_name_servers() {
        assert_eq!(network("10.1.2.3/8").map(|n| n.to_string()), Ok("10.0.0.0/8".into()));
        assert_eq!(network("::1").map(|n| n.to_string()), Ok("::1/128".into()));
        assert!(network("10.0.0.0/33").is_err() && network("unix:").is_err());
        assert_eq!(name_server("1.1.1.1").map(|a| a.to_string()), Ok("1.1.1.1:53".into()));
        assert_eq!(name_server("[::1]:54").map(|a| a.to_string()), Ok("[::1]:54".into()));
        assert_eq!(name_server("[::1]").map(|a| a.to_string()), Ok("[::1]:53".into()));
        assert!(name_server("dns.test").is_err());
    }

    #[test]
    fn switches_threads_and_types() {
        assert_eq!((flag("On"), flag("no"), flag("true")), (Ok(true), Ok(false), Ok(true)));
        assert!(flag("1").is_err());
        assert_eq!((threads("auto"), threads("4")), (Ok(None), Ok(Some(4))));
        assert!(threads("0").is_err() && threads("-1").is_err());
        assert_eq!(error_type("text/html"), Ok("text/html"));
        assert!(error_type("text/css").is_err() && real_ip_header("proxy_protocol").is_err());
    }
}
