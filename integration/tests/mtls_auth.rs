//! The plugin mtls-auth.

use std::fs;

use serde_json::Value;
use signet_integration::{Answer, Certificate, Curl, Gateway, Issued, Kept, Request, Upstream, s_client};

use crate::{
    jose::verify,
    setup::{repository, service, test_key, x_custom_jwt},
};

const AUTHORITY: &str = "7b9af8ff-b16c-45f0-9c87-000000000001";
const OTHER: &str = "7b9af8ff-b16c-45f0-9c87-000000000002";

const MISSING: &str = "No required TLS certificate was sent";
const UNTRUSTED: &str = "TLS certificate failed verification";

const CONSUMERS: &str = "
consumers:
- {username: alice, custom_id: alice-at-home}
- {username: bob}
- {username: anon}
";

/// `ca_certificates` of a file.
fn authorities(known: &[(&str, &Issued)]) -> String {
    let entries = known.iter().map(|(id, issued)| format!("- id: {id}\n{}", issued.cert_yaml(2)));
    std::iter::once("\nca_certificates:\n".to_owned()).chain(entries).collect()
}

/// The plugin as one line of YAML.
fn plugin(more: &str) -> String {
    format!("{{name: mtls-auth, config: {{ca_certificates: [{AUTHORITY}], revocation_check_mode: SKIP{more}}}}}")
}

/// An authority, and a gateway that trusts it on the route `/closed`; `/either` has an anonymous consumer, `/open` no plugin.
struct Setup {
    root: Issued,
    upstream: Upstream,
    gateway: Gateway,
}

impl Setup {
    fn new() -> Self {
        let root = Certificate::authority("Root").self_signed();
        let upstream = Upstream::echo();
        let routes = format!(
            "- {{name: closed, paths: [/closed], plugins: [{}]}}\n- {{name: either, paths: [/either], plugins: [{}]}}\n- {{name: open, paths: [/open]}}",
            plugin(""),
            plugin(", anonymous: anon")
        );
        let file = service(&upstream, &routes) + &authorities(&[(AUTHORITY, &root)]) + CONSUMERS;
        let gateway = Gateway::with(&file).with_tls().start();
        Self { root, upstream, gateway }
    }

    fn curl(&self) -> Curl {
        Curl::to(self.gateway.tls())
    }

    /// The consumer that a certificate makes of a request, or the refusal.
    fn consumer(&self, client: &Issued, chain: &[&Issued]) -> Result<String, String> {
        let answer = self.curl().certificate(client, chain).get("gw.test", "/closed");
        match answer.status {
            200 => Ok(self.upstream.one().header("X-Consumer-Username").unwrap().to_owned()),
            401 => Err(message(&answer)),
            _ => panic!("{answer:?}"),
        }
    }
}

fn message(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    body["message"].as_str().unwrap().to_owned()
}

#[test]
fn without_tls_there_is_no_certificate() {
    let setup = Setup::new();
    let refused = setup.gateway.get("/closed");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["message"], MISSING);
    assert!(setup.upstream.take().is_empty());
    let forged = Request::get("/either").header("X-Client-Cert-Dn", "CN=forged").header("X-Client-Cert-San", "forged");
    assert_eq!(setup.gateway.send(&forged).status, 200);
    let seen = setup.upstream.one();
    assert_eq!(seen.header("X-Consumer-Username"), Some("anon"));
    assert_eq!(seen.header("X-Anonymous-Consumer"), Some("true"));
    assert_eq!((seen.header("X-Client-Cert-Dn"), seen.header("X-Client-Cert-San")), (None, None));
}

#[test]
fn a_certificate_names_its_consumer_over_both_versions_of_http() {
    let setup = Setup::new();
    let alice = Certificate::named("alice").issued_by(&setup.root);
    for (curl, version) in [(setup.curl().http1(), "1.1"), (setup.curl(), "2")] {
        let answers = curl.certificate(&alice, &[]).get_all("gw.test", &["/closed", "/closed", "/open"]);
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200; 3], "{answers:?}");
        assert!(answers.iter().all(|answer| answer.version == version), "{answers:?}");
        let seen = setup.upstream.take();
        for closed in &seen[..2] {
            assert_eq!(closed.header("X-Consumer-Username"), Some("alice"));
            assert_eq!(closed.header("X-Consumer-Custom-ID"), Some("alice-at-home"));
            assert_eq!(closed.header("X-Credential-Identifier"), Some("alice"));
        }
        assert_eq!(seen[2].header("X-Consumer-Username"), None, "a route without the plugin");
    }
}

#[test]
fn who_sends_no_certificate_is_refused_or_anonymous() {
    let setup = Setup::new();
    let answer = setup.curl().get("gw.test", "/closed");
    assert_eq!((answer.status, message(&answer).as_str()), (401, MISSING));
    assert!(setup.upstream.take().is_empty());
    assert_eq!(setup.curl().get("gw.test", "/either").status, 200);
    assert_eq!(setup.upstream.one().header("X-Consumer-Username"), Some("anon"));
    assert_eq!(setup.curl().get("gw.test", "/open").status, 200);
}

#[test]
fn what_the_authority_does_not_vouch_for_is_refused() {
    let setup = Setup::new();
    let impostor = Certificate::authority("Root").self_signed();
    let alice = || Certificate::named("alice");
    let refused = Err(UNTRUSTED.to_owned());
    for (what, client) in [
        ("another root of the same name", alice().issued_by(&impostor)),
        ("self-signed", alice().self_signed()),
        ("expired", alice().days(-3, -1).issued_by(&setup.root)),
        ("not yet valid", alice().days(1, 3).issued_by(&setup.root)),
        ("for servers only", alice().usages(&["serverAuth"]).issued_by(&setup.root)),
        ("nobody's", Certificate::named("nobody").issued_by(&setup.root)),
    ] {
        assert_eq!(setup.consumer(&client, &[&impostor]), refused, "{what}");
    }
    assert!(setup.upstream.take().is_empty());
    assert_eq!(setup.consumer(&alice().usages(&["clientAuth"]).issued_by(&setup.root), &[]).as_deref(), Ok("alice"));
    assert_eq!(setup.consumer(&alice().rsa().issued_by(&setup.root), &[]).as_deref(), Ok("alice"));
    let forged = setup.curl().certificate(&alice().self_signed(), &[]).get("gw.test", "/either");
    assert_eq!(forged.status, 200);
    assert_eq!(setup.upstream.one().header("X-Anonymous-Consumer"), Some("true"));
}

#[test]
fn the_client_sends_the_intermediates() {
    let setup = Setup::new();
    let intermediate = Certificate::authority("Intermediate").issued_by(&setup.root);
    let alice = Certificate::named("x").dns("nobody").email("alice").dns("bob").issued_by(&intermediate);
    assert_eq!(setup.consumer(&alice, &[]), Err(UNTRUSTED.to_owned()));
    assert_eq!(
        setup.consumer(&alice, &[&intermediate]).as_deref(),
        Ok("alice"),
        "the alternative names in their order"
    );
    let of_leaf = Certificate::named("bob").issued_by(&alice);
    assert_eq!(setup.consumer(&of_leaf, &[&alice, &intermediate]), Err(UNTRUSTED.to_owned()));
}

#[test]
fn an_intermediate_alone_is_trusted_only_if_partial_chains_are() {
    let root = Certificate::authority("Root").self_signed();
    let intermediate = Certificate::authority("Intermediate").issued_by(&root);
    let alice = Certificate::named("alice").issued_by(&intermediate);
    let upstream = Upstream::echo();
    let routes = format!(
        "- {{name: whole, paths: [/whole], plugins: [{}]}}\n- {{name: partial, paths: [/partial], plugins: [{}]}}",
        plugin(""),
        plugin(", allow_partial_chain: true")
    );
    let file = service(&upstream, &routes) + &authorities(&[(AUTHORITY, &intermediate)]) + CONSUMERS;
    let gateway = Gateway::with(&file).with_tls().start();
    let answers = Curl::to(gateway.tls()).certificate(&alice, &[&root]).get_all("gw.test", &["/whole", "/partial"]);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 200], "{answers:?}");
}

#[test]
fn a_route_of_another_host_on_the_same_connection_gets_421() {
    let root = Certificate::authority("Root").self_signed();
    let alice = Certificate::named("alice").issued_by(&root);
    let upstream = Upstream::echo();
    let routes = format!(
        "- {{name: open, hosts: [open.test]}}\n- {{name: closed, hosts: [closed.test], plugins: [{}]}}",
        plugin(", anonymous: anon")
    );
    let file = service(&upstream, &routes) + &authorities(&[(AUTHORITY, &root)]) + CONSUMERS;
    let gateway = Gateway::with(&file).with_tls().start();
    let curl = || Curl::to(gateway.tls()).certificate(&alice, &[]);
    for curl in [curl().http1(), curl()] {
        let coalesced = curl.header("Host", "closed.test").get("open.test", "/");
        assert_eq!(coalesced.status, 421, "{coalesced:?}");
        assert!(message(&coalesced).contains("another"), "{coalesced:?}");
    }
    assert!(upstream.take().is_empty());
    let mut kept = Kept::open(gateway.tls(), "open.test");
    let answers = ["open.test", "closed.test", "open.test"].map(|host| kept.get(host, "/"));
    assert_eq!(answers, [200, 421, 200]);
    assert_eq!(upstream.take().len(), 2);
    assert_eq!(curl().get("closed.test", "/").status, 200);
    assert_eq!(upstream.one().header("X-Consumer-Username"), Some("alice"));
    assert_eq!(Curl::to(gateway.tls()).get("open.test", "/").status, 200);
}

#[test]
fn the_authorities_are_named_in_the_handshake_only_if_told() {
    let root = Certificate::authority("The root that is named").self_signed();
    let upstream = Upstream::echo();
    for (more, named) in [("", false), (", send_ca_dn: true", true)] {
        let routes = format!("- {{name: closed, paths: [/], plugins: [{}]}}", plugin(more));
        let file = service(&upstream, &routes) + &authorities(&[(AUTHORITY, &root)]) + CONSUMERS;
        let gateway = Gateway::with(&file).with_tls().start();
        let request = "GET / HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n";
        for version in ["-tls1_2", "-tls1_3"] {
            let said = s_client(gateway.tls(), &[version, "-servername", "gw.test"], request);
            let (_, names) = said.split_once("Acceptable client certificate CA names").unwrap_or_default();
            assert_eq!(names.contains("The root that is named"), named, "{more} {version}: {said}");
            assert!(said.contains(MISSING), "{said}");
        }
    }
}

#[test]
fn a_certificate_without_a_consumer_has_groups() {
    let root = Certificate::authority("Root").self_signed();
    let upstream = Upstream::echo();
    let skip = |more: &str| plugin(&format!(", skip_consumer_lookup: true{more}"));
    let routes = format!(
        "- {{name: named, paths: [/named], plugins: [{}, {{name: acl, config: {{allow: [staff]}}}}]}}
- {{name: subject, paths: [/subject], plugins: [{}, {{name: acl, config: {{deny: ['O=Acme, CN=staff']}}}}]}}",
        skip(""),
        skip(", authenticated_group_by: DN")
    );
    let file = service(&upstream, &routes) + &authorities(&[(AUTHORITY, &root)]) + CONSUMERS;
    let gateway = Gateway::with(&file).with_tls().start();
    let staff = Certificate::named("staff").subject("O", "Acme").dns("desk.test").issued_by(&root);
    let guest = Certificate::named("guest").subject("O", "Acme").issued_by(&root);
    let status = |client: &Issued, path: &str| {
        Curl::to(gateway.tls())
            .certificate(client, &[])
            .header("X-Client-Cert-Dn", "CN=forged")
            .get("gw.test", path)
            .status
    };
    assert_eq!(status(&staff, "/named"), 200);
    let seen = upstream.one();
    assert_eq!(seen.headers.all("X-Client-Cert-Dn").collect::<Vec<_>>(), ["CN=staff,O=Acme"]);
    assert_eq!(seen.header("X-Client-Cert-San"), Some("desk.test"));
    assert_eq!(seen.header("X-Authenticated-Groups"), Some("staff"));
    assert_eq!(seen.header("X-Consumer-Username"), None);
    assert_eq!(status(&guest, "/named"), 403);
    assert_eq!(status(&staff, "/subject"), 403);
    assert_eq!(status(&guest, "/subject"), 200);
}

#[test]
fn a_mapping_is_for_one_authority_or_for_all() {
    let (first, second) =
        (Certificate::authority("First").self_signed(), Certificate::authority("Second").self_signed());
    let upstream = Upstream::echo();
    let routes = format!(
        "- {{name: closed, paths: [/], plugins: [{}]}}",
        plugin("").replace(AUTHORITY, &format!("{AUTHORITY}, {OTHER}"))
    );
    let consumers = format!(
        "
consumers:
- username: of-first
  mtls_auth_credentials: [{{id: 11111111-1111-4111-8111-000000000001, subject_name: a.test, ca_certificate: {{id: {AUTHORITY}}}}}]
- username: of-any
  mtls_auth_credentials: [{{id: 11111111-1111-4111-8111-000000000002, subject_name: a.test}}]
"
    );
    let file = service(&upstream, &routes) + &authorities(&[(AUTHORITY, &first), (OTHER, &second)]) + &consumers;
    let gateway = Gateway::with(&file).with_tls().start();
    for (authority, consumer, id) in [(&first, "of-first", "1"), (&second, "of-any", "2")] {
        let client = Certificate::named("x").dns("a.test").issued_by(authority);
        assert_eq!(Curl::to(gateway.tls()).certificate(&client, &[]).get("gw.test", "/").status, 200);
        let seen = upstream.one();
        assert_eq!(seen.header("X-Consumer-Username"), Some(consumer));
        assert!(seen.header("X-Credential-Identifier").unwrap().ends_with(id));
    }
}

#[test]
fn a_certificate_or_a_key_is_enough_where_both_have_an_anonymous_consumer() {
    let root = Certificate::authority("Root").self_signed();
    let alice = Certificate::named("alice").issued_by(&root);
    let upstream = Upstream::echo();
    let routes = format!(
        "- {{name: either, paths: [/either], plugins: [{}, {{name: key-auth, config: {{anonymous: anon}}}}]}}
- {{name: both, paths: [/both], plugins: [{}, {{name: key-auth}}]}}",
        plugin(", anonymous: anon"),
        plugin("")
    );
    let consumers = CONSUMERS.replace("{username: bob}", "{username: bob, keyauth_credentials: [{key: bob-key}]}");
    let file = service(&upstream, &routes) + &authorities(&[(AUTHORITY, &root)]) + &consumers;
    let gateway = Gateway::with(&file).with_tls().start();
    let consumer = |certificate: bool, key: bool, path: &str| {
        let mut curl = Curl::to(gateway.tls());
        if certificate {
            curl = curl.certificate(&alice, &[]);
        }
        if key {
            curl = curl.header("apikey", "bob-key");
        }
        match curl.get("gw.test", path).status {
            200 => upstream.one().header("X-Consumer-Username").unwrap().to_owned(),
            status => status.to_string(),
        }
    };
    for (certificate, key, either, both) in [
        (true, false, "alice", "401"),
        (false, true, "bob", "401"),
        (true, true, "alice", "bob"),
        (false, false, "anon", "401"),
    ] {
        assert_eq!(consumer(certificate, key, "/either"), either);
        assert_eq!(consumer(certificate, key, "/both"), both, "the last plugin names the consumer");
    }
}

/// The consumer and the services of the story, in front of `upstream`; the token is signed as the story's is.
fn story(upstream: &Upstream, ca: &str, username: &str) -> String {
    let ca: String = ca.lines().map(|line| format!("    {line}\n")).collect();
    let plugins = format!(
        "[{}, {}]",
        plugin("").replace("SKIP", "IGNORE_CA_ERROR"),
        x_custom_jwt("rs256-private-jwk.json", ", claims: {amr: true, cnf: true}")
    );
    let routes = format!("- {{name: mtlsAuth, paths: [/mtlsAuth], plugins: {plugins}}}");
    let consumers = format!(
        "\nca_certificates:\n- id: {AUTHORITY}\n  cert: |\n{ca}consumers: [{{username: {username}, custom_id: {username}-ID1}}]\n"
    );
    service(upstream, &routes) + &consumers
}

/// The claims that a client's certificate becomes.
fn claims(ca: &str, username: &str, cert: &str, key: &str) -> Value {
    let upstream = Upstream::echo();
    let ca = fs::read_to_string(repository(ca)).unwrap();
    let gateway = Gateway::with(&story(&upstream, &ca, username)).with_tls().start();
    let curl = Curl::to(gateway.tls()).argument("--cert").argument(repository(cert).display().to_string());
    let answer = curl.argument("--key").argument(repository(key).display().to_string()).get("gw.test", "/mtlsAuth");
    assert_eq!(answer.status, 200, "{answer:?}");
    verify(upstream.one().header("X-Custom-Jwt").unwrap(), &test_key("rs256-jwks.json")).claims
}

#[test]
fn a_certificate_becomes_a_token_that_names_its_subject() {
    let (cert, key) = ("test-keys/mtls-client.pem", "test-keys/mtls-client-key.pem");
    let claims = claims("test-keys/mtls-ca.pem", "contact@example.test", cert, key);
    let subject = "C=US, ST=California, O=Example Inc., OU=Consumers, CN=client, emailAddress=contact@example.test";
    assert_eq!(claims["client_id"], subject);
    assert_eq!(claims["act"]["client_id"], "contact@example.test-ID1");
    assert_eq!(claims["amr"], serde_json::json!(["pop"]));
    assert_eq!(claims["cnf"]["x5t#S256"].as_str().map(str::len), Some(43));
}

#[test]
fn the_story_s_own_certificate_becomes_the_story_s_token() {
    let folder = "../shared/seed/x-custom-jwt/mTLS";
    if !repository(folder).is_dir() {
        println!("skipped: {folder} is not there");
        return;
    }
    let file = |name: &str| format!("{folder}/{name}");
    let claims = claims(&file("ca.cert.pem"), "contact@konghq.com", &file("01.pem"), &file("client.key"));
    let subject = "C=US, ST=California, O=Kong Inc., OU=Konnect, CN=kong, emailAddress=contact@konghq.com";
    assert_eq!(claims["client_id"], subject);
    assert_eq!(claims["act"]["client_id"], "contact@konghq.com-ID1");
}
