//! Upstreams over TLS: who is believed, under which name, and that no connection serves terms that it was not made under.

use std::net::SocketAddr;

use serde_json::{Value, json};
use signet_integration::{
    Folder, Gateway, Request, Response, Start, TlsUpstream, Upstream,
    pki::{Authority, Identity, Leaf},
    signet,
};

const REFUSED: &str = "An invalid response was received from the upstream server";

/// Services, each with a route of its name; `{}` of these fields stands in flow style.
fn services(all: &[(&str, &str)]) -> String {
    let one = |(name, fields): &(&str, &str)| {
        format!("- {{name: {name}, retries: 0, routes: [{{name: {name}, paths: [/{name}]}}], {fields}}}\n")
    };
    format!("_format_version: \"3.0\"\nservices:\n{}", all.iter().map(one).collect::<String>())
}

/// A gateway on a system that trusts these authorities.
fn trusting(authorities: &[&Authority], config: &str) -> (Folder, Start) {
    let folder = Folder::new();
    let pem: String = authorities.iter().map(|authority| authority.pem()).collect();
    let file = folder.write("authorities.pem", pem);
    let start = Gateway::with(config).variable("SSL_CERT_FILE", &file.display().to_string());
    (folder, start)
}

/// A gateway that trusts one authority and finds every port of the configuration at one upstream.
fn in_front_of(upstream: &TlsUpstream, authority: &Authority, config: &str) -> Gateway {
    start(upstream.address(), authority, config)
}

fn start(upstream: SocketAddr, authority: &Authority, config: &str) -> Gateway {
    let (_folder, start) = trusting(&[authority], config);
    ["a.test:443", "b.test:443", "127.0.0.1:443", "127.0.0.9:443", "[::1]:443"]
        .iter()
        .fold(start, |start, name| start.resolve(name, upstream))
        .start()
}

fn assert_refused(gateway: &mut Gateway, path: &str, reason: &str) {
    let response = gateway.get(path);
    assert_eq!((response.status, response.text().contains(REFUSED)), (502, true), "{path}: {response:?}");
    gateway.process().line(reason, |line| line.contains(reason).then_some(()));
}

/// What the upstream saw.
fn told(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

#[test]
fn a_verified_upstream_is_asked_for_by_the_name_of_the_service() {
    let root = Authority::root("root");
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["a.test"])));
    let gateway = in_front_of(&upstream, &root, &services(&[("a", "url: https://a.test, tls_verify: true")]));
    for _ in 0..2 {
        let seen = told(&gateway.get("/a"));
        assert_eq!(seen, json!({"sni": "a.test", "client": null, "alpn": "http/1.1", "connection": 0}));
    }
}

#[test]
fn whoever_cannot_be_believed_gets_no_request_and_the_log_says_why() {
    let (root, other) = (Authority::root("root"), Authority::root("other"));
    let cases: [(Identity, &str); 5] = [
        (other.issue(&Leaf::server(&["a.test"])), "unable to get local issuer certificate"),
        (root.issue(&Leaf::server(&["b.test"])), "hostname mismatch"),
        (root.issue(&Leaf::server(&["a.test"]).valid(-9, -2)), "certificate has expired"),
        (root.issue(&Leaf::server(&["a.test"]).valid(2, 9)), "certificate is not yet valid"),
        (root.issue(&Leaf::server(&["a.test"]).usages(&["clientAuth"])), "unsuitable certificate purpose"),
    ];
    let config = services(&[("a", "url: https://a.test, tls_verify: true")]);
    for (identity, reason) in cases {
        let upstream = TlsUpstream::serve(&identity, |mut stream, _| {
            let got = std::io::Read::read(&mut stream, &mut [0; 1]);
            assert!(!matches!(got, Ok(1)), "a request has come");
            Ok(())
        });
        let mut gateway = in_front_of(&upstream, &root, &config);
        assert_refused(&mut gateway, "/a", reason);
        assert_eq!(upstream.accepted(), 1, "{reason}");
    }
}

#[test]
fn an_upstream_that_is_refused_is_asked_as_often_as_the_service_says() {
    let root = Authority::root("root");
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["b.test"])));
    let config = services(&[("a", "url: https://a.test, tls_verify: true")]).replace("retries: 0", "retries: 2");
    let gateway = in_front_of(&upstream, &root, &config);
    // Nothing of it was sent, so that a POST is no exception.
    assert_eq!(gateway.send(&Request::new("POST", "/a").body("x")).status, 502);
    assert_eq!(upstream.accepted(), 3);
}

#[test]
fn without_tls_verify_anybody_is_believed_as_in_kong() {
    let (root, other) = (Authority::root("root"), Authority::root("other"));
    let upstream = TlsUpstream::telling(&other.issue(&Leaf::server(&["b.test"]).valid(-9, -2)));
    let all = [("unsaid", "url: https://a.test"), ("off", "url: https://a.test, tls_verify: false")];
    let gateway = in_front_of(&upstream, &root, &services(&all));
    assert_eq!(told(&gateway.get("/unsaid"))["sni"], "a.test");
    assert_eq!(told(&gateway.get("/off"))["sni"], "a.test");
}

#[test]
fn a_connection_serves_only_the_terms_that_it_was_made_under() {
    let (root, other) = (Authority::root("root"), Authority::root("other"));
    let upstream = TlsUpstream::telling(&other.issue(&Leaf::server(&["a.test"])));
    let all = [("open", "url: https://a.test, tls_verify: false"), ("strict", "url: https://a.test, tls_verify: true")];
    let mut gateway = in_front_of(&upstream, &root, &services(&all));
    assert_eq!(told(&gateway.get("/open"))["connection"], 0);
    assert_refused(&mut gateway, "/strict", "unable to get local issuer certificate");
    assert_eq!(upstream.accepted(), 2, "not the connection that was open");
    assert_eq!(told(&gateway.get("/open"))["connection"], 0);
}

#[test]
fn a_chain_is_as_long_as_the_service_allows() {
    let root = Authority::root("root");
    let middle = root.intermediate("middle");
    let long = middle.intermediate("low").issue(&Leaf::server(&["a.test"]));
    let verified = |fields: &str| services(&[("a", &format!("url: https://a.test, tls_verify: true{fields}"))]);
    let upstream = TlsUpstream::telling(&long);
    assert_refused(&mut in_front_of(&upstream, &root, &verified("")), "/a", "certificate chain too long");
    assert_eq!(in_front_of(&upstream, &root, &verified(", tls_verify_depth: 2")).get("/a").status, 200);
    let upstream = TlsUpstream::telling(&middle.issue(&Leaf::server(&["a.test"])));
    assert_eq!(in_front_of(&upstream, &root, &verified("")).get("/a").status, 200, "Kong's default is 1");
    let none = verified(", tls_verify_depth: 0");
    assert_refused(&mut in_front_of(&upstream, &root, &none), "/a", "certificate chain too long");
}

#[test]
fn a_preserved_host_is_the_name_that_is_asked_for_and_verified() {
    let root = Authority::root("root");
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["a.test", "c.test"])));
    let config = services(&[("a", "url: https://a.test, tls_verify: true")])
        .replace("paths: [/a]", "paths: [/a], preserve_host: true");
    let mut gateway = in_front_of(&upstream, &root, &config);
    let ask = |gateway: &Gateway, host: &str| gateway.send(&Request::get("/a").header("Host", host));
    assert_eq!(told(&ask(&gateway, "c.test:8443"))["sni"], "c.test");
    assert_eq!(told(&ask(&gateway, "a.test"))["sni"], "a.test");
    assert_eq!(ask(&gateway, "d.test").status, 502);
    gateway.process().line("the other name", |line| line.contains("hostname mismatch").then_some(()));
    // What is no name cannot be asked for: the service's own counts.
    for host in ["10.0.0.1", "[::1]:80", ".test", "*.test"] {
        assert_eq!(told(&ask(&gateway, host))["sni"], "a.test", "{host}");
    }
}

#[test]
fn a_service_at_an_address_is_verified_by_that_address() {
    let root = Authority::root("root");
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["a.test"]).at("127.0.0.1").at("::1")));
    let all = [
        ("four", "url: 'https://127.0.0.1', tls_verify: true"),
        ("six", "url: 'https://[::1]', tls_verify: true"),
        ("other", "url: 'https://127.0.0.9', tls_verify: true"),
        ("open", "url: 'https://127.0.0.9'"),
    ];
    let mut gateway = in_front_of(&upstream, &root, &services(&all));
    for path in ["/four", "/six", "/open"] {
        assert_eq!(told(&gateway.get(path))["sni"], Value::Null, "{path}");
    }
    assert_refused(&mut gateway, "/other", "IP address mismatch");
    // A name that looks like an address is none.
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["127.0.0.1"])));
    let mut gateway = in_front_of(&upstream, &root, &services(&all));
    assert_refused(&mut gateway, "/four", "IP address mismatch");
}

/// A PEM text as an item of YAML in flow style.
fn quoted(pem: &str) -> String {
    serde_json::to_string(pem).unwrap()
}

const CA: &str = "11111111-1111-4111-8111-111111111111";
const OTHER_CA: &str = "22222222-2222-4222-8222-222222222222";
const CERTIFICATE: &str = "33333333-3333-4333-8333-333333333333";

#[test]
fn a_service_trusts_the_authorities_that_it_names_and_no_other() {
    let (root, system) = (Authority::root("root"), Authority::root("system"));
    let all = [
        ("own", &*format!("url: https://a.test, tls_verify: true, ca_certificates: [{CA}]")),
        ("both", &*format!("url: https://a.test, tls_verify: true, ca_certificates: [{OTHER_CA}, {CA}]")),
        ("other", &*format!("url: https://a.test, tls_verify: true, ca_certificates: [{OTHER_CA}]")),
        ("system", "url: https://a.test, tls_verify: true"),
    ];
    let config = services(&all)
        + &format!(
            "ca_certificates:\n- {{id: {CA}, cert: {}}}\n- {{id: {OTHER_CA}, cert: {}}}\n",
            quoted(root.pem()),
            quoted(Authority::root("third").pem())
        );
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["a.test"])));
    let mut gateway = in_front_of(&upstream, &system, &config);
    for path in ["/own", "/both"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
    for path in ["/other", "/system"] {
        assert_refused(&mut gateway, path, "unable to get local issuer certificate");
    }
    // The system's authorities are not trusted besides those that are named.
    let upstream = TlsUpstream::telling(&system.issue(&Leaf::server(&["a.test"])));
    let mut gateway = in_front_of(&upstream, &system, &config);
    assert_eq!(gateway.get("/system").status, 200);
    assert_refused(&mut gateway, "/own", "unable to get local issuer certificate");
}

#[test]
fn a_service_shows_its_certificate_and_its_connections_are_its_own() {
    let root = Authority::root("root");
    let client = root.intermediate("middle").issue(&Leaf::client("the gateway"));
    let all = [
        ("bare", "url: https://a.test, tls_verify: true"),
        ("shown", &*format!("url: https://a.test, tls_verify: true, client_certificate: {{id: {CERTIFICATE}}}")),
    ];
    let config = services(&all)
        + &format!(
            "certificates:\n- {{id: {CERTIFICATE}, cert: {}, key: {}}}\n",
            quoted(&client.chain),
            quoted(&client.key)
        );
    let upstream = TlsUpstream::telling(&root.issue(&Leaf::server(&["a.test"])));
    let gateway = in_front_of(&upstream, &root, &config);
    for _ in 0..2 {
        let (bare, shown) = (told(&gateway.get("/bare")), told(&gateway.get("/shown")));
        assert_eq!((&bare["client"], &bare["connection"]), (&json!(null), &json!(0)));
        assert_eq!((&shown["client"], &shown["connection"]), (&json!("the gateway"), &json!(1)));
    }
    assert!(!gateway.stderr().contains("PRIVATE KEY"));
}

#[test]
fn an_upstream_that_speaks_no_tls_is_a_bad_gateway() {
    let upstream = Upstream::serve(|conversation| conversation.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let root = Authority::root("root");
    let config = services(&[("a", "url: https://a.test, tls_verify: false")]);
    let gateway = start(upstream.address(), &root, &config);
    assert_eq!(gateway.get("/a").status, 502);
}

#[test]
fn a_service_whose_upstream_is_not_verified_is_a_warning() {
    let folder = Folder::new();
    let all = [
        ("unsaid", "url: https://a.test"),
        ("off", "url: https://a.test, tls_verify: false"),
        ("on", "url: https://a.test, tls_verify: true"),
        ("port", "protocol: https, host: a.test, tls_verify: true"),
    ];
    let run = signet(["check".into(), folder.write("kong.yml", services(&all))]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let warnings: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("services[0]: warning: the upstream's certificate is not verified"), "{warnings:?}");
    assert!(warnings[1].contains("services[3].protocol: warning: the port is 80"), "{warnings:?}");
}
