//! gRPC: calls of a real client to a real server, over TLS on the way in, and both ways on the way out.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use signet_integration::{
    Folder, Gateway, Request, Start, TlsUpstream,
    pki::{Authority, Leaf},
};

use crate::setup::repository;

/// Debian's, for which the package of gRPC is made.
const PYTHON: &str = "/usr/bin/python3";

fn python() -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(repository("integration/grpc/echo.py")).stdin(Stdio::null()).env("GRPC_VERBOSITY", "NONE");
    // Whatever stands between this machine and the world has no part in this.
    for name in ["http_proxy", "https_proxy", "grpc_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// A server; killed when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(files: &[&str]) -> Self {
        let mut process = python().arg("server").args(files).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let address = format!("127.0.0.1:{}", port.trim()).parse();
        Self { process, address: address.expect("a port; is python3-grpcio installed?") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A gateway over TLS that its clients trust, and what they trust.
struct Bench {
    gateway: Gateway,
    folder: Folder,
}

impl Bench {
    /// The configuration is for `start` to complete.
    fn start(root: &Authority, config: &str, start: impl FnOnce(Start) -> Start) -> Self {
        let folder = Folder::new();
        let identity = root.issue(&Leaf::server(&["gw.test"]));
        let file = |name: &str, text: &str| folder.write(name, text).display().to_string();
        let authority = file("root.pem", root.pem());
        let gateway = Gateway::with(config)
            .with_tls()
            .setting("ssl_cert", &file("gateway.pem", &identity.chain))
            .setting("ssl_cert_key", &file("gateway.key", &identity.key))
            .variable("SSL_CERT_FILE", &authority);
        Self { gateway: start(gateway).start(), folder }
    }

    /// What the client got for a call.
    fn call(&self, call: &str, message: &str, metadata: &[&str]) -> Value {
        let authority = self.folder.path().join("root.pem");
        let address = self.gateway.tls().to_string();
        let output = python().args(["client", &address]).arg(authority).args([call, message]).args(metadata).output();
        let output = output.unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}\n{}", self.gateway.stderr()))
    }

    /// Every kind of call.
    fn talk(&self, metadata: &[&str]) {
        let unary = self.call("Unary", "hello", metadata);
        assert_eq!((&unary["code"], &unary["messages"][0]), (&"OK".into(), &"hello".into()), "{unary}");
        assert_eq!(unary["trailing"]["x-trailer"], "at the end", "{unary}");
        let stream = self.call("Stream", "part", metadata);
        let parts: Value = (0..5).map(|number| format!("part{number}")).collect::<Vec<_>>().into();
        assert_eq!((&stream["messages"], &stream["trailing"]["x-trailer"]), (&parts, &"after five".into()), "{stream}");
        let chat = self.call("Chat", "c", metadata);
        assert_eq!(chat["messages"], serde_json::json!(["cA", "cB", "cC"]), "{chat}");
        let fail = self.call("Fail", "no", metadata);
        let told = (fail["code"].as_str(), fail["details"].as_str());
        assert_eq!(told, (Some("FAILED_PRECONDITION"), Some("not today: no")), "{fail}");
    }
}

fn one(service: &str, more: &str) -> String {
    format!(
        "_format_version: \"3.0\"\nservices:\n- {{name: s, {service}, routes: \
         [{{name: r, paths: [/echo.Echo], protocols: [grpc, grpcs]}}]{more}}}\n"
    )
}

#[test]
fn calls_pass_to_a_server_without_tls() {
    let (server, root) = (Server::start(&[]), Authority::root("root"));
    let bench = Bench::start(&root, &one(&format!("url: 'grpc://{}'", server.address), ""), |start| start);
    bench.talk(&["x-sent=1"]);
    let seen = bench.call("Unary", "x", &["x-sent=1"])["initial"]["x-seen"].as_str().unwrap().to_owned();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["x-sent"], "1", "{seen}");
    assert_eq!(seen["x-forwarded-proto"], "https", "{seen}");
}

#[test]
fn calls_pass_to_a_verified_server_over_tls() {
    let root = Authority::root("root");
    let (folder, identity) = (Folder::new(), root.issue(&Leaf::server(&["a.test"])));
    let file = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let server = Server::start(&[&file("key.pem", &identity.key), &file("chain.pem", &identity.chain)]);
    let config = one("url: 'grpcs://a.test:443', tls_verify: true", "");
    Bench::start(&root, &config, |start| start.resolve("a.test:443", server.address)).talk(&[]);
    // Another name: the certificate is not accepted, and goes on not to be.
    let config = one("url: 'grpcs://b.test:443', tls_verify: true", "");
    let bench = Bench::start(&root, &config, |start| start.resolve("b.test:443", server.address));
    for _ in 0..2 {
        let refused = bench.call("Unary", "hello", &[]);
        assert_eq!((&refused["code"], &refused["messages"]), (&"INTERNAL".into(), &Value::Array(Vec::new())));
    }
    assert!(bench.gateway.stderr().contains("hostname mismatch"), "{}", bench.gateway.stderr());
}

#[test]
fn a_server_that_does_not_agree_to_http_2_gets_no_call() {
    let root = Authority::root("root");
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["a.test"])));
    let config = one("url: 'grpcs://a.test:443', retries: 0", "");
    let bench = Bench::start(&root, &config, |start| start.resolve("a.test:443", upstream.address()));
    assert_eq!(bench.call("Unary", "hello", &[])["code"], "INTERNAL");
}

#[test]
fn the_gateways_own_answers_are_statuses_of_grpc() {
    let (server, root) = (Server::start(&[]), Authority::root("root"));
    let config = one(&format!("url: 'grpc://{}'", server.address), ", plugins: [{name: key-auth}]")
        + "consumers: [{username: alice, keyauth_credentials: [{key: alice-key}]}]\n";
    let bench = Bench::start(&root, &config, |start| start);
    let refused = bench.call("Unary", "hello", &[]);
    let told = (refused["code"].as_str(), refused["details"].as_str());
    assert_eq!(told, (Some("UNAUTHENTICATED"), Some("No API key found in request")), "{refused}");
    bench.talk(&["apikey=alice-key"]);
    drop(server);
    assert_eq!(bench.call("Unary", "hello", &["apikey=alice-key"])["code"], "INTERNAL", "as Kong maps its 502");
}

#[test]
fn a_route_of_calls_refuses_what_is_none() {
    let root = Authority::root("root");
    let bench = Bench::start(&root, &one("url: 'grpc://127.0.0.1:9'", ""), |start| start);
    let plain = bench.gateway.send(&Request::new("POST", "/echo.Echo/Unary"));
    assert_eq!(plain.status, 415, "{plain:?}");
    let old = bench.gateway.send(&Request::new("POST", "/echo.Echo/Unary").header("Content-Type", "application/grpc"));
    assert_eq!((old.status, old.header("upgrade")), (426, Some("HTTP/2")), "{old:?}");
}
