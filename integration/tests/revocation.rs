//! Certificates that were revoked: the plugin mtls-auth, with OpenSSL's own responder and lists.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use signet_integration::{Certificate, Conversation, Curl, Folder, Gateway, Issued, Request, Upstream};

use crate::{
    passwords::{SLOW, wait_for},
    setup::service,
};

const AUTHORITY: &str = "7b9af8ff-b16c-45f0-9c87-000000000001";

/// An authority with its database in a folder, as `openssl ca` and `openssl ocsp` have it.
struct Authority {
    issued: Issued,
    folder: Folder,
}

impl Authority {
    fn new() -> Arc<Self> {
        let issued = Certificate::authority("Root").self_signed();
        let folder = Folder::new();
        folder.write("ca.pem", &issued.cert);
        folder.write("ca.key", &issued.key);
        folder.write("index", "");
        let config = "[ca]\ndefault_ca = a\n[a]\ndatabase = index\ndefault_md = sha256\ndefault_crl_days = 1\n";
        folder.write("openssl.conf", config);
        Arc::new(Self { issued, folder })
    }

    /// Enters a certificate into the database.
    fn enter(&self, client: &Issued, revoked: bool) {
        let serial = openssl(&self.folder, &["x509", "-noout", "-serial"], client.cert.as_bytes());
        let serial = serial.trim().strip_prefix("serial=").unwrap().to_owned();
        let state = if revoked { "R\t491231000000Z\t240101000000Z" } else { "V\t491231000000Z\t" };
        let index = self.file("index");
        let known = fs::read_to_string(&index).unwrap();
        fs::write(index, format!("{known}{state}\t{serial}\tunknown\t/CN={serial}\n")).unwrap();
    }

    /// The list of what was revoked, DER.
    fn list(&self) -> Vec<u8> {
        self.list_for("86400")
    }

    /// The same, until the next one is out in so many seconds.
    fn list_for(&self, seconds: &str) -> Vec<u8> {
        let signing = ["-cert", "ca.pem", "-keyfile", "ca.key", "-config", "openssl.conf", "-crlsec", seconds];
        openssl(&self.folder, &[&["ca", "-gencrl", "-out", "list.pem"], &signing[..]].concat(), &[]);
        openssl(&self.folder, &["crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der"], &[]);
        fs::read(self.file("list.der")).unwrap()
    }

    /// The responder's answer, signed by `signer`.
    fn answer(&self, question: &[u8], signer: &Issued) -> Vec<u8> {
        fs::write(self.file("question"), question).unwrap();
        self.folder.write("signer.pem", &signer.cert);
        self.folder.write("signer.key", &signer.key);
        let signing = ["-CA", "ca.pem", "-rsigner", "signer.pem", "-rkey", "signer.key", "-ndays", "1"];
        let files = ["-index", "index", "-reqin", "question", "-respout", "answer"];
        openssl(&self.folder, &[&["ocsp"], &signing[..], &files[..]].concat(), &[]);
        fs::read(self.file("answer")).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What stands at the address in a certificate.
#[derive(Clone)]
enum Server {
    /// The authority's responder; its answers are signed by this one.
    Responder(Arc<Authority>, Issued),
    List(Arc<Authority>),
    /// A list that is good for two seconds.
    ShortList(Arc<Authority>),
    /// Another one's list.
    Wrong(Vec<u8>),
    Redirect,
}

impl Server {
    fn start(self) -> Upstream {
        Upstream::serve(move |conversation: &mut Conversation| {
            let Some(seen) = conversation.head()? else { return Ok(()) };
            let body = conversation.body(&seen)?;
            conversation.record(seen);
            let body = match &self {
                Self::Responder(authority, signer) => authority.answer(&body, signer),
                Self::List(authority) => authority.list(),
                Self::ShortList(authority) => authority.list_for("2"),
                Self::Wrong(body) => body.clone(),
                Self::Redirect => {
                    return conversation.write("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
                }
            };
            conversation.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
            conversation.write(body)
        })
    }
}

/// Runs `openssl` in a folder.
fn openssl(folder: &Folder, arguments: &[&str], input: &[u8]) -> String {
    use std::io::Write;
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("openssl");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A gateway with a route for each mode.
fn gateway(upstream: &Upstream, authority: &Authority, more: &str) -> Gateway {
    Gateway::with(&file(upstream, authority, more)).with_tls().start()
}

fn file(upstream: &Upstream, authority: &Authority, more: &str) -> String {
    let route = |path: &str, mode: &str| {
        format!(
            "- {{name: {path}, paths: [/{path}], plugins: [{{name: mtls-auth, config: {{ca_certificates: [{AUTHORITY}], revocation_check_mode: {mode}{more}}}}}]}}\n"
        )
    };
    let routes = [route("skip", "SKIP"), route("ignore", "IGNORE_CA_ERROR"), route("strict", "STRICT")].concat();
    let authorities = format!("\nca_certificates:\n- id: {AUTHORITY}\n{}", authority.issued.cert_yaml(2));
    service(upstream, &routes) + &authorities + "consumers:\n- username: alice\n"
}

/// The statuses under `SKIP`, `IGNORE_CA_ERROR` and `STRICT`.
fn statuses(gateway: &Gateway, client: &Issued) -> [u16; 3] {
    let curl = Curl::to(gateway.tls()).certificate(client, &[]);
    let answers = curl.get_all("gw.test", &["/skip", "/ignore", "/strict"]);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.try_into().unwrap_or_else(|_| panic!("{answers:?}"))
}

fn url(server: &Upstream) -> String {
    format!("http://{}/revocations", server.address())
}

#[test]
fn a_responder_is_asked() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &authority, "");
    let responder = Server::Responder(Arc::clone(&authority), authority.issued.clone()).start();
    let client = || Certificate::named("alice").ocsp(&url(&responder)).issued_by(&authority.issued);
    let (good, revoked, unknown) = (client(), client(), client());
    authority.enter(&good, false);
    authority.enter(&revoked, true);
    assert_eq!(statuses(&gateway, &good), [200, 200, 200]);
    let asked = responder.take();
    assert_eq!(asked.len(), 2, "once for each configuration that asks");
    assert!(asked.iter().all(|seen| seen.header("Content-Type") == Some("application/ocsp-request")));
    assert_eq!(statuses(&gateway, &good), [200, 200, 200]);
    assert!(responder.take().is_empty(), "the verdict is remembered");
    assert_eq!(statuses(&gateway, &revoked), [200, 401, 401]);
    assert_eq!(statuses(&gateway, &unknown), [200, 401, 401]);
}

#[test]
fn a_responder_may_be_somebody_whom_the_authority_appointed() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let appointed = Certificate::named("Responder").usages(&["OCSPSigning"]).issued_by(&authority.issued);
    let impostor = Certificate::named("Responder").issued_by(&authority.issued);
    for (signer, expected) in [(appointed, [200, 401, 401]), (impostor, [200, 200, 401])] {
        let gateway = gateway(&upstream, &authority, "");
        let responder = Server::Responder(Arc::clone(&authority), signer).start();
        let revoked = Certificate::named("alice").ocsp(&url(&responder)).issued_by(&authority.issued);
        authority.enter(&revoked, true);
        assert_eq!(statuses(&gateway, &revoked), expected);
    }
}

#[test]
fn a_list_is_read_once_for_all_of_its_certificates() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &authority, "");
    let server = Server::List(Arc::clone(&authority)).start();
    let client = || Certificate::named("alice").list(&url(&server)).issued_by(&authority.issued);
    let (good, revoked) = (client(), client());
    authority.enter(&revoked, true);
    assert_eq!(statuses(&gateway, &good), [200, 200, 200]);
    assert_eq!(statuses(&gateway, &revoked), [200, 401, 401]);
    assert_eq!(server.take().len(), 2, "once for each configuration that asks");
}

#[test]
fn a_list_counts_until_the_next_one_is_out() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &authority, ", cert_cache_ttl: 3600000");
    let server = Server::ShortList(Arc::clone(&authority)).start();
    let client = || Certificate::named("alice").list(&url(&server)).issued_by(&authority.issued);
    let (good, revoked) = (client(), client());
    assert_eq!(statuses(&gateway, &good), [200, 200, 200]);
    let end = Instant::now() + Duration::from_secs(3);
    authority.enter(&revoked, true);
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(statuses(&gateway, &revoked), [200, 401, 401]);
    assert_eq!(server.take().len(), 4, "each configuration has read the next one");
}

#[test]
fn guesses_at_passwords_do_not_keep_a_list_from_being_read() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let server = Server::List(Arc::clone(&authority)).start();
    let users = "- username: slow\n  basicauth_credentials: [{username: slow, password: '";
    let file = file(&upstream, &authority, "") + users + SLOW + "'}]\n";
    let more = "  - {name: guess, paths: [/guess], plugins: [{name: basic-auth}]}\n";
    let file = file.replacen("  routes:\n", &format!("  routes:\n{more}"), 1);
    let gateway = Gateway::with(&file).with_tls().setting("hashing_threads", "1").setting("hashing_queue", "1").start();
    // One guess is at work and one waits, for seconds.
    let mut guesses = (gateway.client(), gateway.client());
    guesses.0.write(&Request::get("/guess").basic("slow", "guess 1").bytes());
    wait_for(&gateway, "signet_hashing_jobs_total", 1);
    guesses.1.write(&Request::get("/guess").basic("slow", "guess 2").bytes());
    wait_for(&gateway, "signet_hashing_queue_depth", 1);
    let full = || gateway.send(&Request::get("/guess").basic("slow", "guess 3")).status;
    assert_eq!(full(), 503);
    let revoked = Certificate::named("alice").list(&url(&server)).issued_by(&authority.issued);
    authority.enter(&revoked, true);
    assert_eq!(statuses(&gateway, &revoked), [200, 401, 401]);
    assert_eq!(full(), 503, "the guesses still wait");
}

#[test]
fn a_server_without_an_answer_counts_only_if_strict() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let other = Authority::new();
    let silent = Upstream::silent();
    let wrong = Server::Wrong(other.list()).start();
    let redirect = Server::Redirect.start();
    let gateway = gateway(&upstream, &authority, ", http_timeout: 200");
    for address in [
        format!("http://{}/", Upstream::nowhere()),
        url(&silent),
        url(&wrong),
        url(&redirect),
        "http://no-such-name.invalid/".to_owned(),
        "ldap://127.0.0.1/cn=list".to_owned(),
        "https://127.0.0.1/".to_owned(),
    ] {
        let by_list = Certificate::named("alice").list(&address).issued_by(&authority.issued);
        assert_eq!(statuses(&gateway, &by_list), [200, 200, 401], "{address}");
        let by_responder = Certificate::named("alice").ocsp(&address).issued_by(&authority.issued);
        assert_eq!(statuses(&gateway, &by_responder), [200, 200, 401], "{address}");
    }
    let silent_about_it = Certificate::named("alice").issued_by(&authority.issued);
    assert_eq!(statuses(&gateway, &silent_about_it), [200, 200, 401], "it names no server");
}

#[test]
fn the_list_is_the_second_choice() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &authority, "");
    let list = Server::List(Arc::clone(&authority)).start();
    let nowhere = format!("http://{}/", Upstream::nowhere());
    let revoked = Certificate::named("alice").ocsp(&nowhere).list(&url(&list)).issued_by(&authority.issued);
    authority.enter(&revoked, true);
    assert_eq!(statuses(&gateway, &revoked), [200, 401, 401]);
}

#[test]
fn a_revoked_intermediate_takes_its_certificates_with_it() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &authority, "");
    let list = Server::List(Arc::clone(&authority)).start();
    let intermediate = Certificate::authority("Intermediate").list(&url(&list)).issued_by(&authority.issued);
    let alice = Certificate::named("alice").issued_by(&intermediate);
    authority.enter(&intermediate, true);
    let curl = Curl::to(gateway.tls()).certificate(&alice, &[&intermediate]);
    let answers = curl.get_all("gw.test", &["/skip", "/ignore"]);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 401], "{answers:?}");
}
