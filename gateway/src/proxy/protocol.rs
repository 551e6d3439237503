//! Requests that their route matches but does not speak to: plain ones, ones that are no calls, ones that open no WebSocket.

use http::{HeaderValue, StatusCode, Version, header};
use pingora_http::RequestHeader;
use signet_plugin_api::{Protocol, Response, Route, Scheme, requested_host};

use super::{
    admit::html,
    client::{self, Caller},
    grpc,
};

/// The answer to a request that its route does not speak to; `tls_only`: the route serves no plain requests.
pub(super) fn mismatch(head: &RequestHeader, route: &Route, tls_only: bool, caller: &Caller) -> Option<Response> {
    let insecure = tls_only && caller.scheme != Scheme::Https;
    match route.protocols.first() {
        Some(protocol) if protocol.is_grpc() => no_call(head, insecure),
        Some(Protocol::Ws | Protocol::Wss) => no_websocket(head, insecure),
        _ if insecure => Some(redirect(head, caller, route.https_redirect_status_code)),
        _ => None,
    }
}

fn no_call(head: &RequestHeader, insecure: bool) -> Option<Response> {
    if !grpc::says_so(head) {
        return Some(Response::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Non-gRPC request matched gRPC route"));
    }
    if head.version != Version::HTTP_2 {
        return Some(upgrade("Please use HTTP2 protocol", "HTTP/2"));
    }
    insecure.then(|| {
        Response::new(StatusCode::OK)
            .with_header(header::CONTENT_TYPE, grpc::TYPE)
            .with_header(grpc::STATUS, HeaderValue::from_static("1"))
            .with_header(grpc::MESSAGE, HeaderValue::from_static("gRPC request matched gRPCs route"))
    })
}

fn no_websocket(head: &RequestHeader, insecure: bool) -> Option<Response> {
    if insecure {
        return Some(to_https());
    }
    let asked = head.headers.get(header::UPGRADE).map_or(&b""[..], HeaderValue::as_bytes);
    (!asked.eq_ignore_ascii_case(b"websocket")).then(|| upgrade("Please use WebSocket protocol", "websocket"))
}

fn to_https() -> Response {
    upgrade("Please use HTTPS protocol", "TLS/1.2, HTTP/1.1")
}

fn upgrade(message: &'static str, to: &'static str) -> Response {
    Response::error(StatusCode::UPGRADE_REQUIRED, message)
        .with_header(header::CONNECTION, HeaderValue::from_static("Upgrade"))
        .with_header(header::UPGRADE, HeaderValue::from_static(to))
}

/// The answer of an https-only route to a plain request.
fn redirect(head: &RequestHeader, caller: &Caller, code: u16) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::UPGRADE_REQUIRED);
    if status == StatusCode::UPGRADE_REQUIRED {
        return to_https();
    }
    let forwarded = head.headers.get("x-forwarded-host").filter(|_| caller.trusted).and_then(|host| host.to_str().ok());
    let host = forwarded.or_else(|| requested_host(head)).map_or("", client::host_without_port);
    let path = head.uri.path_and_query().map_or("/", |text| text.as_str());
    let Ok(location) = HeaderValue::from_str(&format!("https://{host}{path}")) else {
        return Response::error(StatusCode::BAD_REQUEST, "Bad request");
    };
    let title = format!("{code} {}", status.canonical_reason().unwrap_or("Redirect"));
    html(status, &title).with_header(header::LOCATION, location)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use signet_plugin_api::{Body, Client};

    use super::*;

    fn caller(trusted: bool, scheme: Scheme) -> Caller {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Caller { client: Client::plain(ip, 80), peer: ip, trusted, scheme }
    }

    fn request(headers: &[(&'static str, &'static str)], version: Version) -> RequestHeader {
        let mut head = RequestHeader::build("POST", b"/a?b", None).expect("a head");
        head.set_version(version);
        for (name, value) in headers {
            head.append_header(*name, *value).expect("a header");
        }
        head
    }

    fn redirected(trusted: bool, code: u16) -> Response {
        let head = request(&[("Host", "tls.test:80"), ("X-Forwarded-Host", "front.test:81")], Version::HTTP_11);
        redirect(&head, &caller(trusted, Scheme::Http), code)
    }

    fn answered(protocols: &[Protocol], headers: &[(&'static str, &'static str)], version: Version) -> Option<u16> {
        let route = Route { protocols: protocols.to_vec(), ..Route::new("r") };
        let tls_only = protocols.iter().all(|protocol| protocol.is_tls());
        let answer = mismatch(&request(headers, version), &route, tls_only, &caller(false, Scheme::Http));
        answer.map(|answer| answer.status.as_u16())
    }

    #[test]
    fn only_a_trusted_peer_names_the_host_of_a_redirect() {
        for (trusted, location) in [(false, "https://tls.test/a?b"), (true, "https://front.test/a?b")] {
            let headers = redirected(trusted, 301).headers;
            assert!(headers.contains(&(header::LOCATION, HeaderValue::from_static(location))), "{headers:?}");
        }
        let upgrade = redirected(true, 426);
        assert!(matches!(upgrade.body, Body::Error(_)) && !upgrade.headers.iter().any(|(n, _)| n == header::LOCATION));
    }

    #[test]
    fn a_route_of_calls_takes_calls_alone() {
        let call = [("Content-Type", "application/grpc")];
        let both = [Protocol::Grpc, Protocol::Grpcs];
        assert_eq!(answered(&both, &call, Version::HTTP_2), None);
        assert_eq!(answered(&both, &call, Version::HTTP_11), Some(426));
        assert_eq!(answered(&both, &[("Content-Type", "application/json")], Version::HTTP_2), Some(415));
        assert_eq!(answered(&both, &[], Version::HTTP_11), Some(415));
        // Its client finds the refusal in the status of gRPC.
        assert_eq!(answered(&[Protocol::Grpcs], &call, Version::HTTP_2), Some(200));
    }

    #[test]
    fn a_route_of_websockets_takes_websockets_alone() {
        let both = [Protocol::Ws, Protocol::Wss];
        assert_eq!(answered(&both, &[("Upgrade", "WebSocket")], Version::HTTP_11), None);
        assert_eq!(answered(&both, &[("Upgrade", "h2c")], Version::HTTP_11), Some(426));
        assert_eq!(answered(&both, &[], Version::HTTP_11), Some(426));
        assert_eq!(answered(&[Protocol::Wss], &[("Upgrade", "websocket")], Version::HTTP_11), Some(426));
    }

    #[test]
    fn other_routes_take_everything_that_is_secure_enough() {
        assert_eq!(answered(&[Protocol::Http, Protocol::Https], &[], Version::HTTP_11), None);
        assert_eq!(answered(&[Protocol::Https], &[], Version::HTTP_11), Some(426));
    }
}
