//! Requests on their way to the upstream and back.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use signet_integration::{DEADLINE, Gateway, Headers, Request, Upstream, wait_until};

use crate::setup::{service, service_with};

const ROUTE: &str = "- {name: all, paths: [/]}";

fn in_front_of(upstream: &Upstream) -> Gateway {
    Gateway::start(&service(upstream, ROUTE))
}

#[test]
fn a_request_with_no_or_two_hosts_is_refused() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    assert_eq!(gateway.send(&Request::get("/x").without_host()).status, 400);
    assert_eq!(gateway.send(&Request::get("/x").header("Host", "a").header("Host", "b")).status, 400);
    assert!(upstream.take().is_empty());
}

#[test]
fn http_1_0_needs_no_host_and_closes() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    let response = client.send(&Request::get("/x").http10().without_host());
    assert_eq!((response.status, response.text().as_str()), (200, "{\"ok\":true}"));
    assert!(client.is_closed());
    assert_eq!(upstream.one().version, "HTTP/1.1");
}

#[test]
fn a_connection_is_kept_after_an_error_unless_it_says_close() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&service(
        &upstream,
        "- {name: open, paths: [/open]}\n- {name: shut, paths: [/shut], plugins: [{name: key-auth}]}",
    ));
    for refused in [Request::get("/nothing"), Request::get("/shut"), Request::new("POST", "/shut").body("some body")] {
        let mut client = gateway.client();
        let first = client.send(&refused);
        assert!(matches!(first.status, 401 | 404), "{first:?}");
        if first.headers.lists("connection", "close") {
            assert!(client.is_closed(), "{first:?}");
        } else {
            assert_eq!(client.send(&Request::get("/open")).status, 200, "{first:?}");
        }
    }
    let mut client = gateway.client();
    let first = client.send(&Request::get("/shut"));
    assert!(!first.headers.lists("connection", "close"), "a GET leaves nothing unread: {first:?}");
}

#[test]
fn many_requests_share_one_connection_on_both_sides() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    for _ in 0..20 {
        assert_eq!(client.send(&Request::get("/x")).status, 200);
    }
    assert_eq!(upstream.accepted(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    let request = |body: &str| Request::get("/x").header("X-Echo-Body", body).bytes();
    client.write(&[request("first"), request("second"), request("third")].concat());
    let answers: Vec<String> = (0..3).map(|_| client.read("GET").text()).collect();
    assert_eq!(answers, ["first", "second", "third"]);
}

#[test]
fn a_chunked_body_reaches_the_upstream_whole() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    client.write(b"POST /x HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;ext=1\r\n,\r\n6\r\n world\r\n0\r\n\r\n");
    assert_eq!(client.read("POST").status, 200);
    let seen = upstream.one();
    assert_eq!(seen.body, b"hello, world");
    assert_eq!(client.send(&Request::get("/again")).status, 200, "the connection is in step");
}

#[test]
fn a_chunked_answer_reaches_the_client_whole() {
    let upstream = Upstream::serve(|conversation| {
        while conversation.request()?.is_some() {
            conversation.write(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
            )?;
        }
        Ok(())
    });
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    for _ in 0..2 {
        let response = client.send(&Request::get("/x"));
        assert_eq!(response.text(), "hello, world");
        assert!(response.header("content-length").is_none());
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole_and_one_that_is_cut_short_is_noticed() {
    let upstream = Upstream::serve(|conversation| {
        let Some(seen) = conversation.request()? else { return Ok(()) };
        let length = if seen.path.contains("short") { "Content-Length: 100\r\n" } else { "" };
        conversation.write(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\nto the end"))
    });
    let gateway = in_front_of(&upstream);
    assert_eq!(gateway.get("/x").text(), "to the end");
    let mut client = gateway.client();
    client.write(&Request::get("/short").bytes());
    let whole = client.try_read("GET");
    assert!(!matches!(whole, Ok(Some(ref response)) if response.status == 200), "{whole:?}");
}

#[test]
fn the_version_of_an_answer_is_that_of_the_gateway() {
    let upstream = Upstream::serve(|conversation| {
        let Some(seen) = conversation.request()? else { return Ok(()) };
        let length = if seen.path.contains("short") { "Content-Length: 5\r\n" } else { "" };
        conversation.write(format!("HTTP/1.0 200 OK\r\n{length}\r\nhello"))
    });
    let gateway = in_front_of(&upstream);
    for path in ["/short", "/x"] {
        let response = gateway.get(path);
        assert_eq!((response.status_line.as_str(), response.text().as_str()), ("HTTP/1.1 200 OK", "hello"));
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    client.write(b"POST /x HTTP/1.1\r\nHost: gw.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let interim = client.try_read("POST").unwrap().unwrap();
    assert_eq!(interim.status, 100);
    client.write(b"hello");
    assert_eq!(client.read("POST").status, 200);
    assert_eq!(upstream.one().body, b"hello");
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    let head = client.send(&Request::new("HEAD", "/x"));
    assert_eq!((head.status, head.header("content-length")), (200, Some("11")));
    for status in ["204 No Content", "304 Not Modified"] {
        let response = client.send(&Request::get("/x").header("X-Echo-Status", status));
        assert_eq!(response.status_line, format!("HTTP/1.1 {status}"));
        assert!(response.body.is_empty());
    }
    assert_eq!(client.send(&Request::get("/x")).status, 200);
}

#[test]
fn ten_mebibytes_pass_in_both_directions() {
    const SIZE: usize = 10 * 1024 * 1024;
    let upstream = Upstream::serve(|conversation| {
        while let Some(seen) = conversation.request()? {
            conversation.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", seen.body.len()))?;
            conversation.write(&seen.body)?;
        }
        Ok(())
    });
    let gateway = in_front_of(&upstream);
    let body: Vec<u8> = (0..SIZE).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let response = gateway.send(&Request::new("PUT", "/x").body(body.clone()));
    assert_eq!(response.status, 200);
    assert!(response.body == body, "the body came back changed ({} bytes)", response.body.len());
    assert!(upstream.one().body == body);
}

#[test]
fn a_request_body_streams_before_its_end_is_there() {
    let (told, first_part) = mpsc::channel();
    let told = Mutex::new(told);
    let upstream = Upstream::serve(move |conversation| {
        let Some(seen) = conversation.head()? else { return Ok(()) };
        told.lock().unwrap().send(conversation.exact(5)?).unwrap();
        conversation.exact(5)?;
        conversation.echo(&seen)
    });
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    client.write(b"POST /x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 10\r\n\r\nfirst");
    assert_eq!(first_part.recv_timeout(DEADLINE).unwrap(), b"first");
    client.write(b"_last");
    assert_eq!(client.read("POST").status, 200);
}

#[test]
fn a_large_answer_streams_before_its_end_is_there() {
    // What has a length is sent when a buffer is full, not for each byte.
    let first = format!("begin{}", "x".repeat(1024 * 1024));
    streams(format!("Content-Length: {}\r\n\r\n{first}", first.len() + 4), "_end");
}

#[test]
fn events_stream_one_by_one() {
    let head = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked";
    streams(format!("{head}\r\n\r\n5\r\nbegin\r\n"), "4\r\n_end\r\n0\r\n\r\n");
}

/// The end is sent only when the client has seen the beginning.
fn streams(beginning: String, end: &'static str) {
    let (go_on, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let upstream = Upstream::serve(move |conversation| {
        conversation.request()?;
        conversation.write(format!("HTTP/1.1 200 OK\r\n{beginning}"))?;
        let seen = told.lock().unwrap().recv_timeout(DEADLINE);
        conversation.write(if seen.is_ok() { end } else { "" })
    });
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    client.write(&Request::get("/x").bytes());
    client.wait_for(b"begin");
    go_on.send(()).unwrap();
    let text = client.read("GET").text();
    assert!(text.starts_with("begin") && text.ends_with("_end"), "{} bytes", text.len());
}

#[test]
fn an_upstream_that_does_not_answer_in_time_gives_504() {
    let upstream = Upstream::silent();
    let gateway = Gateway::start(&service_with(&upstream, "read_timeout: 200\nretries: 0", ROUTE));
    let begin = Instant::now();
    let response = gateway.get("/x");
    assert_eq!(response.status, 504);
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(begin.elapsed() >= Duration::from_millis(200));
    assert_eq!(upstream.take().len(), 1);
}

#[test]
fn a_refused_connection_gives_502_and_the_next_request_is_served() {
    let nowhere = Upstream::nowhere();
    let upstream = Upstream::echo();
    let config = service(&upstream, "- {name: up, paths: [/up]}")
        + &format!("- name: down\n  url: http://{nowhere}\n  retries: 1\n  routes: [{{name: down, paths: [/down]}}]\n");
    let gateway = Gateway::start(&config);
    let response = gateway.send(&Request::get("/down").header("Accept", "application/json"));
    assert_eq!(response.status, 502);
    assert_eq!(response.json()["message"], "An invalid response was received from the upstream server");
    assert_eq!(gateway.get("/up").status, 200);
}

#[test]
fn a_get_is_tried_as_often_as_retries_say_and_a_post_that_was_sent_only_once() {
    let upstream = Upstream::serve(|conversation| conversation.request().map(drop));
    let gateway = Gateway::start(&service_with(&upstream, "retries: 2", ROUTE));
    assert_eq!(gateway.get("/x").status, 502);
    assert_eq!(upstream.take().len(), 3);
    assert_eq!(gateway.send(&Request::new("POST", "/x").body("once")).status, 502);
    assert_eq!(upstream.take().len(), 1);
}

#[test]
fn a_get_survives_an_upstream_that_closes_kept_connections() {
    let upstream = Upstream::breaking_its_promise();
    let gateway = in_front_of(&upstream);
    for round in 0..50 {
        assert_eq!(gateway.get("/x").status, 200, "round {round}");
    }
}

#[test]
fn a_connection_that_the_upstream_has_closed_is_not_used_for_a_post() {
    let noticed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&noticed);
    let upstream = Upstream::serve(move |conversation| {
        let Some(seen) = conversation.request()? else { return Ok(()) };
        conversation.echo(&seen)?;
        conversation.finish();
        conversation.wait_for_end();
        told.store(true, Ordering::SeqCst);
        Ok(())
    });
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    assert_eq!(client.send(&Request::get("/x")).status, 200);
    let unnoticed = || "the gateway has not noticed that its idle connection is closed".to_owned();
    wait_until(|| noticed.load(Ordering::SeqCst), unnoticed);
    assert_eq!(client.send(&Request::new("POST", "/x").body("important")).status, 200);
    assert_eq!(upstream.accepted(), 2);
}

#[test]
fn hop_by_hop_headers_stay_on_their_hop() {
    let upstream = Upstream::echo();
    let gateway = in_front_of(&upstream);
    let request = Request::get("/x")
        .header("Connection", "keep-alive, X-Drop")
        .header("X-Drop", "1")
        .header("Keep-Alive", "timeout=5")
        .header("TE", "trailers")
        .header("Proxy-Connection", "keep-alive")
        .header("X-Keep", "1")
        .header("X-Echo-Resp", "Connection: X-Secret")
        .header("X-Echo-Resp", "X-Secret: 1")
        .header("X-Echo-Resp", "Keep-Alive: timeout=5");
    let response = gateway.send(&request);
    let seen = upstream.one();
    for name in ["X-Drop", "Keep-Alive", "TE", "Proxy-Connection"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("X-Keep"), Some("1"));
    for name in ["X-Secret", "Keep-Alive"] {
        assert_eq!(response.header(name), None, "{name} of the answer");
    }
}

#[test]
fn names_of_headers_keep_their_case_only_where_the_settings_say_so() {
    let upstream = Upstream::echo();
    for (setting, client_header, gateway_header, upstream_header, own_header) in [
        ("off", "x-cased-name", "x-forwarded-for", "x-of-upstream", "x-kong-request-id"),
        ("on", "X-cASED-Name", "X-Forwarded-For", "X-Of-uPSTREAM", "X-Kong-Request-Id"),
    ] {
        let gateway = Gateway::with(&service(&upstream, ROUTE)).setting("preserve_header_case", setting).start();
        let request = Request::get("/x").header("X-cASED-Name", "1").header("X-Echo-Resp", "X-Of-uPSTREAM: 1");
        let response = gateway.send(&request);
        let seen = upstream.one();
        let has = |headers: &Headers, wanted: &str| headers.0.iter().any(|(name, _)| name == wanted);
        for name in [client_header, gateway_header] {
            assert!(has(&seen.headers, name), "{setting}: {name} in {:?}", seen.headers);
        }
        for name in [upstream_header, own_header] {
            assert!(has(&response.headers, name), "{setting}: {name} in {:?}", response.headers);
        }
    }
}

#[test]
fn the_upstream_learns_where_the_request_came_from() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&service(&upstream, "- {name: shop, paths: [/shop], strip_path: true}"));
    gateway.send(
        &Request::get("/shop/a?b=1").header("X-Forwarded-For", "6.6.6.6").header("X-Forwarded-Host", "evil.test"),
    );
    let seen = upstream.one();
    assert_eq!(seen.path, "/base/a?b=1");
    assert_eq!(seen.header("Host"), Some(upstream.address().to_string().as_str()));
    assert_eq!(seen.header("X-Forwarded-For"), Some("6.6.6.6, 127.0.0.1"));
    assert_eq!(seen.header("X-Forwarded-Host"), Some("gw.test"));
    assert_eq!(seen.header("X-Forwarded-Proto"), Some("http"));
    assert_eq!(seen.header("X-Forwarded-Port"), Some(gateway.proxy().port().to_string().as_str()));
    assert_eq!(seen.header("X-Forwarded-Path"), Some("/shop/a"));
    assert_eq!(seen.header("X-Forwarded-Prefix"), Some("/shop"));
    assert_eq!(seen.header("X-Real-IP"), Some("127.0.0.1"));
}

#[test]
fn a_request_in_flight_ends_before_the_process_does() {
    let (told, received) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (told, wait) = (Mutex::new(told), Mutex::new(wait));
    let upstream = Upstream::serve(move |conversation| {
        let Some(seen) = conversation.request()? else { return Ok(()) };
        told.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        conversation.echo(&seen)
    });
    let gateway = in_front_of(&upstream);
    let mut client = gateway.client();
    client.write(&Request::get("/x").bytes());
    received.recv_timeout(DEADLINE).unwrap();
    let ending = thread::spawn(move || gateway.terminate());
    go_on.send(()).unwrap();
    assert_eq!(client.read("GET").status, 200);
    let run = ending.join().unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
