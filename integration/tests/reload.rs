//! SIGHUP: the file and what the settings name are loaded again, while requests go on.

use signet_integration::{Certificate, Folder, Gateway, Issued, Kept, Request, Upstream};

use crate::setup::service;

fn one_route(upstream: &Upstream, path: &str) -> String {
    service(upstream, &format!("- {{name: it, paths: [{path}]}}"))
}

fn certificate(issued: &Issued) -> String {
    format!("certificates:\n-\n{}  snis: [{{name: a.test}}]\n", issued.yaml(2))
}

#[test]
fn another_file_serves_on_connections_that_are_kept_too() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&one_route(&upstream, "/old"));
    let mut kept = gateway.client();
    assert_eq!(kept.send(&Request::get("/old")).status, 200);
    gateway.reload(&one_route(&upstream, "/new"));
    assert_eq!(kept.send(&Request::get("/new")).status, 200);
    assert_eq!(kept.send(&Request::get("/old")).status, 404);
    let metrics = gateway.get_status("/metrics").text();
    assert!(metrics.contains("\nsignet_config_generation 2\n"), "{metrics}");
    assert!(metrics.contains("\nsignet_config_reloads_total{result=\"success\"} 2\n"), "{metrics}");
    let requests = metrics.lines().find(|line| line.contains("route=\"it\"") && line.contains("code=\"200\""));
    assert!(requests.is_some_and(|line| line.ends_with(" 2")), "the counters go on: {metrics}");
}

#[test]
fn connections_to_an_upstream_that_did_not_change_go_on() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&one_route(&upstream, "/old"));
    assert_eq!(gateway.get("/old").status, 200);
    gateway.reload(&one_route(&upstream, "/new"));
    assert_eq!(gateway.get("/new").status, 200);
    assert_eq!(upstream.accepted(), 1);
}

#[test]
fn the_status_says_what_became_of_a_load_and_what_serves() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&one_route(&upstream, "/old"));
    let first = gateway.config_status();
    assert_eq!((&first["generation"], &first["last"]["cause"]), (&1.into(), &"start".into()), "{first:#}");
    gateway.reload("_format_version: '3.0'\nservices: 5\nroutes: 6\n");
    let status = gateway.config_status();
    let mistakes = status["last"]["mistakes"].as_array().expect("a list");
    let places: Vec<_> = mistakes.iter().map(|one| (one["line"].as_u64(), one["path"].as_str())).collect();
    assert_eq!(places, [(Some(2), Some("services")), (Some(3), Some("routes"))], "{status:#}");
    assert_eq!(status["last_success"], first["last_success"]);
    assert_eq!((&status["hash"], &status["serving"]["routes"]), (&first["hash"], &1.into()), "{status:#}");
    assert_ne!(status["last"]["hash"], first["hash"]);
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_is_told() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&one_route(&upstream, "/old"));
    gateway.reload("_format_version: '3.0'\nservices: 5\n");
    assert_eq!(gateway.get("/old").status, 200);
    let metrics = gateway.get_status("/metrics").text();
    assert!(metrics.contains("\nsignet_config_reloads_total{result=\"failure\"} 1\n"), "{metrics}");
    assert!(metrics.contains("\nsignet_config_generation 1\n"), "{metrics}");
    let told = gateway.stderr();
    assert!(told.lines().any(|line| line.contains("kong.yml:2: services: ")), "{told}");
    assert!(told.lines().any(|line| line.contains("the configuration is not changed")), "{told}");
    gateway.reload(&one_route(&upstream, "/new"));
    assert_eq!(gateway.get("/new").status, 200);
}

#[test]
fn a_certificate_changes_and_no_connection_is_lost() {
    let upstream = Upstream::echo();
    let file = |name: &str| one_route(&upstream, "/") + &certificate(&Certificate::named(name).self_signed());
    let gateway = Gateway::with(&file("first")).with_tls().start();
    let mut kept = Kept::open(gateway.tls(), "a.test");
    assert_eq!((kept.subject().as_str(), kept.get("a.test", "/1")), ("first", 200));
    gateway.reload(&file("second"));
    assert_eq!(kept.get("a.test", "/2"), 200);
    let mut next = Kept::open(gateway.tls(), "a.test");
    assert_eq!((next.subject().as_str(), next.get("a.test", "/3")), ("second", 200));
    assert_eq!(kept.get("a.test", "/4"), 200);
}

#[test]
fn the_certificate_of_the_settings_is_read_again() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let renew = |name: &str| {
        let issued = Certificate::named(name).self_signed();
        (folder.write("cert.pem", &issued.cert), folder.write("key.pem", &issued.key))
    };
    let (cert, key) = renew("first");
    let gateway = Gateway::with(&one_route(&upstream, "/"))
        .with_tls()
        .setting("ssl_cert", &cert.display().to_string())
        .setting("ssl_cert_key", &key.display().to_string())
        .start();
    assert_eq!(Kept::open(gateway.tls(), "a.test").subject(), "first");
    renew("second");
    gateway.hang_up();
    assert_eq!(Kept::open(gateway.tls(), "a.test").subject(), "second");
    folder.write("key.pem", "no key");
    gateway.hang_up();
    assert_eq!(Kept::open(gateway.tls(), "a.test").subject(), "second");
    assert!(gateway.stderr().contains("ssl_cert_key: "), "{}", gateway.stderr());
}

#[test]
fn the_certificate_that_was_made_at_start_is_kept() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&one_route(&upstream, "/")).with_tls().start();
    let serial = |kept: &Kept| kept.certificate().serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string();
    let before = serial(&Kept::open(gateway.tls(), "a.test"));
    gateway.hang_up();
    assert_eq!(serial(&Kept::open(gateway.tls(), "a.test")), before);
}
