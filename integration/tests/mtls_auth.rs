//! The plugin mtls-auth.

use std::fs;

use signet_integration::{Gateway, Request, Upstream};

use crate::setup::{repository, service};

const AUTHORITY: &str = "7b9af8ff-b16c-45f0-9c87-000000000001";

/// The authority of `test-keys/`, and the consumer of its client.
fn authority() -> String {
    let pem = fs::read_to_string(repository("test-keys/mtls-ca.pem")).unwrap();
    let pem: String = pem.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "\nca_certificates:\n- id: {AUTHORITY}\n  cert: |\n{pem}
consumers:
- {{username: contact@example.test, custom_id: contact-1}}
- {{username: anon}}
"
    )
}

/// The plugin as one line of YAML.
fn plugin(more: &str) -> String {
    format!("{{name: mtls-auth, config: {{ca_certificates: [{AUTHORITY}], revocation_check_mode: SKIP{more}}}}}")
}

#[test]
fn without_tls_there_is_no_certificate() {
    let upstream = Upstream::echo();
    let routes = format!(
        "- {{name: closed, paths: [/closed], plugins: [{}]}}\n- {{name: either, paths: [/either], plugins: [{}]}}",
        plugin(""),
        plugin(", anonymous: anon")
    );
    let gateway = Gateway::start(&(service(&upstream, &routes) + &authority()));
    let refused = gateway.get("/closed");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["message"], "No required TLS certificate was sent");
    assert!(upstream.take().is_empty());
    let forged = Request::get("/either").header("X-Client-Cert-Dn", "CN=forged").header("X-Client-Cert-San", "forged");
    assert_eq!(gateway.send(&forged).status, 200);
    let seen = upstream.one();
    assert_eq!(seen.header("X-Consumer-Username"), Some("anon"));
    assert_eq!(seen.header("X-Anonymous-Consumer"), Some("true"));
    assert_eq!((seen.header("X-Client-Cert-Dn"), seen.header("X-Client-Cert-San")), (None, None));
}
