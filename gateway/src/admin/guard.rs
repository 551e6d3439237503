//! Who may use the admin listener: whoever knows the token or holds a certificate, and no web page.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode, Uri, header};
use pingora_http::RequestHeader;

use super::Answer;
use crate::settings::AdminToken;

/// Where a client may put the token besides `Authorization: Bearer`; decK's and Kong Manager's way.
const TOKEN: &str = "kong-admin-token";

/// The rules of one listener.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Without one, whoever reaches the listener may use it.
    pub token: Option<AdminToken>,
    /// Its clients have shown a certificate that the operator trusts.
    pub certified: bool,
    /// The operator wants it to be open to its network.
    pub open: bool,
}

impl Guard {
    /// Lets a request pass, or answers it.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn admit(&self, head: &RequestHeader) -> Result<(), Answer> {
        if let Some(token) = &self.token {
            // A page knows no token, so that none can use the listener through a browser.
            let shown = presented(&head.headers).is_some_and(|shown| token.is(shown));
            return if shown { Ok(()) } else { Err(Answer::Unauthorized) };
        }
        if comes_from_a_page(&head.headers) {
            return Err(Answer::message(StatusCode::FORBIDDEN, "Requests of web pages need the admin token"));
        }
        // Whoever asks for a name could have been sent here by the name's owner (DNS rebinding).
        if !self.certified && !self.open && !is_local(&head.headers, &head.uri) {
            return Err(Answer::message(
                StatusCode::FORBIDDEN,
                "Without a token, the admin listener answers to localhost and addresses only, to no other Host",
            ));
        }
        Ok(())
    }
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(token) = headers.get(TOKEN) {
        return Some(token.as_bytes());
    }
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Browsers say so: with `Origin` wherever a page may have something changed, with `Sec-Fetch-Site` on all requests.
fn comes_from_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != b"none")
}

fn is_local(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // A request of HTTP/2 has it in its target.
    let Some(host) = host.or_else(|| uri.authority().map(|authority| authority.as_str())) else { return false };
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => host,
    };
    let address = bare.strip_prefix('[').and_then(|bare| bare.strip_suffix(']')).unwrap_or(bare);
    bare.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a token of more than sixteen";

    fn admitted(guard: &Guard, headers: &[(&'static str, &str)]) -> bool {
        let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
        for (name, value) in headers {
            head.insert_header(*name, *value).expect("a header");
        }
        guard.admit(&head).is_ok()
    }

    fn guard(token: bool, certified: bool, open: bool) -> Guard {
        Guard { token: token.then(|| AdminToken::of(SECRET)), certified, open }
    }

    #[test]
    fn without_a_token_only_local_names_and_addresses_are_answered() {
        let guard = guard(false, false, false);
        for host in ["localhost", "LocalHost:8001", "127.0.0.1:8001", "[::1]:8001", "10.0.0.1"] {
            assert!(admitted(&guard, &[("host", host)]), "{host}");
        }
        for host in ["rebound.test", "localhost.rebound.test:8001", "127.0.0.1.nip.test", "", "[::1].test"] {
            assert!(!admitted(&guard, &[("host", host)]), "{host}");
        }
        assert!(!admitted(&guard, &[]));
    }

    #[test]
    fn pages_are_refused_unless_they_know_the_token() {
        let local = ("host", "localhost:8001");
        for page in [("origin", "http://localhost:8001"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            for open in [guard(false, false, false), guard(false, true, false), guard(false, false, true)] {
                assert!(!admitted(&open, &[local, page]), "{page:?}");
            }
            assert!(admitted(&guard(true, false, false), &[page, ("kong-admin-token", SECRET)]));
        }
        // Somebody typed the address.
        assert!(admitted(&guard(false, false, false), &[local, ("sec-fetch-site", "none")]));
    }

    #[test]
    fn the_token_is_taken_from_two_headers_and_compared_whole() {
        let guard = guard(true, false, false);
        let bearer = |token: &str| format!("bearer {token}");
        assert!(admitted(&guard, &[("authorization", &bearer(SECRET))]));
        assert!(admitted(&guard, &[("kong-admin-token", SECRET)]));
        for wrong in ["", "a", &SECRET[1..], &format!("{SECRET}x")] {
            assert!(!admitted(&guard, &[("authorization", &bearer(wrong))]), "{wrong}");
            assert!(!admitted(&guard, &[("kong-admin-token", wrong)]), "{wrong}");
        }
        assert!(!admitted(&guard, &[("host", "localhost")]));
        assert!(!admitted(&guard, &[("authorization", &format!("Basic {SECRET}"))]));
    }

    #[test]
    fn a_certificate_or_the_operators_word_opens_it_to_other_names() {
        let name = ("host", "admin.test");
        assert!(admitted(&guard(false, true, false), &[name]));
        assert!(admitted(&guard(false, false, true), &[name]));
    }
}
