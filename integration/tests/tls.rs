//! Listeners that speak TLS: certificates, versions, HTTP/2, and who is asked for a certificate.

use signet_integration::{Certificate, Client, Curl, Folder, Gateway, Issued, Request, Start, Upstream, s_client};

use crate::setup::service;

/// What `openssl s_client` sends to get an answer and the end of the connection.
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn everything(upstream: &Upstream) -> String {
    service(upstream, "- {name: all, paths: [/]}")
}

fn with_tls(yaml: &str) -> Start {
    Gateway::with(yaml).with_tls()
}

/// A certificate of the file with its names.
fn certificate(issued: &Issued, names: &[&str]) -> String {
    let names: String = names.iter().map(|name| format!("  - name: \"{name}\"\n")).collect();
    format!("-\n{}  snis:\n{names}", issued.yaml(2))
}

/// The subject of the certificate that a client gets which asks for this name.
fn subject(gateway: &Gateway, name: &str) -> String {
    let arguments: &[&str] = if name.is_empty() { &["-noservername"] } else { &["-servername", name] };
    let shown = s_client(gateway.tls(), arguments, GET);
    let subject = shown.lines().find_map(|line| line.strip_prefix("subject="));
    subject.unwrap_or_else(|| panic!("no certificate: {shown}")).replace(' ', "")
}

#[test]
fn a_request_over_tls_is_proxied_with_what_it_came_over() {
    let upstream = Upstream::echo();
    let gateway = with_tls(&everything(&upstream)).start();
    let answer = Curl::to(gateway.tls()).http1().get("a.test", "/x");
    assert_eq!((answer.status, answer.version.as_str()), (200, "1.1"), "{answer:?}");
    let seen = upstream.one();
    assert_eq!(seen.header("X-Forwarded-Proto"), Some("https"));
    assert_eq!(seen.header("X-Forwarded-Port"), Some(&*gateway.tls().port().to_string()));
    assert_eq!(seen.header("X-Forwarded-Host"), Some("a.test"));
    assert_eq!(gateway.get("/x").status, 200, "the plain listener is there, too");
}

#[test]
fn a_client_that_offers_http2_gets_it_where_the_listener_speaks_it() {
    let upstream = Upstream::echo();
    let gateway = with_tls(&everything(&upstream)).start();
    let answer = Curl::to(gateway.tls()).get("a.test", "/x");
    assert_eq!((answer.status, answer.version.as_str()), (200, "2"), "{answer:?}");
    assert_eq!(upstream.one().version, "HTTP/1.1");
    let without = Gateway::with(&everything(&upstream)).setting("proxy_listen", "127.0.0.1:0, 127.0.0.1:0 ssl").start();
    let answer = Curl::to(without.tls()).get("a.test", "/x");
    assert_eq!((answer.status, answer.version.as_str()), (200, "1.1"), "{answer:?}");
}

#[test]
fn plain_http_on_a_port_for_tls_is_told_so() {
    let upstream = Upstream::echo();
    let gateway = with_tls(&everything(&upstream)).start();
    let mut client = Client::connect(gateway.tls());
    let answer = client.send(&Request::get("/x"));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("<h1>400 The plain HTTP request was sent to HTTPS port</h1>"), "{}", answer.text());
    assert!(client.is_closed());
    assert!(upstream.take().is_empty());
}

#[test]
fn the_certificate_is_the_one_for_the_name_that_is_asked_for() {
    let upstream = Upstream::echo();
    let issued = |name: &str| Certificate::named(name).self_signed();
    let yaml = format!(
        "{}certificates:\n{}{}{}",
        everything(&upstream),
        certificate(&issued("exact"), &["a.test"]),
        certificate(&issued("below"), &["*.a.test"]),
        certificate(&issued("before"), &["b.*"]),
    );
    let gateway = with_tls(&yaml).start();
    for (name, expected) in [
        ("a.test", "CN=exact"),
        ("A.Test", "CN=exact"),
        ("x.a.test", "CN=below"),
        ("b.other", "CN=before"),
        ("other.test", "CN=localhost"),
        ("", "CN=localhost"),
    ] {
        assert_eq!(subject(&gateway, name), expected, "{name}");
    }
    assert!(gateway.stderr().contains("a certificate made just now"), "{}", gateway.stderr());
}

#[test]
fn the_certificate_of_the_settings_is_for_all_other_names() {
    let upstream = Upstream::echo();
    let root = Certificate::authority("root").self_signed();
    let middle = Certificate::authority("middle").issued_by(&root);
    let leaf = Certificate::named("default").dns("other.test").issued_by(&middle);
    let rsa = Certificate::named("default").dns("other.test").rsa().issued_by(&root);
    let gateway = with_tls(&everything(&upstream))
        .setting("ssl_cert", &format!("{},{}", leaf.with_chain(&[&middle]), rsa.cert))
        .setting("ssl_cert_key", &format!("{},{}", leaf.key, rsa.key))
        .start();
    let answer = Curl::trusting(gateway.tls(), &root).get("other.test", "/x");
    assert_eq!(answer.status, 200, "the intermediate was presented: {answer:?}");
    for (signature, key) in [("rsa_pss_rsae_sha256", "RSA"), ("ecdsa_secp256r1_sha256", "ECDSA")] {
        let shown = s_client(gateway.tls(), &["-sigalgs", signature], GET);
        assert!(shown.contains(&format!("Peer signature type: {key}")), "{signature}: {shown}");
    }
    assert!(!gateway.stderr().contains("made just now"));
}

#[test]
fn settings_that_cannot_be_served_are_told_before_anything_listens() {
    let issued = Certificate::named("a").self_signed();
    let other = Certificate::named("b").self_signed();
    for (cert, key, wrong) in [
        ("/nonexistent/a.pem", &*issued.key, "ssl_cert: /nonexistent/a.pem: No such file"),
        (&issued.cert, &other.key, "ssl_cert_key: is not the key of the certificate"),
        (&issued.cert, "/dev/null", "ssl_cert_key: expected a private key in PEM"),
        (&issued.key, &issued.key, "ssl_cert: expected a certificate in PEM"),
    ] {
        let run = Gateway::unconfigured().with_tls().setting("ssl_cert", cert).setting("ssl_cert_key", key).run();
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(wrong), "{wrong}: {}", run.stderr);
        let secret = issued.key.lines().nth(1).unwrap();
        assert!(!run.stderr.contains(secret), "{}", run.stderr);
    }
}

#[test]
fn each_suite_speaks_its_versions() {
    let upstream = Upstream::echo();
    let yaml = everything(&upstream);
    for (suite, spoken) in [
        ("modern", &["-tls1_3"][..]),
        ("intermediate", &["-tls1_2", "-tls1_3"]),
        ("old", &["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"]),
    ] {
        let gateway = with_tls(&yaml).setting("ssl_cipher_suite", suite).start();
        for version in ["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"] {
            // The client of today must be talked into versions of another age.
            let shown = s_client(gateway.tls(), &[version, "-cipher", "ALL:@SECLEVEL=0"], GET);
            assert_eq!(shown.contains("HTTP/1.1 200"), spoken.contains(&version), "{suite} {version}: {shown}");
        }
    }
}

#[test]
fn http2_is_not_spoken_over_tls_of_another_age() {
    let upstream = Upstream::echo();
    let gateway = with_tls(&everything(&upstream)).setting("ssl_cipher_suite", "old").start();
    for (version, protocol) in [("-tls1_1", "http/1.1"), ("-tls1_2", "h2")] {
        let arguments = [version, "-cipher", "ALL:@SECLEVEL=0", "-alpn", "h2,http/1.1"];
        // Something that ends a connection of either protocol.
        let shown = s_client(gateway.tls(), &arguments, "nonsense\r\n\r\n");
        assert!(shown.contains(&format!("ALPN protocol: {protocol}\n")), "{version}: {shown}");
    }
}

#[test]
fn ciphers_are_those_of_the_suite() {
    let upstream = Upstream::echo();
    let yaml = everything(&upstream);
    let intermediate = with_tls(&yaml).start();
    let accepts = |gateway: &Gateway, cipher: &str| {
        s_client(gateway.tls(), &["-tls1_2", "-cipher", cipher], GET).contains("HTTP/1.1 200")
    };
    assert!(accepts(&intermediate, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    assert!(!accepts(&intermediate, "ECDHE-ECDSA-AES128-SHA"), "no cipher without authenticated encryption");
    let custom = with_tls(&yaml)
        .setting("ssl_cipher_suite", "custom")
        .setting("ssl_ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384")
        .start();
    assert!(accepts(&custom, "ECDHE-ECDSA-AES256-GCM-SHA384"));
    assert!(!accepts(&custom, "ECDHE-ECDSA-AES128-GCM-SHA256"));
}

#[test]
fn a_route_may_be_for_one_server_name() {
    let upstream = Upstream::echo();
    let routes = "- {name: named, paths: [/], snis: [a.test], protocols: [https]}\n- {name: other, paths: [/other]}";
    let gateway = with_tls(&service(&upstream, routes)).start();
    assert_eq!(Curl::to(gateway.tls()).get("a.test", "/x").status, 200);
    assert_eq!(Curl::to(gateway.tls()).get("b.test", "/x").status, 404);
    // The name of the handshake counts, not the host that is asked for.
    assert_eq!(Curl::to(gateway.tls()).header("Host", "b.test").get("a.test", "/x").status, 200);
    assert_eq!(Curl::to(gateway.tls()).header("Host", "a.test").get("b.test", "/x").status, 404);
}

#[test]
fn a_route_for_https_alone_is_served_over_tls_and_redirects_the_rest() {
    let upstream = Upstream::echo();
    let route = "- {name: tls, paths: [/], protocols: [https], https_redirect_status_code: 308}";
    let gateway = with_tls(&service(&upstream, route)).start();
    assert_eq!(gateway.get("/x").status, 308);
    assert!(upstream.take().is_empty());
    assert_eq!(Curl::to(gateway.tls()).get("a.test", "/x").status, 200);
}

/// An authority with a client of it, and one intermediate between them.
struct Clients {
    root: Issued,
    middle: Issued,
    client: Issued,
}

fn clients() -> Clients {
    let root = Certificate::authority("root").self_signed();
    let middle = Certificate::authority("middle").issued_by(&root);
    let client = Certificate::named("alice").email("alice").usages(&["clientAuth"]).issued_by(&middle);
    Clients { root, middle, client }
}

/// A route for `mtls.test` that wants a certificate from `root`, one for `open.test` that does not.
fn mutual(upstream: &Upstream, root: &Issued, more: &str) -> String {
    let id = "33333333-3333-4333-8333-333333333333";
    let plugin = format!("{{name: mtls-auth, config: {{ca_certificates: [{id}], revocation_check_mode: SKIP{more}}}}}");
    let routes = format!(
        "- {{name: mtls, hosts: [mtls.test], paths: [/], plugins: [{plugin}]}}\n- {{name: open, hosts: [open.test], paths: [/]}}"
    );
    let authority = format!("ca_certificates:\n- id: {id}\n{}consumers: [{{username: alice}}]\n", root.cert_yaml(2));
    service(upstream, &routes) + &authority
}

#[test]
fn a_client_certificate_is_asked_for_where_a_route_wants_one() {
    let upstream = Upstream::echo();
    let Clients { root, middle, client } = clients();
    let gateway = with_tls(&mutual(&upstream, &root, "")).start();
    let with = || Curl::to(gateway.tls()).certificate(&client, &[&middle]);
    for curl in [with(), with().http1()] {
        let answer = curl.get("mtls.test", "/x");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(upstream.one().header("X-Consumer-Username"), Some("alice"));
    }
    let answer = Curl::to(gateway.tls()).get("mtls.test", "/x");
    assert_eq!(
        (answer.status, answer.body.contains("No required TLS certificate was sent")),
        (401, true),
        "{answer:?}"
    );
    let asked =
        |name: &str| s_client(gateway.tls(), &["-servername", name], GET).contains("Requested Signature Algorithms");
    assert!(asked("mtls.test") && asked("MTLS.test."));
    assert!(!asked("open.test") && !asked("sub.mtls.test"));
}

#[test]
fn a_connection_that_was_not_asked_gets_421_for_a_host_that_needs_a_certificate() {
    let upstream = Upstream::echo();
    let Clients { root, middle, client } = clients();
    let gateway = with_tls(&mutual(&upstream, &root, "")).start();
    for curl in [Curl::to(gateway.tls()), Curl::to(gateway.tls()).http1()] {
        let curl = curl.certificate(&client, &[&middle]).header("Host", "mtls.test");
        let answer = curl.get("open.test", "/x");
        assert_eq!(answer.status, 421, "{answer:?}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn authorities_are_named_to_clients_when_the_plugin_says_so() {
    let upstream = Upstream::echo();
    let Clients { root, .. } = clients();
    for (more, named) in [("", false), (", send_ca_dn: true", true)] {
        let gateway = with_tls(&mutual(&upstream, &root, more)).start();
        let shown = s_client(gateway.tls(), &["-servername", "mtls.test"], GET);
        assert_eq!(shown.contains("Acceptable client certificate CA names\nCN = root"), named, "{shown}");
    }
}

/// Connects twice with what `openssl s_client` keeps of the first session; what the second time looked like.
fn resumed(gateway: &Gateway, first: &[&str], second: &[&str]) -> String {
    let folder = Folder::new();
    let session = folder.path().join("session").display().to_string();
    let shown = s_client(gateway.tls(), &[first, &["-sess_out", &session]].concat(), &get_of(first));
    assert!(shown.contains("HTTP/1.1 "), "{shown}");
    if !folder.path().join("session").exists() {
        return "nothing to resume".to_owned();
    }
    s_client(gateway.tls(), &[second, &["-sess_in", &session]].concat(), &get_of(second))
}

/// A request for the name that these arguments ask for.
fn get_of(arguments: &[&str]) -> String {
    let name = arguments.iter().skip_while(|argument| **argument != "-servername").nth(1).copied().unwrap_or("a.test");
    GET.replace("a.test", name)
}

#[test]
fn sessions_are_resumed_where_no_certificate_is_asked_for() {
    let upstream = Upstream::echo();
    let Clients { root, .. } = clients();
    let nobody_asks = with_tls(&everything(&upstream)).start();
    let somebody_asks = with_tls(&mutual(&upstream, &root, "")).start();
    for gateway in [&nobody_asks, &somebody_asks] {
        for version in ["-tls1_2", "-tls1_3"] {
            let arguments = [version, "-servername", "open.test"];
            let shown = resumed(gateway, &arguments, &arguments);
            assert!(shown.contains("Reused, ") && shown.contains("HTTP/1.1 200"), "{version}: {shown}");
        }
    }
}

#[test]
fn a_session_never_stands_for_a_certificate() {
    let upstream = Upstream::echo();
    let Clients { root, middle, client } = clients();
    let gateway = with_tls(&mutual(&upstream, &root, "")).start();
    let folder = Folder::new();
    let chain = folder.write("middle.pem", &middle.cert).display().to_string();
    let cert = folder.write("client.pem", &client.cert).display().to_string();
    let key = folder.write("client.key", &client.key).display().to_string();
    let identity = ["-cert", &*cert, "-key", &*key, "-cert_chain", &*chain];
    // TLS 1.2 gives every session a name, under which nothing is kept here; TLS 1.3 gives none.
    for (version, again, without) in
        [("-tls1_2", "HTTP/1.1 200", "HTTP/1.1 401"), ("-tls1_3", "nothing to resume", "nothing to resume")]
    {
        let asked = [&[version, "-servername", "mtls.test"][..], &identity].concat();
        let shown = resumed(&gateway, &asked, &asked);
        assert!(shown.contains(again) && !shown.contains("Reused, "), "the intermediate is needed: {version}: {shown}");
        let shown = resumed(&gateway, &asked, &[version, "-servername", "mtls.test"]);
        assert!(shown.contains(without) && !shown.contains("Reused, "), "{version}: {shown}");
        // A session that was never asked, for a name that is.
        let shown = resumed(&gateway, &[version, "-servername", "open.test"], &asked);
        assert!(shown.contains("Reused, ") && shown.contains("HTTP/1.1 421"), "{version}: {shown}");
    }
}

#[test]
fn a_client_that_does_not_get_on_with_its_handshake_is_cut_off() {
    let upstream = Upstream::echo();
    let gateway = with_tls(&everything(&upstream)).setting("client_header_timeout", "1").start();
    for begun in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut client = Client::connect(gateway.tls());
        client.write(begun);
        assert!(client.is_closed(), "{begun:?}");
    }
    assert!(!gateway.stderr().contains("ERROR"), "anybody can do this, and nobody's log may be filled by it");
}

#[test]
fn a_client_that_speaks_no_protocol_of_ours_is_told_so() {
    let upstream = Upstream::echo();
    let gateway = with_tls(&everything(&upstream)).start();
    let shown = s_client(gateway.tls(), &["-alpn", "smtp"], GET);
    assert!(shown.contains("no application protocol") && !shown.contains("HTTP/1.1"), "{shown}");
}
