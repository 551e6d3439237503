//! Adding headers of our own: cheaply, or in the case in which people write them.
//!
//! Pingora keeps a second map with the case of each name, and parses a name whenever one is inserted. A head without that
//! map takes names that are parsed already; its names are sent in lower case, which is the same to HTTP (RFC 9110, 5.1).
//! The setting `preserve_header_case` keeps the map, for upstreams that compare names as they stand.

use http::{HeaderName, HeaderValue, Uri};
use pingora::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;

/// A name that is parsed, and how Kong writes it.
#[derive(Debug)]
pub(super) struct Name {
    lower: HeaderName,
    cased: &'static str,
}

impl Name {
    /// As a key to look up.
    pub(super) fn parsed(&self) -> &HeaderName {
        &self.lower
    }
}

macro_rules! names {
    ($($constant:ident $lower:literal $cased:literal)*) => {
        $(pub(super) static $constant: Name = Name { lower: HeaderName::from_static($lower), cased: $cased };)*
    };
}

names! {
    ANONYMOUS_CONSUMER "x-anonymous-consumer" "X-Anonymous-Consumer"
    CONSUMER_CUSTOM_ID "x-consumer-custom-id" "X-Consumer-Custom-ID"
    CONSUMER_ID "x-consumer-id" "X-Consumer-ID"
    CONSUMER_USERNAME "x-consumer-username" "X-Consumer-Username"
    CREDENTIAL_IDENTIFIER "x-credential-identifier" "X-Credential-Identifier"
    COOKIE "cookie" "Cookie"
    FORWARDED_FOR "x-forwarded-for" "X-Forwarded-For"
    FORWARDED_HOST "x-forwarded-host" "X-Forwarded-Host"
    FORWARDED_PATH "x-forwarded-path" "X-Forwarded-Path"
    FORWARDED_PORT "x-forwarded-port" "X-Forwarded-Port"
    FORWARDED_PREFIX "x-forwarded-prefix" "X-Forwarded-Prefix"
    FORWARDED_PROTO "x-forwarded-proto" "X-Forwarded-Proto"
    HOST "host" "Host"
    PROXY_LATENCY "x-kong-proxy-latency" "X-Kong-Proxy-Latency"
    REAL_IP "x-real-ip" "X-Real-IP"
    REQUEST_ID "x-kong-request-id" "X-Kong-Request-Id"
    RESPONSE_LATENCY "x-kong-response-latency" "X-Kong-Response-Latency"
    SERVER "server" "Server"
    UPSTREAM_LATENCY "x-kong-upstream-latency" "X-Kong-Upstream-Latency"
    UPSTREAM_STATUS "x-kong-upstream-status" "X-Kong-Upstream-Status"
    VIA "via" "Via"
}

/// Headers to set, each in place of all of its name.
#[derive(Debug, Default)]
pub(super) struct Additions(SmallVec<[(&'static Name, HeaderValue); 16]>);

impl Additions {
    /// Adds one; no name may come twice.
    pub(super) fn push(&mut self, name: &'static Name, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Sets them on a request with another target, once `removed` is gone. Gives the target that it had.
    ///
    /// # Errors
    /// When there are too many headers.
    pub(super) fn apply_to_request(
        self,
        head: &mut RequestHeader,
        target: Uri,
        removed: &[HeaderName],
        preserve_case: bool,
    ) -> Result<Uri> {
        if preserve_case {
            let original = head.uri.clone();
            head.set_uri(target);
            for name in removed {
                head.remove_header(name);
            }
            self.0.into_iter().try_for_each(|(name, value)| head.insert_header(name.cased, value))?;
            return Ok(original);
        }
        let (blank, ()) = http::Request::new(()).into_parts();
        let mut parts: http::request::Parts = std::mem::replace(head, blank.into()).into();
        let original = std::mem::replace(&mut parts.uri, target);
        for name in removed {
            parts.headers.remove(name);
        }
        parts.headers.reserve(self.0.len());
        for (name, value) in self.0 {
            parts.headers.insert(&name.lower, value);
        }
        *head = parts.into();
        Ok(original)
    }

    /// Sets them on a response.
    ///
    /// # Errors
    /// When there are too many headers.
    pub(super) fn apply_to_response(self, head: &mut ResponseHeader, preserve_case: bool) -> Result<()> {
        if preserve_case {
            return self.0.into_iter().try_for_each(|(name, value)| head.insert_header(name.cased, value));
        }
        let reason = head.get_reason_phrase().filter(|reason| Some(*reason) != head.status.canonical_reason());
        let reason = reason.map(str::to_owned);
        let (blank, ()) = http::Response::new(()).into_parts();
        let mut parts: http::response::Parts = std::mem::replace(head, blank.into()).into();
        parts.headers.reserve(self.0.len());
        for (name, value) in self.0 {
            parts.headers.insert(&name.lower, value);
        }
        *head = parts.into();
        match reason {
            Some(reason) => head.set_reason_phrase(Some(&reason)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn additions() -> Additions {
        let mut additions = Additions::default();
        additions.push(&VIA, HeaderValue::from_static("ours"));
        additions.push(&REQUEST_ID, HeaderValue::from_static("id"));
        additions
    }

    fn wire(head: &RequestHeader) -> String {
        let mut text = Vec::new();
        head.header_to_h1_wire(&mut text);
        String::from_utf8(text).expect("text")
    }

    fn request(preserve_case: bool) -> RequestHeader {
        let mut head = RequestHeader::build("GET", b"/a", None).expect("a head");
        for (name, value) in [("X-Client", "1"), ("ViA", "theirs"), ("X-Gone", "1")] {
            head.append_header(name, value).expect("a header");
        }
        let target = Uri::from_static("/b?c");
        let removed = [HeaderName::from_static("x-gone")];
        additions().apply_to_request(&mut head, target, &removed, preserve_case).expect("applied");
        head
    }

    #[test]
    fn both_ways_set_the_same_headers() {
        for preserve_case in [false, true] {
            let head = request(preserve_case);
            assert_eq!(head.uri, "/b?c");
            let pairs: Vec<_> = head.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().expect("text"))).collect();
            assert_eq!(pairs, [("x-client", "1"), ("via", "ours"), ("x-kong-request-id", "id")]);
        }
    }

    #[test]
    fn the_case_of_names_is_kept_where_it_is_asked_for() {
        assert!(wire(&request(true)).contains("X-Client: 1\r\nVia: ours\r\nX-Kong-Request-Id: id\r\n"));
        assert!(wire(&request(false)).contains("x-client: 1\r\nvia: ours\r\nx-kong-request-id: id\r\n"));
    }

    #[test]
    fn a_response_keeps_its_reason() {
        for preserve_case in [false, true] {
            let mut head = ResponseHeader::build(404, None).expect("a head");
            head.set_reason_phrase(Some("Nowhere")).expect("a reason");
            additions().apply_to_response(&mut head, preserve_case).expect("applied");
            assert_eq!((head.status.as_u16(), head.get_reason_phrase()), (404, Some("Nowhere")));
            assert_eq!(head.headers.len(), 2);
        }
    }
}
