//! Requests that no upstream may see, or that must not be understood in two ways.

use signet_integration::{Gateway, Request, Upstream};

use crate::setup::service;

fn all(upstream: &Upstream) -> Gateway {
    Gateway::start(&service(upstream, "- {name: all, paths: [/]}"))
}

#[test]
fn malformed_requests_get_400_and_the_end_of_the_connection() {
    let upstream = Upstream::echo();
    let gateway = all(&upstream);
    let malformed = [
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
    ];
    let mut wrong = Vec::new();
    for raw in malformed {
        let mut client = gateway.client();
        client.write(raw.as_bytes());
        let response = client.read("GET");
        if response.status != 400 || !client.is_closed() {
            wrong.push(format!("{raw:?}: {}", response.status_line));
        }
    }
    assert!(wrong.is_empty(), "400 and the end were expected:\n{}", wrong.join("\n"));
    assert!(upstream.take().is_empty());
}

#[test]
fn a_control_character_in_the_target_reaches_the_upstream_escaped_or_not_at_all() {
    let upstream = Upstream::echo();
    let gateway = all(&upstream);
    for byte in [0x00, 0x01, 0x0b, 0x7f] {
        let mut client = gateway.client();
        client.write(&[b"GET /a", &[byte][..], b"b HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        let response = client.read("GET");
        match upstream.take().as_slice() {
            [] => assert_eq!(response.status, 400),
            [seen] => assert_eq!(seen.path, format!("/base/a%{byte:02X}b")),
            more => panic!("one request became several: {more:?}"),
        }
    }
}

#[test]
fn requests_that_make_no_sense_get_400() {
    let upstream = Upstream::echo();
    let gateway = all(&upstream);
    let two = Request::get("/").header("Authorization", "Basic YTpi").header("Authorization", "Basic YTpj");
    for request in [Request::new("OPTIONS", "*"), two] {
        let response = gateway.send(&request);
        assert_eq!((response.status, response.text().starts_with("Bad request")), (400, true), "{response:?}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn a_request_cannot_be_hidden_in_the_body_of_another() {
    let upstream = Upstream::echo();
    let gateway = all(&upstream);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = hidden.len() + 5;
    for raw in [
        format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!("POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
    ] {
        let mut client = gateway.client();
        client.write(raw.as_bytes());
        client.read("POST");
        assert!(client.is_closed(), "what follows cannot be trusted: {raw:?}");
        let paths: Vec<String> = upstream.take().into_iter().map(|seen| seen.path).collect();
        assert!(!paths.iter().any(|path| path.contains("hidden")), "{raw:?}: {paths:?}");
    }
}

#[test]
fn header_blocks_and_targets_have_limits() {
    let upstream = Upstream::echo();
    let gateway = all(&upstream);
    let long = |kibibytes: usize| "x".repeat(kibibytes * 1024);
    assert_eq!(gateway.send(&Request::get("/x").header("X-Big", &long(30))).status, 200);
    assert_eq!(gateway.send(&Request::get("/x").header("X-Big", &long(33))).status, 400);
    assert_eq!(gateway.get(&format!("/x?{}", long(15))).status, 200);
    let too_long = gateway.get(&format!("/x?{}", long(17)));
    assert_eq!(too_long.status, 414);
    assert!(too_long.text().starts_with("URI too long"), "{too_long:?}");
    assert_eq!(upstream.take().len(), 2);
}

#[test]
fn methods_that_show_or_tunnel_are_refused() {
    let upstream = Upstream::echo();
    let gateway = all(&upstream);
    assert_eq!(gateway.send(&Request::new("TRACE", "/x")).status, 405);
    let connect = gateway.send(&Request::new("CONNECT", "a.test:443"));
    assert!(matches!(connect.status, 400 | 405), "{connect:?}");
    assert!(upstream.take().is_empty());
}

#[test]
fn a_client_that_leaves_in_the_middle_harms_nobody() {
    let upstream = Upstream::echo();
    let gateway = all(&upstream);
    for start in ["GET /x HT", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf", ""] {
        let mut client = gateway.client();
        client.write(start.as_bytes());
        drop(client);
    }
    assert_eq!(gateway.get("/x").status, 200);
}
