//! The admin listener: who may use it, and what it is asked.

use signet_integration::{Certificate, Client, Curl, Folder, Gateway, Request, signet};

/// A file with nothing to protect.
const EMPTY: &str = "_format_version: '3.0'\n";

const TOKEN: &str = "0123456789abcdef";

#[test]
fn it_answers_what_the_status_listener_answers() {
    let gateway = Gateway::with(EMPTY).with_admin().start();
    for path in ["/status", "/status/ready", "/metrics", "/status/"] {
        assert_eq!(gateway.get_admin(path).status, 200, "{path}");
    }
    let nothing = gateway.get_admin("/nothing");
    assert_eq!((nothing.status, nothing.json()["message"].as_str()), (404, Some("Not found")));
    assert_eq!(gateway.get("/status").status, 404, "the proxy is not the admin listener");
}

#[test]
fn methods_are_answered_as_in_kong() {
    let gateway = Gateway::with(EMPTY).with_admin().start();
    let mut client = Client::connect(gateway.admin());
    let local = |method: &str| Request::new(method, "/status").header("Host", "localhost");
    let refused = client.send(&local("POST"));
    assert_eq!((refused.status, refused.json()["message"].as_str()), (405, Some("Method not allowed")));
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    let options = client.send(&local("OPTIONS"));
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(options.header("access-control-allow-origin"), None);
    let head = client.send(&local("HEAD"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(client.send(&local("GET")).status, 200, "the connection is kept");
}

#[test]
fn web_pages_and_rebound_names_are_refused() {
    let gateway = Gateway::with(EMPTY).with_admin().start();
    let ask = |host: &str, extra: Option<(&str, &str)>| {
        let request = Request::get("/status").header("Host", host);
        gateway.send_admin(&extra.iter().fold(request, |request, (name, value)| request.header(name, value))).status
    };
    assert_eq!((ask("localhost:8001", None), ask("127.0.0.1:8001", None), ask("[::1]", None)), (200, 200, 200));
    assert_eq!((ask("rebound.test", None), ask("rebound.test:8001", None)), (403, 403));
    assert_eq!(ask("localhost", Some(("Origin", "http://localhost"))), 403);
    assert_eq!(ask("localhost", Some(("Sec-Fetch-Site", "same-site"))), 403);
}

#[test]
fn with_a_token_nobody_is_answered_without_it() {
    let gateway = Gateway::with(EMPTY).with_admin().setting("admin_token", TOKEN).start();
    for path in ["/status", "/nothing", "/metrics"] {
        let refused = gateway.get_admin(path);
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (401, Some("Bearer realm=\"admin\"")),
            "{path}"
        );
    }
    let with = |token: &str| {
        let request =
            Request::get("/status").header("Host", "admin.test").header("Authorization", &format!("Bearer {token}"));
        gateway.send_admin(&request).status
    };
    assert_eq!((with(TOKEN), with("0123456789abcdeg"), with("")), (200, 401, 401));
    let header = Request::get("/status").header("Kong-Admin-Token", TOKEN);
    assert_eq!(gateway.send_admin(&header).status, 200);
    assert_eq!(gateway.get_status("/status").status, 200, "the status listener has no token");
}

#[test]
fn it_is_never_open_to_the_network_by_accident() {
    let run = Gateway::with(EMPTY).setting("admin_listen", "0.0.0.0:0").run();
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("SIGNET_ADMIN_LISTEN: others than this machine can reach it"), "{}", run.stderr);
    let open =
        Gateway::with(EMPTY).setting("admin_listen", "0.0.0.0:0").setting("admin_allow_unprotected", "on").start();
    let port = open.admin().port();
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    assert_eq!(client.send(&Request::get("/status").header("Host", "admin.test")).status, 200);
}

#[test]
fn over_tls_only_clients_with_a_trusted_certificate_are_answered() {
    let (authority, other) = (Certificate::authority("operators"), Certificate::authority("others"));
    let (authority, other) = (authority.self_signed(), other.self_signed());
    let server = Certificate::named("admin.test").dns("admin.test").issued_by(&authority);
    let client = |authority| Certificate::named("an operator").issued_by(authority);
    let folder = Folder::new();
    let file = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let gateway = Gateway::with(EMPTY)
        .setting("admin_listen", "127.0.0.1:0 http2 ssl")
        .setting("admin_client_ca", &file("ca.pem", &authority.cert))
        .setting("admin_ssl_cert", &file("cert.pem", &server.cert))
        .setting("admin_ssl_cert_key", &file("key.pem", &server.key))
        .start();
    let curl = || Curl::trusting(gateway.admin(), &authority);
    let trusted = curl().certificate(&client(&authority), &[]).get("admin.test", "/status");
    assert_eq!((trusted.status, trusted.version.as_str()), (200, "2"), "{trusted:?}");
    let http1 = curl().http1().certificate(&client(&authority), &[]).get("admin.test", "/services");
    assert_eq!((http1.status, http1.version.as_str()), (200, "1.1"), "{http1:?}");
    let page = curl().certificate(&client(&authority), &[]).header("Origin", "https://page.test");
    assert_eq!(page.get("admin.test", "/status").status, 403, "a browser shows its certificate to any page");
    assert_eq!(curl().get("admin.test", "/status").status, 0, "without a certificate");
    assert_eq!(curl().certificate(&client(&other), &[]).get("admin.test", "/status").status, 0, "of another authority");
    let plain = Client::connect(gateway.admin()).send(&Request::get("/status"));
    assert_eq!(plain.status, 400, "{plain:?}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_start() {
    let run = Gateway::with(EMPTY)
        .setting("admin_listen", "127.0.0.1:0 ssl")
        .setting("admin_client_ca", "/nonexistent/ca.pem")
        .run();
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("admin_client_ca: /nonexistent/ca.pem: "), "{}", run.stderr);
}

#[test]
fn the_status_listener_speaks_tls_with_a_certificate_of_its_own() {
    let authority = Certificate::authority("a").self_signed();
    let server = Certificate::named("status.test").dns("status.test").issued_by(&authority);
    let folder = Folder::new();
    let file = |name: &str, text: &str| folder.write(name, text).display().to_string();
    // The helper waits for a listener without TLS.
    let gateway = Gateway::with(EMPTY)
        .setting("status_listen", "127.0.0.1:0, 127.0.0.1:0 ssl")
        .setting("status_ssl_cert", &file("cert.pem", &server.cert))
        .setting("status_ssl_cert_key", &file("key.pem", &server.key))
        .start();
    let line =
        gateway.stderr().lines().find_map(|line| line.strip_prefix("status listening on https://").map(str::to_owned));
    let address: std::net::SocketAddr = line.unwrap().parse().unwrap();
    assert_eq!(Curl::trusting(address, &authority).get("status.test", "/status/ready").status, 200);
    let settings = file("health.yaml", &format!("status_listen: {address} ssl\n"));
    let run = signet(["health", "-s", &settings]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), "ready\n"));
}
