//! WebSockets: opened through plugins, then bytes in both directions, whatever they are.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use signet_integration::{
    DEADLINE, Gateway, Request, TlsUpstream,
    pki::{Authority, Leaf},
};
use tungstenite::{Error, Message, WebSocket, client::IntoClientRequest, protocol::CloseFrame};

/// Echoes messages until the client closes, and says what subprotocol it was asked for.
fn echo<S: std::io::Read + std::io::Write>(stream: S) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    while let Ok(message) = socket.read() {
        // The library answers the others by itself.
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
    // The answer to a close frame is on its way.
    while socket.flush().is_ok() && socket.read().is_ok() {}
}

/// A real server on a port of its own.
fn plain_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    address
}

fn connect(gateway: &Gateway, path: &str, key: Option<&str>) -> Result<WebSocket<TcpStream>, Box<Error>> {
    let mut request = format!("ws://gw.test{path}").into_client_request().unwrap();
    if let Some(key) = key {
        request.headers_mut().insert("apikey", key.parse().unwrap());
    }
    let stream = TcpStream::connect(gateway.proxy()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
        Err(tungstenite::HandshakeError::Interrupted(_)) => panic!("no answer within {DEADLINE:?}"),
    }
}

fn status(refused: Result<WebSocket<TcpStream>, Box<Error>>) -> u16 {
    match refused.map_err(|error| *error) {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Messages of every kind and size come back as they were, and the close handshake ends the connection.
fn talk(mut socket: WebSocket<TcpStream>) {
    let large: Vec<u8> = (0..1024 * 1024).map(|at: u32| at.to_le_bytes()[(at % 4) as usize]).collect();
    for message in
        [Message::text("hello"), Message::binary(large), Message::text(""), Message::text("x".repeat(70_000))]
    {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message, "another message came back");
    }
    socket.send(Message::Ping(vec![1, 2, 3].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(vec![1, 2, 3].into()));
    let farewell = CloseFrame { code: 4000.into(), reason: "enough".into() };
    socket.close(Some(farewell.clone())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Close(Some(farewell)));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)), "the upstream closes after the handshake");
}

const KEYS: &str = "consumers: [{username: alice, keyauth_credentials: [{key: alice-key}]}]\n";

#[test]
fn messages_pass_on_routes_of_http_and_of_websockets() {
    let server = plain_server();
    let gateway = Gateway::start(&format!(
        "_format_version: \"3.0\"\nservices:\n\
         - {{name: http, url: 'http://{server}', routes: [{{name: http, paths: [/http]}}]}}\n\
         - {{name: ws, url: 'ws://{server}', routes: [{{name: ws, paths: [/ws], protocols: [ws, wss]}}]}}\n"
    ));
    for path in ["/http", "/ws"] {
        talk(connect(&gateway, path, None).unwrap());
    }
}

#[test]
fn messages_pass_to_an_upstream_over_tls() {
    let root = Authority::root("root");
    let server = TlsUpstream::serve(&root.issue(&Leaf::server(&["a.test"])), |stream, _| {
        echo(stream);
        Ok(())
    });
    let folder = signet_integration::Folder::new();
    let gateway = Gateway::with(
        "_format_version: \"3.0\"\nservices:\n\
         - {name: https, url: 'https://a.test', tls_verify: true, routes: [{name: https, paths: [/https]}]}\n\
         - {name: wss, url: 'wss://a.test:443', tls_verify: true, routes: [{name: w, paths: [/wss], protocols: [ws]}]}\n",
    )
    .variable("SSL_CERT_FILE", &folder.write("root.pem", root.pem()).display().to_string())
    .resolve("a.test:443", server.address())
    .start();
    for path in ["/https", "/wss"] {
        talk(connect(&gateway, path, None).unwrap());
    }
}

#[test]
fn plugins_decide_who_opens_one() {
    let server = plain_server();
    let gateway = Gateway::start(&format!(
        "_format_version: \"3.0\"\nservices:\n\
         - {{name: ws, url: 'ws://{server}', routes: [{{name: ws, paths: [/ws], protocols: [ws, wss]}}], \
            plugins: [{{name: key-auth}}]}}\n{KEYS}"
    ));
    assert_eq!(status(connect(&gateway, "/ws", None)), 401);
    assert_eq!(status(connect(&gateway, "/ws", Some("forged"))), 401);
    talk(connect(&gateway, "/ws", Some("alice-key")).unwrap());
}

#[test]
fn a_route_of_websockets_asks_others_to_upgrade() {
    let server = plain_server();
    let gateway = Gateway::start(&format!(
        "_format_version: \"3.0\"\nservices:\n\
         - {{name: ws, url: 'ws://{server}', routes: [\
            {{name: ws, paths: [/ws], protocols: [ws, wss]}}, {{name: wss, paths: [/secure], protocols: [wss]}}]}}\n"
    ));
    let response = gateway.get("/ws");
    assert_eq!((response.status, response.header("upgrade")), (426, Some("websocket")), "{response:?}");
    assert!(response.text().contains("Please use WebSocket protocol"));
    assert_eq!(status(connect(&gateway, "/secure", None)), 426);
}

#[test]
fn silence_ends_one_after_the_services_read_timeout_and_messages_prolong_it() {
    const TIMEOUT: Duration = Duration::from_millis(1500);
    let server = plain_server();
    let gateway = Gateway::start(&format!(
        "_format_version: \"3.0\"\nservices:\n\
         - {{name: ws, url: 'ws://{server}', read_timeout: 1500, routes: [{{name: ws, paths: [/ws], protocols: [ws]}}]}}\n"
    ));
    let mut socket = connect(&gateway, "/ws", None).unwrap();
    let begin = Instant::now();
    socket.get_ref().set_read_timeout(Some(Duration::from_millis(250))).unwrap();
    while begin.elapsed() < TIMEOUT + Duration::from_millis(500) {
        socket.send(Message::text("still here")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("still here"));
        // A pause in which nothing is said and nothing ends.
        assert!(matches!(socket.read(), Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock));
    }
    let silent = Instant::now();
    socket.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(!matches!(socket.read(), Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock));
    assert!(silent.elapsed() >= TIMEOUT / 2, "ended after {:?}", silent.elapsed());
}

#[test]
fn an_upstream_that_refuses_to_upgrade_is_passed_on() {
    let upstream = signet_integration::Upstream::echo();
    let gateway = Gateway::start(&format!(
        "_format_version: \"3.0\"\nservices:\n\
         - {{name: ws, url: 'ws://{}', routes: [{{name: ws, paths: [/ws], protocols: [ws]}}]}}\n",
        upstream.address()
    ));
    let refused = Request::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("X-Echo-Status", "403 Forbidden");
    assert_eq!(gateway.send(&refused).status, 403);
    let seen = upstream.one();
    assert_eq!((seen.header("upgrade"), seen.header("connection")), (Some("websocket"), Some("Upgrade")));
}
