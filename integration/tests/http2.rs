//! HTTP/2 over TLS, frame by frame where a whole client would be too polite.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, StatusCode};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use signet_integration::{DEADLINE, Gateway, Upstream};
use tokio::{net::TcpStream, runtime::Builder, time::timeout};

use crate::setup::{CONSUMERS, service};

/// One connection of HTTP/2.
pub(crate) struct Connection(SendRequest<Bytes>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        connector.set_alpn_protos(b"\x02h2").unwrap();
        let ssl = connector.build().configure().unwrap().verify_hostname(false).into_ssl("a.test").unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let mut stream = tokio_openssl::SslStream::new(ssl, socket).unwrap();
        Pin::new(&mut stream).connect().await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(requests)
    }

    /// Sends a request with its body in these frames, the last of which ends it, and reads the answer.
    async fn send(&mut self, request: Request<()>, body: &[&'static str]) -> (StatusCode, Vec<u8>) {
        self.0 = self.0.clone().ready().await.unwrap();
        let (response, mut stream) = self.0.send_request(request, body.is_empty()).unwrap();
        for (number, part) in body.iter().enumerate() {
            stream.send_data(Bytes::from_static(part.as_bytes()), number + 1 == body.len()).unwrap();
        }
        let response = response.await.unwrap();
        let (status, mut rest, mut answer) = (response.status(), response.into_body(), Vec::new());
        while let Some(part) = rest.data().await {
            answer.extend_from_slice(&part.unwrap());
        }
        (status, answer)
    }
}

impl Connection {
    /// Sends a GET with this id, which the upstream's answer is to have as its body: whether it was answered as a whole. None
    /// when the connection takes no more requests.
    pub(crate) async fn echoed(&mut self, id: &str) -> Option<Result<(), h2::Error>> {
        self.0 = self.0.clone().ready().await.ok()?;
        let get = request(Method::GET, "/load").header("x-id", id).header("x-echo-body", id).body(()).unwrap();
        let answer = match self.0.send_request(get, true) {
            Ok((answer, _)) => answer,
            Err(_) => return None,
        };
        let read = async {
            let answer = answer.await?;
            assert_eq!(answer.status(), StatusCode::OK);
            let (mut parts, mut body) = (answer.into_body(), Vec::new());
            while let Some(part) = parts.data().await {
                body.extend_from_slice(&part?);
            }
            assert_eq!(body, id.as_bytes());
            Ok(())
        };
        Some(read.await)
    }
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("https://a.test{path}"))
}

/// Runs a test to its end, or gives up on it.
pub(crate) fn within_the_deadline(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, test).await.expect("an end before the deadline") });
}

#[test]
fn an_empty_last_frame_does_not_confuse_the_upstream() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&service(&upstream, "- {name: all, paths: [/]}")).with_tls().start();
    within_the_deadline(async {
        let mut connection = Connection::open(gateway.tls()).await;
        for _ in 0..3 {
            let post = request(Method::POST, "/x").body(()).unwrap();
            assert_eq!(connection.send(post, &["abc", ""]).await.0, StatusCode::OK);
            let get = request(Method::GET, "/y").body(()).unwrap();
            assert_eq!(connection.send(get, &[]).await.0, StatusCode::OK);
        }
    });
    let seen = upstream.take();
    let all: Vec<_> = seen.iter().map(|seen| (seen.method.as_str(), seen.body.as_slice(), seen.connection)).collect();
    let both = [("POST", &b"abc"[..], 0), ("GET", &b""[..], 0)];
    assert_eq!(all, both.repeat(3), "one connection to the upstream, and nothing on it that nobody sent");
}

#[test]
fn a_host_that_is_not_the_authority_is_refused() {
    let upstream = Upstream::echo();
    let routes =
        "- {name: a, hosts: [a.test], paths: [/], preserve_host: true}\n- {name: b, hosts: [b.test], paths: [/]}";
    let gateway = Gateway::with(&service(&upstream, routes)).with_tls().start();
    within_the_deadline(async {
        let mut connection = Connection::open(gateway.tls()).await;
        let two = request(Method::GET, "/x").header("host", "b.test").body(()).unwrap();
        assert_eq!(connection.send(two, &[]).await.0, StatusCode::BAD_REQUEST);
        assert!(upstream.take().is_empty());
        let one = request(Method::GET, "/x").body(()).unwrap();
        assert_eq!(connection.send(one, &[]).await.0, StatusCode::OK);
    });
    let seen = upstream.one();
    assert_eq!(seen.header("Host"), Some("a.test"), "the authority is the host");
    assert_eq!(seen.header("X-Forwarded-Host"), Some("a.test"));
    assert!(seen.header("Via").is_some_and(|via| via.starts_with("2 signet/")), "{seen:?}");
}

#[test]
fn pieces_of_a_cookie_are_one_to_the_upstream() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&service(&upstream, "- {name: all, paths: [/]}")).with_tls().start();
    within_the_deadline(async {
        let mut connection = Connection::open(gateway.tls()).await;
        let crumbs = request(Method::GET, "/x").header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
        assert_eq!(connection.send(crumbs, &[]).await.0, StatusCode::OK);
    });
    assert_eq!(upstream.one().header("Cookie"), Some("a=1; b=2"));
}

#[test]
fn limits_on_heads_and_bodies_count_for_http2_too() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&service(&upstream, "- {name: all, paths: [/]}"))
        .with_tls()
        .setting("client_max_body_size", "4")
        .start();
    within_the_deadline(async {
        let mut connection = Connection::open(gateway.tls()).await;
        let long = request(Method::GET, "/x").header("x-big", "x".repeat(33 * 1024)).body(()).unwrap();
        assert_eq!(connection.send(long, &[]).await.0, StatusCode::BAD_REQUEST);
        let target = request(Method::GET, &format!("/x?{}", "x".repeat(17 * 1024))).body(()).unwrap();
        assert_eq!(connection.send(target, &[]).await.0, StatusCode::URI_TOO_LONG);
        let body = request(Method::POST, "/x").header("content-length", "5").body(()).unwrap();
        assert_eq!(connection.send(body, &["12345"]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let fine = request(Method::GET, "/x").body(()).unwrap();
        assert_eq!(connection.send(fine, &[]).await.0, StatusCode::OK, "the connection has survived all of it");
    });
    assert_eq!(upstream.take().len(), 1);
}

#[test]
fn a_client_that_stops_in_a_body_that_a_plugin_reads_is_not_waited_for() {
    let upstream = Upstream::echo();
    let route = "- {name: all, paths: [/], plugins: [{name: key-auth, config: {key_in_header: false, key_in_query: false, key_in_body: true}}]}";
    let gateway =
        Gateway::with(&(service(&upstream, route) + CONSUMERS)).with_tls().setting("client_body_timeout", "1").start();
    within_the_deadline(async {
        let Connection(requests) = Connection::open(gateway.tls()).await;
        let form = request(Method::POST, "/x").header("content-type", "application/x-www-form-urlencoded");
        let mut requests = requests.ready().await.unwrap();
        let (response, mut stream) = requests.send_request(form.body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::from_static(b"apikey=alice"), false).unwrap();
        assert_eq!(response.await.unwrap().status(), StatusCode::REQUEST_TIMEOUT);
    });
    assert!(upstream.take().is_empty());
}

#[test]
fn requests_on_one_connection_do_not_wait_for_each_other() {
    let upstream = Upstream::echo();
    let silent = Upstream::silent();
    let routes = "- {name: all, paths: [/fast]}";
    let slow = format!(
        "- name: silent\n  url: http://{}/\n  read_timeout: 60000\n  routes: [{{name: slow, paths: [/slow]}}]\n",
        silent.address()
    );
    let gateway = Gateway::with(&(service(&upstream, routes) + &slow)).with_tls().start();
    within_the_deadline(async {
        let mut connection = Connection::open(gateway.tls()).await;
        let waiting = request(Method::GET, "/slow").body(()).unwrap();
        connection.0 = connection.0.clone().ready().await.unwrap();
        let (waiting, _) = connection.0.send_request(waiting, true).unwrap();
        let fast = request(Method::GET, "/fast").body(()).unwrap();
        assert_eq!(connection.send(fast, &[]).await.0, StatusCode::OK);
        assert!(timeout(Duration::ZERO, waiting).await.is_err(), "the other one has no answer yet");
    });
}
