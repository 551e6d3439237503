//! What somebody sends who wants to be taken for another, to hide a request, or to keep the gateway busy.

use std::{
    io,
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use signet_integration::{DEADLINE, Gateway, Request, Upstream};

use crate::setup::{CONSUMERS, service, x_custom_jwt};

const HIDDEN: &str = "GET /open/hidden HTTP/1.1\r\nHost: a\r\n\r\n";
const IN_BODY: &str = "{name: key-auth, config: {key_in_body: true, hide_credentials: true}}";

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&config(upstream))
}

fn config(upstream: &Upstream) -> String {
    let token = x_custom_jwt("rs256-private-jwk.json", "");
    let routes = format!(
        "- {{name: open, paths: [/open]}}\n- {{name: body, paths: [/body], plugins: [{IN_BODY}]}}\n\
         - {{name: keyed, paths: [/keyed], plugins: [{{name: key-auth}}, {token}]}}"
    );
    service(upstream, &routes) + CONSUMERS
}

/// Sends these bytes and gives the status of the first answer; the connection must end with it.
fn last_status(gateway: &Gateway, raw: &str) -> u16 {
    let mut client = gateway.client();
    client.write(raw.as_bytes());
    let status = client.read("POST").status;
    assert!(client.is_closed(), "what follows cannot be trusted: {raw:?}");
    status
}

#[test]
fn a_length_that_can_be_read_in_two_ways_is_refused() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for framing in ["Content-Length: 3, 3", "Content-Length: 3\r\nContent-Length: 3", "Content-Length: +3"] {
        let raw = format!("POST /open HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\nabc{HIDDEN}");
        assert_eq!(last_status(&gateway, &raw), 400, "{framing}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn a_coding_that_would_be_lost_on_the_way_is_refused() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for framing in ["gzip, chunked", "identity, chunked", "identity\r\nTransfer-Encoding: chunked"] {
        let raw = format!(
            "POST /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {framing}\r\n\r\n3\r\nabc\r\n0\r\n\r\n{HIDDEN}"
        );
        assert_eq!(last_status(&gateway, &raw), 501, "{framing}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn a_malformed_body_that_a_plugin_reads_ends_the_connection() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let mut client = gateway.client();
    let head = "Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked";
    client.write(format!("POST /body HTTP/1.1\r\n{head}\r\n\r\n3\r\nabc\r\nZZ\r\n").as_bytes());
    assert_eq!(client.read("POST").status, 400);
    // The gateway may be gone already.
    let _: io::Result<()> = client.try_write(HIDDEN.as_bytes());
    assert!(client.is_closed());
    assert!(upstream.take().is_empty());
}

#[test]
fn a_target_that_is_no_path_and_a_host_that_is_no_name_are_refused() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for target in ["open", "a.test", "a.test:80", "*"] {
        assert_eq!(last_status(&gateway, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")), 400, "{target}");
    }
    for host in ["a.test/x", "a.test,b.test", "a.test b.test", "a.test\tb", "a.test#", "a.test\\x", "<a>"] {
        assert_eq!(last_status(&gateway, &format!("GET /open HTTP/1.1\r\nHost: {host}\r\n\r\n")), 400, "{host}");
    }
    assert!(upstream.take().is_empty());
    for host in ["a_b.test:80", "[::1]:80", "xn--a.test"] {
        assert_eq!(gateway.send(&Request::get("/open").header("Host", host)).status, 200, "{host}");
    }
    assert_eq!(gateway.send(&Request::get("http://a.test/open").header("Host", "a.test")).status, 200);
}

#[test]
fn headers_that_backends_take_for_ours_do_not_pass() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let request = Request::get("/keyed")
        .header("apikey", "bob-key")
        .header("X_Consumer_Username", "alice")
        .header("X-Consumer_ID", "1")
        .header("X_Forwarded_For", "6.6.6.6")
        .header("X_Custom_Jwt", "a.b.c")
        .header("X-Custom_Jwt", "a.b.c")
        .header("X_Tenant", "kept")
        .header("Connection", "X-Consumer-Username, X-Custom-Jwt");
    assert_eq!(gateway.send(&request).status, 200);
    let seen = upstream.one();
    let underscored: Vec<&str> =
        seen.headers.0.iter().map(|(name, _)| name.as_str()).filter(|name| name.contains('_')).collect();
    assert!(underscored.len() == 1 && underscored[0].eq_ignore_ascii_case("X_Tenant"), "{underscored:?}");
    assert_eq!(seen.header("X-Consumer-Username"), Some("bob"));
    assert!(seen.header("X-Custom-Jwt").is_some());
}

#[test]
fn what_a_client_says_of_its_certificate_passes_from_a_trusted_proxy_alone() {
    let upstream = Upstream::echo();
    let request = Request::get("/open").header("X-Client-Cert-Dn", "CN=alice").header("X_Client-Cert_San", "alice");
    for (trusted, seen_by_upstream) in [("", [None, None]), ("127.0.0.1", [Some("CN=alice"), Some("alice")])] {
        let gateway = Gateway::with(&config(&upstream)).setting("trusted_ips", trusted).start();
        assert_eq!(gateway.send(&request).status, 200);
        let seen = upstream.one();
        let names = ["X-Client-Cert-Dn", "X_Client-Cert_San"];
        assert_eq!(names.map(|name| seen.header(name)), seen_by_upstream, "{trusted}");
    }
}

#[test]
fn a_client_that_stops_within_its_body_is_not_waited_for() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&config(&upstream)).setting("client_body_timeout", "1").start();
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (path, framing) in [
        ("/open", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        ("/open", "Content-Length: 100\r\n\r\nabc"),
        ("/body", "Content-Length: 100\r\n\r\nabc"),
    ] {
        let begin = Instant::now();
        let raw = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{form}\r\n{framing}");
        assert_eq!(last_status(&gateway, &raw), 408, "{path} {framing}");
        assert!(begin.elapsed() >= Duration::from_secs(1));
    }
    assert_eq!(gateway.get("/open").status, 200);
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_off_and_one_in_pieces_is_not() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&config(&upstream)).setting("client_header_timeout", "1").start();
    let mut client = gateway.client();
    client.write(b"GET /open HTTP/1.1\r\nHost");
    client.write(b": a\r\n");
    client.write(b"\r\n");
    assert_eq!(client.read("GET").status, 200);
    let (begin, mut client) = (Instant::now(), gateway.client());
    client.write(b"GET /open HTTP/1.1\r\nHost: a\r\nX: ");
    while client.try_write(b"x").is_ok() {
        assert!(begin.elapsed() < DEADLINE, "still reading");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[test]
fn an_upstream_cannot_change_the_protocol_unasked() {
    let upstream =
        answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw");
    let gateway = gateway(&upstream);
    assert_eq!(gateway.get("/open").status, 502);
}

#[test]
fn hints_before_an_answer_reach_only_clients_that_know_them() {
    let upstream = answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    );
    let gateway = gateway(&upstream);
    let first = |request: Request| {
        let mut client = gateway.client();
        client.write(&request.bytes());
        client.try_read("GET").unwrap().unwrap()
    };
    let hint = first(Request::get("/open"));
    assert_eq!((hint.status, hint.header("link"), hint.header("via")), (103, Some("</a>"), None));
    assert_eq!(first(Request::get("/open").http10()).status, 200);
}

#[test]
fn an_answer_without_content_announces_none() {
    let upstream =
        answering("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n");
    let gateway = gateway(&upstream);
    let response = gateway.get("/open");
    assert_eq!((response.status, response.header("transfer-encoding")), (204, None));
}

#[test]
fn an_upgraded_connection_is_not_a_request_body() {
    let (told, upgraded) = mpsc::channel();
    let told = Mutex::new(told);
    let upstream = Upstream::serve(move |conversation| {
        conversation.head()?;
        conversation.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")?;
        told.lock().unwrap().send(()).unwrap();
        let late = conversation.exact(4)?;
        conversation.write(late)
    });
    let gateway = Gateway::with(&config(&upstream)).setting("client_body_timeout", "1").start();
    let mut client = gateway.client();
    client.write(&Request::get("/open").header("Connection", "Upgrade").header("Upgrade", "websocket").bytes());
    upgraded.recv_timeout(DEADLINE).unwrap();
    assert_eq!(client.try_read("GET").unwrap().unwrap().status, 101);
    // Another client's timeout says that ours would be over too.
    let stalled = "POST /body HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    assert_eq!(last_status(&gateway, stalled), 408);
    client.write(b"late");
    client.wait_for(b"late");
}

fn answering(bytes: &'static str) -> Upstream {
    Upstream::serve(move |conversation| {
        while conversation.request()?.is_some() {
            conversation.write(bytes)?;
            if bytes.contains("close") {
                return Ok(());
            }
        }
        Ok(())
    })
}
