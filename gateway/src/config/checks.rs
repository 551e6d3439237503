//! What Kong demands of single values. A reason never repeats the value: it may be a secret.

use std::net::{Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use crate::path::{escaped, normalise};

/// Why a value is not accepted.
pub(super) type Check = Result<(), String>;

/// Anything.
pub(super) fn any(_: &str) -> Check {
    Ok(())
}

/// Names of entities.
pub(super) fn name(text: &str) -> Check {
    let accepted = |c: char| c.is_ascii_alphanumeric() || ".-_~".contains(c) || !c.is_ascii();
    demand(
        !text.is_empty() && text.chars().all(accepted),
        "only letters, digits and `.`, `-`, `_`, `~` can stand in a name",
    )
}

/// Tags.
pub(super) fn tag(text: &str) -> Check {
    let accepted = |c: char| !c.is_ascii() || ((' '..='~').contains(&c) && c != ',' && c != '/');
    demand(!text.is_empty() && text.chars().all(accepted), "a tag is printable and has no `,` or `/`")
}

/// Names of groups of consumers: Kong takes anything, and a header has to carry it.
pub(super) fn group(text: &str) -> Check {
    demand(
        !text.is_empty() && !text.contains(char::is_control),
        "a group's name is not empty, without control characters",
    )
}

/// Ids.
pub(super) fn uuid(text: &str) -> Check {
    demand(text.len() == 36 && Uuid::try_parse(text).is_ok(), "expected a UUID")
}

/// The host of a service: a name or an address, without a port.
pub(super) fn host(text: &str) -> Check {
    match split_port(text) {
        (_, Some(_)) if !is_ipv6(text) => {
            Err("expected a host without a port; the port has a field of its own".to_owned())
        }
        _ => host_or_address(text),
    }
}

/// A host condition of a route: one wildcard label at either end, a port if wanted.
pub(super) fn route_host(text: &str) -> Check {
    demand(text.matches('*').count() <= 1, "at most one `*` can stand in a host")?;
    let placed = !text.contains('*') || text.starts_with("*.") || text.ends_with(".*");
    demand(placed, "a wildcard is the first or the last label: `*.example.com`, `example.*`")?;
    let host = text.replace('*', "any");
    match split_port(&host) {
        _ if is_ipv6(&host) => Ok(()),
        (name, Some(port)) => {
            demand(port.parse::<u16>().is_ok(), "the port is not a number up to 65535")?;
            host_or_address(name)
        }
        (name, None) => host_or_address(name),
    }
}

/// The path of a service.
pub(super) fn path(text: &str) -> Check {
    demand(text.starts_with('/'), "a path begins with `/`")?;
    demand(!text.contains("//"), "a path has no empty segments (`//`)")?;
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%:@!$&'()*+,;=".contains(&byte);
    demand(text.bytes().all(accepted), "a path has only the characters that a URI allows in one; write others as %XX")?;
    percent_encoding(text)
}

/// A path condition of a route: a prefix in normal form, or a regular expression after `~`.
pub(super) fn route_path(text: &str) -> Check {
    demand(
        text.starts_with('/') || text.starts_with("~/"),
        "a path begins with `/`, or with `~/` as a regular expression",
    )?;
    demand(!text.contains("//"), "a path has no empty segments (`//`)")?;
    percent_encoding(text)?;
    if text.starts_with('~') {
        return Ok(());
    }
    match normalise(text) {
        normal if normal == text => Ok(()),
        normal => Err(format!("the path is not in its normal form, which is `{normal}`")),
    }
}

/// A method condition of a route.
pub(super) fn method(text: &str) -> Check {
    demand(
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        "a method is written in capital letters",
    )
}

/// The name of a header condition of a route.
pub(super) fn route_header(text: &str) -> Check {
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    demand(
        !text.is_empty() && text.bytes().all(accepted),
        "only letters, digits, `-` and `_` can stand in the name of a header",
    )?;
    demand(!text.eq_ignore_ascii_case("host"), "conditions on the host stand in `hosts`")
}

/// The name of a server in a TLS handshake, a wildcard at either end.
pub(super) fn sni(text: &str) -> Check {
    demand(text.matches('*').count() <= 1, "at most one `*` can stand in a server name")?;
    let placed = !text.contains('*') || text.starts_with('*') || text.ends_with('*');
    demand(placed, "a wildcard is the first or the last character")?;
    let name = text.replace('*', "any");
    demand(!name.contains(':') && !looks_like_ipv4(&name), "a server name is neither an address nor has it a port")?;
    host_or_address(&name)
}

/// The name of a certificate: one of a server, a whole label of which may be a wildcard at either end, or `*` for all.
pub(super) fn server_name(text: &str) -> Check {
    let placed = !text.contains('*') || text == "*" || text.starts_with("*.") || text.ends_with(".*");
    demand(placed, "a wildcard is the first or the last label: `*.example.com`, `example.*`, or `*` alone")?;
    if text == "*" { Ok(()) } else { sni(text) }
}

/// A server name as names are compared: without case, without the dot of the root.
pub(super) fn plain_name(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

/// The prefix of a vault entity.
pub(super) fn vault_prefix(text: &str) -> Check {
    let accepted = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-') && text.len() > 1;
    demand(
        ends && text.bytes().all(accepted),
        "a prefix is made of small letters, digits and `-`, and begins with a letter",
    )
}

/// The beginning of the names of variables.
pub(super) fn variable_prefix(text: &str) -> Check {
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let begins = !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty();
    demand(
        begins && text.bytes().all(accepted),
        "only letters, digits, `-` and `_` can stand in the names of variables",
    )
}

pub(super) fn demand(holds: bool, reason: &str) -> Check {
    if holds { Ok(()) } else { Err(reason.to_owned()) }
}

fn percent_encoding(text: &str) -> Check {
    let encoded = text.split('%').skip(1).all(|after| escaped(after.as_bytes()).is_some());
    demand(encoded, "`%` is followed by two hexadecimal digits")
}

fn host_or_address(text: &str) -> Check {
    if is_ipv6(text) {
        return Ok(());
    }
    if looks_like_ipv4(text) {
        return demand(text.parse::<Ipv4Addr>().is_ok(), "expected an IPv4 address or a name");
    }
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let labels = text.strip_suffix('.').unwrap_or(text);
    let sound = |label: &str| !label.is_empty() && !label.ends_with('-');
    demand(text.bytes().all(accepted) && labels.split('.').all(sound), "expected a host name or an address")
}

fn looks_like_ipv4(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_ipv6(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    bare.parse::<Ipv6Addr>().is_ok()
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(check: fn(&str) -> Check, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in bad {
            assert!(check(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn names_and_tags_are_those_that_kong_takes() {
        accepts(name, &["a", "contact-ID.1_~", "café"], &["", "a b", "a/b", "a:b"]);
        accepts(tag, &["a b", "k:v", "é"], &["", "a,b", "a/b", "a\tb"]);
        accepts(uuid, &["7846979c-e83a-51e7-935f-444ff5f40833"], &["x", "7846979ce83a51e7935f444ff5f40833"]);
    }

    #[test]
    fn hosts_of_services_are_names_or_addresses_without_a_port() {
        accepts(
            host,
            &["a", "my_upstream", "a.b.", "127.0.0.1", "::1", "[::1]", "xn--caf-dma.fr", "-a"],
            &["", "a:80", "127.0.0.1:80", "[::1]:80", "256.1.1.1", "a..b", "a-", ".a", "a b", "http://a", "1.2.3"],
        );
    }

    #[test]
    fn hosts_of_routes_may_have_a_wildcard_and_a_port() {
        accepts(
            route_host,
            &["a.com", "*.a.com", "a.*", "a.com:8443", "*.a.com:80", "[::1]", "10.0.0.1"],
            &["", "*a.com", "a.*.com", "*.a.*", "a.com:99999", "a.com:x", "*"],
        );
    }

    #[test]
    fn paths_of_services_are_uri_paths() {
        accepts(path, &["/", "/a/b", "/a%20b", "/a:b@c"], &["", "a", "/a//b", "/a b", "/%zz", "/%1", "/é", "/a?b"]);
    }

    #[test]
    fn paths_of_routes_are_normal_or_regular_expressions() {
        accepts(
            route_path,
            &["/", "/a/", "~/a/(?<id>\\d+)$", "/é", "/a b", "/a%2Fb"],
            &["", "a", "~a", "/a//b", "~/a//b", "/a/../b", "/%41", "/%2f", "/%zz"],
        );
    }

    #[test]
    fn conditions_on_method_header_and_server_name() {
        accepts(method, &["GET", "PURGE"], &["", "get", "M-SEARCH"]);
        accepts(route_header, &["x-a_b"], &["", "x y", "Host"]);
        accepts(sni, &["a.com", "*.a.com", "a.*"], &["", "1.2.3.4", "a.com:443", "a.*.b", "*.a.*"]);
        let bad = ["", "1.2.3.4", "a.com:443", "*a.com", "a*", "*.a.*", "**"];
        accepts(server_name, &["a.com", "A.com.", "*.a.com", "a.*", "*"], &bad);
        assert_eq!(plain_name("A.com."), "a.com");
    }

    #[test]
    fn prefixes_of_vaults() {
        accepts(vault_prefix, &["my-env", "e2"], &["", "e", "My", "a_b", "a-", "2a"]);
        accepts(variable_prefix, &["SSO_", "a-b"], &["", "2A", "a b"]);
    }
}
