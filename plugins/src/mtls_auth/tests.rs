//! `mtls-auth` by its configuration in YAML, with certificates made here, one request at a time.

mod certificates;
mod lists;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use openssl::{hash::MessageDigest, x509::X509Name};
use signet_plugin_api::{Body, CertificateChain, ClientCertificate, Flow, Handler, Names, Proof};

use self::certificates::{Name, Pair, Wanted};
use super::{NAME, trust::Trust};
use crate::testing::{Exchange, World, text};

const ROOT: &str = "7b9af8ff-b16c-45f0-9c87-766d20b1dc2e";
const OTHER: &str = "7b9af8ff-b16c-45f0-9c87-000000000002";
const CONSUMERS: &str = "
consumers:
- {username: alice, custom_id: alice-at-home}
- {username: bob, custom_id: bob@home.test}
- {username: anon}
- {username: 'spiffe://home.test/carol'}
- {username: 10.1.2.3}
";

const MISSING: &str = "No required TLS certificate was sent";
const UNTRUSTED: &str = "TLS certificate failed verification";

/// A world that knows these authorities, by their ids.
fn world(authorities: &[(&str, &Pair)], consumers: &str) -> World {
    World::load(&file(authorities, consumers))
}

fn file(authorities: &[(&str, &Pair)], consumers: &str) -> String {
    let mut file = String::from("ca_certificates:\n");
    for (id, pair) in authorities {
        let pem: String = pair.pem().lines().map(|line| format!("    {line}\n")).collect();
        file.push_str(&format!("- id: {id}\n  cert: |\n{pem}"));
    }
    file + consumers
}

fn config(more: &str) -> String {
    format!("{{ca_certificates: [{ROOT}], revocation_check_mode: SKIP{more}}}")
}

/// A root, and the plugin that trusts it.
fn setup(more: &str) -> (Pair, Arc<dyn Handler>) {
    let root = Wanted::authority().self_signed();
    let handler = world(&[(ROOT, &root)], CONSUMERS).compile(NAME, &config(more));
    (root, handler)
}

fn request(certificate: ClientCertificate) -> Exchange {
    Exchange::get("/").over_tls(certificate)
}

/// The consumer that a certificate makes of a request.
async fn consumer(handler: &Arc<dyn Handler>, certificate: ClientCertificate) -> Option<String> {
    let mut exchange = request(certificate);
    match exchange.run(handler).await {
        Flow::Continue => exchange.consumer().map(ToOwned::to_owned),
        Flow::Respond(response) => {
            assert_eq!((response.status.as_u16(), &*text(&response)), (401, UNTRUSTED));
            assert!(exchange.cx.identity().is_none());
            None
        }
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_names_the_consumer() {
    let (root, handler) = setup("");
    let alice = Wanted::default().signed_by(&root);
    let mut exchange = request(alice.sent(&[]));
    exchange.passes(&handler).await;
    assert_eq!(exchange.consumer(), Some("alice"));
    let identity = exchange.cx.identity().expect("an identity");
    assert_eq!(identity.method, "mtls-auth");
    assert_eq!(identity.identifier.as_ref().map(|value| value.as_bytes()), Some(&b"alice"[..]));
    assert!(identity.groups.is_none() && identity.credential_id.is_none());
    let Proof::Certificate { subject, fingerprint } = &identity.proof else { panic!("{identity:?}") };
    assert_eq!((&**subject, fingerprint), ("CN=alice", &alice.fingerprint()));
}

#[tokio::test]
async fn the_subject_is_written_as_the_reference_writes_it() {
    let (root, handler) = setup("");
    let subject = [
        ("C", "US"),
        ("ST", "California"),
        ("O", "Kong Inc."),
        ("OU", "Konnect"),
        ("CN", "kong"),
        ("emailAddress", "contact@konghq.com"),
    ];
    let wanted = Wanted { subject: &subject, alternatives: &[Name::Dns("alice")], ..Wanted::default() };
    let mut exchange = request(wanted.signed_by(&root).sent(&[]));
    exchange.passes(&handler).await;
    let Some(Proof::Certificate { subject, .. }) = exchange.cx.identity().map(|identity| &identity.proof) else {
        panic!("no certificate");
    };
    assert_eq!(&**subject, "C=US, ST=California, O=Kong Inc., OU=Konnect, CN=kong, emailAddress=contact@konghq.com");
}

#[tokio::test]
async fn a_value_cannot_look_like_another_part_of_the_subject() {
    let (root, handler) = setup(", skip_consumer_lookup: true, authenticated_group_by: DN");
    let subject = [("O", "x, CN=admin"), ("OU", " #\\+\"<>; "), ("CN", "a\r\nX-Evil: 1"), ("O", "#é")];
    let wanted = Wanted { subject: &subject, ..Wanted::default() };
    let mut exchange = request(wanted.signed_by(&root).sent(&[]));
    exchange.passes(&handler).await;
    let identity = exchange.cx.identity().expect("an identity");
    let in_order = r#"O=x\, CN=admin, OU=\ #\\\+\"\<\>\;\ , CN=a\0D\0AX-Evil: 1, O=\#é"#;
    let rfc4514 = r#"O=\#\C3\A9,CN=a\0D\0AX-Evil: 1,OU=\ #\\\+\"\<\>\;\ ,O=x\, CN=admin"#;
    assert_eq!(identity.groups.as_deref().expect("groups"), [in_order.into(), rfc4514.into()]);
    assert_eq!(exchange.upstream("x-client-cert-dn"), Some(rfc4514));
}

#[tokio::test]
async fn what_no_trusted_authority_vouches_for_is_refused() {
    let (root, handler) = setup("");
    let impostor = Wanted::authority().self_signed();
    let (expired, early) = ((-2, -1), (1, 2));
    let weak = Wanted { rsa_bits: Some(1024), ..Wanted::default() };
    let sha1 = Wanted { digest: MessageDigest::sha1(), ..Wanted::default() };
    let leaf = Wanted { usages: &[], ..Wanted::default() }.signed_by(&root);
    let trust = Trust::new(vec![root.authority(ROOT)], false).expect("a root");
    for (pair, reason) in [
        (Wanted::default().signed_by(&impostor), "signature failure, at depth 0"),
        (Wanted::default().self_signed(), "self-signed certificate, at depth 0"),
        (Wanted { valid: expired, ..Wanted::default() }.signed_by(&root), "has expired, at depth 0"),
        (
            Wanted { valid: early, ..Wanted::default() }.signed_by(&root),
            "not yet valid or the system clock is incorrect, at depth 0",
        ),
        (Wanted { usages: &["serverAuth"], ..Wanted::default() }.signed_by(&root), "unsuitable certificate purpose"),
        (weak.signed_by(&root), "key too weak, at depth 0"),
        (sha1.signed_by(&root), "CA signature digest algorithm too weak, at depth 0"),
        (Wanted { subject: &[("CN", "eve")], ..Wanted::default() }.signed_by(&leaf), "invalid CA certificate"),
    ] {
        let sent = pair.sent(&[&leaf]);
        let ClientCertificate::Sent(chain) = &sent else { panic!("not sent") };
        let said = trust.verify(chain).err().expect("a refusal").to_string();
        assert!(said.contains(reason), "{said}, not {reason}");
        assert_eq!(consumer(&handler, sent).await, None, "{reason}");
    }
    let both = Wanted { usages: &["serverAuth", "clientAuth"], ..Wanted::default() };
    for pair in [both.signed_by(&root), leaf] {
        assert_eq!(consumer(&handler, pair.sent(&[])).await.as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn an_expired_authority_vouches_for_nobody() {
    let root = Wanted { valid: (-3, -1), ..Wanted::authority() }.self_signed();
    let handler = world(&[(ROOT, &root)], CONSUMERS).compile(NAME, &config(""));
    let alice = Wanted::default().signed_by(&root);
    assert_eq!(consumer(&handler, alice.sent(&[])).await, None);
}

#[tokio::test]
async fn bytes_that_are_no_certificate_are_refused() {
    let (_, handler) = setup("");
    let ClientCertificate::Sent(chain) = Wanted::default().self_signed().sent(&[]) else { panic!("not sent") };
    let mut broken = (*chain).clone();
    broken.leaf = broken.leaf.slice(..broken.leaf.len() - 1);
    assert_eq!(consumer(&handler, ClientCertificate::Sent(Arc::new(broken))).await, None);
}

#[tokio::test]
async fn intermediates_are_found_among_what_was_sent_or_is_trusted() {
    let (root, only_root) = setup("");
    let subject = [("CN", "Intermediate")];
    let intermediate = Wanted { subject: &subject, ..Wanted::authority() }.signed_by(&root);
    let alice = Wanted::default().signed_by(&intermediate);
    assert_eq!(consumer(&only_root, alice.sent(&[&intermediate])).await.as_deref(), Some("alice"));
    assert_eq!(consumer(&only_root, alice.sent(&[])).await, None, "the intermediate is missing");

    let world = world(&[(ROOT, &root), (OTHER, &intermediate)], CONSUMERS);
    let config = |ids: &str, partial: bool| {
        format!("{{ca_certificates: [{ids}], allow_partial_chain: {partial}, revocation_check_mode: SKIP}}")
    };
    let both = world.compile(NAME, &config(&format!("{ROOT}, {OTHER}"), false));
    assert_eq!(consumer(&both, alice.sent(&[])).await.as_deref(), Some("alice"));
    let alone = world.compile(NAME, &config(OTHER, false));
    assert_eq!(consumer(&alone, alice.sent(&[&root])).await, None, "a chain ends at a root");
    let partial = world.compile(NAME, &config(OTHER, true));
    assert_eq!(consumer(&partial, alice.sent(&[])).await.as_deref(), Some("alice"));
    let under_root = Wanted::default().signed_by(&root);
    assert_eq!(consumer(&partial, under_root.sent(&[&root])).await, None, "the root is not trusted there");
}

#[tokio::test]
async fn a_chain_that_is_long_without_end_is_not_looked_at() {
    let (root, handler) = setup("");
    let alice = Wanted::default().signed_by(&root);
    assert_eq!(consumer(&handler, alice.sent(&[&root; 10])).await.as_deref(), Some("alice"));
    assert_eq!(consumer(&handler, alice.sent(&[&root; 11])).await, None);
}

#[tokio::test]
async fn the_alternative_names_come_before_the_common_name() {
    let (root, handler) = setup("");
    let names = |alternatives: &[Name<'_>], common_name: &str| {
        let subject = [("CN", common_name)];
        Wanted { subject: &subject, alternatives, ..Wanted::default() }.signed_by(&root).sent(&[])
    };
    for (alternatives, common_name, expected) in [
        (&[Name::Dns("bob")][..], "alice", Some("bob")),
        (&[Name::Dns("nobody"), Name::Mail("bob@home.test")], "alice", Some("bob")),
        (&[Name::Mail("bob@home.test"), Name::Dns("alice")], "alice", Some("bob")),
        (&[Name::Uri("spiffe://home.test/carol")], "x", Some("spiffe://home.test/carol")),
        (&[Name::Ip("10.1.2.3")], "x", Some("10.1.2.3")),
        (&[Name::Dns("nobody")], "alice", Some("alice")),
        (&[], "alice-at-home", Some("alice")),
        (&[Name::Dns("Alice")], "ALICE", None),
        (&[Name::Dns("nobody")], "nobody", None),
    ] {
        assert_eq!(consumer(&handler, names(alternatives, common_name)).await.as_deref(), expected, "{common_name}");
    }
}

#[tokio::test]
async fn a_subject_without_any_name_is_nobody() {
    let (root, handler) = setup("");
    let nameless = Wanted { subject: &[], ..Wanted::default() }.signed_by(&root);
    assert_eq!(consumer(&handler, nameless.sent(&[])).await, None);
}

#[tokio::test]
async fn the_fields_of_the_look_up_are_configurable() {
    for (more, by_username, by_custom_id) in [
        (", consumer_by: [username]", Some("alice"), None),
        (", consumer_by: [custom_id]", None, Some("alice")),
        (", consumer_by: []", None, None),
        (", consumer_by: null", None, None),
        ("", Some("alice"), Some("alice")),
    ] {
        let (root, handler) = setup(more);
        for (name, expected) in [("alice", by_username), ("alice-at-home", by_custom_id)] {
            let subject = [("CN", name)];
            let pair = Wanted { subject: &subject, ..Wanted::default() }.signed_by(&root);
            assert_eq!(consumer(&handler, pair.sent(&[])).await.as_deref(), expected, "{more}: {name}");
        }
    }
}

#[tokio::test]
async fn a_mapping_counts_before_the_consumer_s_own_name() {
    let root = Wanted::authority().self_signed();
    let subject = [("CN", "Other")];
    let other = Wanted { subject: &subject, ..Wanted::authority() }.self_signed();
    let pem = other.pem().replace('\n', "\\n");
    let consumers = format!(
        "
consumers:
- username: alice
- username: any
  mtls_auth_credentials: [{{id: m-any, subject_name: alice}}]
- username: by-id
  mtls_auth_credentials: [{{id: m-id, subject_name: alice, ca_certificate: {{id: {ROOT}}}}}]
- username: by-pem
  mtls_auth_credentials: [{{subject_name: alice, ca_certificate: \"{pem}\"}}]
- username: second
  mtls_auth_credentials: [{{subject_name: later.test, ca_certificate: {ROOT}}}]
"
    );
    let world = world(&[(ROOT, &root), (OTHER, &other)], &consumers);
    let handler = world.compile(
        NAME,
        &format!("{{ca_certificates: [{ROOT}, {OTHER}], revocation_check_mode: SKIP, consumer_by: []}}"),
    );
    let mut exchange = request(Wanted::default().signed_by(&root).sent(&[]));
    exchange.passes(&handler).await;
    let identity = exchange.cx.identity().expect("an identity");
    assert_eq!(exchange.consumer(), Some("by-id"));
    assert_eq!(identity.credential_id.as_deref(), Some("m-id"));
    assert_eq!(identity.identifier.as_ref().map(|value| value.as_bytes()), Some(&b"m-id"[..]));
    let by_other = Wanted::default().signed_by(&other);
    assert_eq!(consumer(&handler, by_other.sent(&[])).await.as_deref(), Some("by-pem"));
    // A mapping for the authority counts before one for any, whatever the order of the names.
    let names = [Name::Dns("alice"), Name::Dns("later.test")];
    let named = Wanted { alternatives: &names, subject: &[], ..Wanted::default() };
    assert_eq!(consumer(&handler, named.signed_by(&root).sent(&[])).await.as_deref(), Some("by-id"));
    let names = [Name::Dns("other.test"), Name::Dns("later.test")];
    let named = Wanted { alternatives: &names, ..Wanted::default() };
    assert_eq!(consumer(&handler, named.signed_by(&root).sent(&[])).await.as_deref(), Some("second"));
    assert_eq!(consumer(&handler, named.signed_by(&other).sent(&[])).await.as_deref(), Some("by-pem"));
}

#[tokio::test]
async fn a_mapping_for_any_authority_is_the_second_choice() {
    let root = Wanted::authority().self_signed();
    let consumers = "consumers: [{username: any, mtls_auth_credentials: [{subject_name: alice}]}, {username: alice}]";
    let handler = world(&[(ROOT, &root)], consumers).compile(NAME, &config(""));
    assert_eq!(consumer(&handler, Wanted::default().signed_by(&root).sent(&[])).await.as_deref(), Some("any"));
}

#[tokio::test]
async fn the_default_consumer_is_for_trusted_certificates_only() {
    let (root, handler) = setup(", default_consumer: bob");
    let subject = [("CN", "nobody")];
    let nobody = Wanted { subject: &subject, ..Wanted::default() };
    let mut exchange = request(nobody.signed_by(&root).sent(&[]));
    exchange.passes(&handler).await;
    assert_eq!(exchange.consumer(), Some("bob"));
    assert!(exchange.cx.is_authenticated());
    assert!(exchange.cx.identity().expect("an identity").identifier.is_none());
    assert_eq!(consumer(&handler, nobody.self_signed().sent(&[])).await, None);
    assert_eq!(consumer(&handler, Wanted::default().signed_by(&root).sent(&[])).await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn without_a_look_up_the_certificate_itself_is_the_caller() {
    let groups = async |more: &str, subject: &[(&str, &str)]| {
        let (root, handler) = setup(&format!(", skip_consumer_lookup: true{more}"));
        let alternatives = [Name::Dns("a.test"), Name::Uri("https://a.test/?x=1,2"), Name::Ip("::1")];
        let wanted = Wanted { subject, alternatives: &alternatives, ..Wanted::default() };
        let mut exchange = request(wanted.signed_by(&root).sent(&[])).header("x-client-cert-san", "forged");
        exchange.passes(&handler).await;
        assert_eq!(exchange.upstream("x-client-cert-san"), Some("a.test, ::1"));
        assert!(exchange.consumer().is_none() && exchange.cx.is_authenticated());
        let identity = exchange.cx.identity().expect("an identity");
        identity.groups.as_deref().map(|groups| groups.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let subject = [("O", "Acme"), ("CN", "alice"), ("CN", "second")];
    assert_eq!(groups("", &subject).await.expect("groups"), ["alice"]);
    let distinguished = groups(", authenticated_group_by: DN", &subject).await.expect("groups");
    assert_eq!(distinguished, ["O=Acme, CN=alice, CN=second", "CN=second,CN=alice,O=Acme"]);
    assert_eq!(groups(", authenticated_group_by: null", &subject).await, None);
    assert_eq!(groups("", &[("O", "Acme")]).await, None);
}

#[tokio::test]
async fn a_request_without_a_certificate_is_refused() {
    let (_, handler) = setup("");
    for mut exchange in [Exchange::get("/"), request(ClientCertificate::None)] {
        let response = exchange.answer(&handler).await;
        assert_eq!((response.status.as_u16(), &*text(&response)), (401, MISSING));
        assert!(matches!(response.body, Body::Error(_)));
    }
}

#[tokio::test]
async fn with_anonymous_who_proves_nothing_is_nobody() {
    let (root, handler) = setup(", anonymous: anon");
    let forged = Wanted::default().self_signed();
    let subject = [("CN", "nobody")];
    let unknown = Wanted { subject: &subject, ..Wanted::default() }.signed_by(&root);
    for exchange in
        [Exchange::get("/"), request(ClientCertificate::None), request(forged.sent(&[])), request(unknown.sent(&[]))]
    {
        let mut exchange = exchange.header("X-Client-Cert-Dn", "CN=forged").header("X_Client_Cert_San", "forged");
        exchange.passes(&handler).await;
        assert_eq!(exchange.consumer(), Some("anon"));
        assert!(!exchange.cx.is_authenticated());
        assert_eq!((exchange.upstream("x-client-cert-dn"), exchange.upstream("x_client_cert_san")), (None, None));
    }
    let mut exchange = request(Wanted::default().signed_by(&root).sent(&[]));
    exchange.passes(&handler).await;
    assert_eq!((exchange.consumer(), exchange.cx.is_authenticated()), (Some("alice"), true));
}

#[tokio::test]
async fn a_connection_that_was_never_asked_is_the_wrong_one() {
    for more in ["", ", anonymous: anon"] {
        let (_, handler) = setup(more);
        let mut exchange = request(ClientCertificate::NotAsked);
        let response = exchange.answer(&handler).await;
        assert_eq!(response.status, 421);
        assert!(matches!(response.body, Body::Error(_)) && exchange.cx.identity().is_none());
    }
}

#[tokio::test]
async fn a_chain_is_judged_once_and_each_configuration_for_itself() {
    let (root, handler) = setup("");
    let other = setup("").1;
    let alice = Wanted::default().signed_by(&root);
    let subject = async |handler| {
        let mut exchange = request(alice.sent(&[]));
        let _ = exchange.run(handler).await;
        match exchange.cx.identity().map(|identity| identity.proof.clone()) {
            Some(Proof::Certificate { subject, .. }) => Some(subject),
            _ => None,
        }
    };
    let first = subject(&handler).await.expect("accepted");
    assert!(Arc::ptr_eq(&first, &subject(&handler).await.expect("accepted")), "the same verdict");
    assert!(subject(&other).await.is_none(), "another authority");
    let (root, forgetful) = setup(", cert_cache_ttl: 0");
    let alice = Wanted::default().signed_by(&root);
    let mut subjects = Vec::new();
    for _ in 0..2 {
        let mut exchange = request(alice.sent(&[]));
        exchange.passes(&forgetful).await;
        let Some(Proof::Certificate { subject, .. }) = exchange.cx.identity().map(|identity| identity.proof.clone())
        else {
            panic!("no certificate");
        };
        subjects.push(subject);
    }
    assert!(!Arc::ptr_eq(&subjects[0], &subjects[1]), "judged anew");
}

#[test]
fn the_handshake_asks_and_names_authorities_only_if_told() {
    let (root, handler) = setup("");
    assert!(handler.certificate_request().expect("always").authorities.is_empty());
    let handler = world(&[(ROOT, &root)], CONSUMERS).compile(NAME, &config(", send_ca_dn: true"));
    let authorities = &handler.certificate_request().expect("always").authorities;
    let expected: &X509Name = &root.certificate.subject_name().to_owned().expect("a name");
    assert_eq!(authorities.len(), 1);
    assert_eq!(&authorities[0][..], expected.to_der().expect("DER"));
}

#[test]
fn mistakes_are_named() {
    let root = Wanted::authority().self_signed();
    let world = world(&[(ROOT, &root)], CONSUMERS);
    for (config, mistake) in [
        ("{}".to_owned(), "missing field `ca_certificates`"),
        ("{ca_certificates: []}".to_owned(), "ca_certificates: without an authority"),
        (format!("{{ca_certificates: [{OTHER}]}}"), "ca_certificates[0]: no CA certificate has the id"),
        (config(", anonymous: nobody"), "anonymous: no consumer has the id or username `nobody`"),
        (config(", default_consumer: nobody"), "default_consumer: no consumer has the id or username `nobody`"),
        (config(", consumer_by: [id]"), "consumer_by"),
        (config(", authenticated_group_by: OU"), "authenticated_group_by"),
        (config(", cert_cache_ttl: -1"), "cert_cache_ttl: must not be negative"),
        (config(", http_proxy_host: proxy.test"), "http_proxy_host: this field of Kong's is not implemented"),
        (format!("{{ca_certificates: [{ROOT}], revocation_check_mode: strict}}"), "revocation_check_mode"),
    ] {
        let mistakes = world.mistakes(NAME, &config);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{config}: {mistakes:?}");
    }
}

#[test]
fn what_is_legal_but_unwise_is_said() {
    let root = Wanted::authority().self_signed();
    let world = world(&[(ROOT, &root)], CONSUMERS);
    assert!(world.warnings(NAME, &format!("{{ca_certificates: [{ROOT}]}}")).is_empty());
    let useless = world.warnings(NAME, &config(", skip_consumer_lookup: true, default_consumer: bob"));
    assert!(useless[0].starts_with("default_consumer: has no effect"), "{useless:?}");
}

#[tokio::test]
async fn a_certificate_that_names_no_server_for_revocations_passes_unless_strict() {
    let root = Wanted::authority().self_signed();
    let world = world(&[(ROOT, &root)], CONSUMERS);
    let alice = Wanted::default().signed_by(&root).sent(&[]);
    for (mode, expected) in [("SKIP", Some("alice")), ("IGNORE_CA_ERROR", Some("alice")), ("STRICT", None)] {
        let config = format!("{{ca_certificates: [{ROOT}], revocation_check_mode: {mode}}}");
        assert_eq!(consumer(&world.compile(NAME, &config), alice.clone()).await.as_deref(), expected, "{mode}");
    }
}

/// Names that are looked up for ever.
#[derive(Default)]
struct Endless(AtomicUsize);

#[async_trait]
impl Names for Endless {
    async fn addresses(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.fetch_add(1, SeqCst);
        std::future::pending().await
    }
}

#[tokio::test]
async fn asking_too_much_at_a_time_lets_nobody_in() {
    const OPEN: u8 = 255;
    let root = Wanted::authority().self_signed();
    let mut world = world(&[(ROOT, &root)], CONSUMERS);
    let names = Arc::new(Endless::default());
    world.resources.names = Arc::clone(&names) as _;
    let handler =
        world.compile(NAME, &format!("{{ca_certificates: [{ROOT}], revocation_check_mode: IGNORE_CA_ERROR}}"));
    let alice = Wanted { responder: Some("http://ocsp.test/"), ..Wanted::default() }.signed_by(&root);
    let ClientCertificate::Sent(chain) = alice.sent(&[]) else { panic!("no chain") };
    // Who adds certificates of no use to a chain makes another one of it.
    let other = |number: u8| {
        let chain = CertificateChain { digest: [number; 32], ..CertificateChain::clone(&chain) };
        ClientCertificate::Sent(Arc::new(chain))
    };
    for number in 0..=OPEN {
        let (handler, certificate) = (Arc::clone(&handler), other(number));
        tokio::spawn(async move { drop(request(certificate).run(&handler).await) });
    }
    while names.0.load(SeqCst) <= usize::from(OPEN) {
        tokio::task::yield_now().await;
    }
    assert_eq!(consumer(&handler, ClientCertificate::Sent(chain)).await, None, "the responder was not asked");
}

#[test]
fn mistakes_in_mappings_are_named() {
    let load = |credentials: &str| {
        let yaml = format!("consumers: [{{username: a, mtls_auth_credentials: {credentials}}}]");
        World::try_load(&yaml).err().unwrap_or_default()
    };
    for (credentials, mistake) in [
        ("[{subject_name: a}, {subject_name: a}]", "[1].subject_name: `a` stands twice for the same authority"),
        ("[{subject_name: ''}]", "[0].subject_name: must not be empty"),
        ("[{}]", "missing field `subject_name`"),
        ("[{subject_name: a, ca_certificate: '-----BEGIN CERTIFICATE-----'}]", "[0].ca_certificate: not a certificate"),
        ("[{subject_name: a, ca_certificate: [x]}]", "expected the id of a CA certificate"),
    ] {
        let mistakes = load(credentials);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{credentials}: {mistakes:?}");
    }
    let root = Wanted::authority().self_signed();
    let consumers = format!(
        "consumers: [{{username: a, mtls_auth_credentials: [{{subject_name: a, ca_certificate: {{id: {OTHER}}}}}]}}]"
    );
    let mistakes = world(&[(ROOT, &root)], &consumers).mistakes(NAME, &config(""));
    assert!(mistakes[0].contains(&format!("no CA certificate has the id `{OTHER}`")), "{mistakes:?}");
}

#[test]
fn the_example_compiles() {
    assert_eq!(World::load(include_str!("example.yaml")).compile_file(), [NAME]);
}
