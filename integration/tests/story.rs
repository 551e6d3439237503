//! The five ways in of the blog post, on its own file when it is there, and always on the demo's: OIDC, JWT, password,
//! client certificate, API key; each becomes a signed token that the keys of the gateway's JWKS route verify.

use std::{fs, path::PathBuf};

use signet_integration::{
    Certificate, Curl, Folder, Gateway, IdentityProvider, Request, Response, Start, Upstream, wait_until,
};

use crate::{jose::verify, setup::repository};

/// A file, and who can come in by it.
struct Story {
    /// Without the authority that mtlsAuth refers to.
    file: String,
    /// That authority, PEM.
    authority: PathBuf,
    /// Host and port of the only service.
    service: &'static str,
    /// Host and port of the issuer, as the file says.
    issuer: &'static str,
    /// Its whole name.
    issuer_url: &'static str,
    /// The consumer's name, which is a client's id at the issuer, too.
    consumer: &'static str,
    certificate: PathBuf,
    key: PathBuf,
    subject: &'static str,
}

/// In the story's file; the demo's has the same for the test.
const AUTHORITY_ID: &str = "7b9af8ff-b16c-45f0-9c87-766d20b1dc2e";

fn seed() -> Option<Story> {
    let folder = repository("../shared/seed/x-custom-jwt");
    let Ok(file) = fs::read_to_string(folder.join("decK/konnect.yaml")) else {
        println!("skipped: {} is not there", folder.display());
        return None;
    };
    Some(Story {
        file,
        authority: folder.join("mTLS/ca.cert.pem"),
        service: "httpbin.apim.eu:80",
        issuer: "sso.apim.eu:8443",
        issuer_url: "https://sso.apim.eu:8443/auth/realms/Jerome",
        consumer: "contact@konghq.com",
        certificate: folder.join("mTLS/01.pem"),
        key: folder.join("mTLS/client.key"),
        subject: "C=US, ST=California, O=Kong Inc., OU=Konnect, CN=kong, emailAddress=contact@konghq.com",
    })
}

/// The demo with the one route that it cannot have, and without its authority.
fn ours() -> Story {
    let text = fs::read_to_string(repository("conf/demo.yaml")).unwrap();
    let mut file: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    file.as_mapping_mut().unwrap().remove("ca_certificates").expect("the demo's authority");
    let oidc = "{name: oidc, paths: [/oidc], plugins: [{name: openid-connect, config: {\
        issuer: 'https://sso.test:8443/realm/.well-known/openid-configuration', ssl_verify: false, \
        auth_methods: [client_credentials, introspection], consumer_claim: [clientId], \
        client_id: ['{vault://env/sso-apim-clientid}'], client_secret: ['{vault://env/sso-apim-clientsecret}']}}]}";
    let routes = file["services"][0]["routes"].as_sequence_mut().unwrap();
    routes.push(serde_yaml::from_str(oidc).unwrap());
    for plugin in file["services"][0]["plugins"].as_sequence_mut().unwrap() {
        plugin["config"]["bearer_clientid_claim"] = "clientId".into();
    }
    Story {
        file: serde_yaml::to_string(&file).unwrap(),
        authority: repository("test-keys/mtls-ca.pem"),
        service: "httpbin.test:80",
        issuer: "sso.test:8443",
        issuer_url: "https://sso.test:8443/realm",
        consumer: "contact@example.test",
        certificate: repository("test-keys/mtls-client.pem"),
        key: repository("test-keys/mtls-client-key.pem"),
        subject: "C=US, ST=California, O=Example Inc., OU=Consumers, CN=client, emailAddress=contact@example.test",
    }
}

impl Story {
    fn start(&self, file: &str, upstream: &Upstream) -> Start {
        Gateway::with(file)
            .with_tls()
            .resolve(self.service, upstream.address())
            .variable("SSO_APIM_CLIENTID", "opaque")
            .variable("SSO_APIM_CLIENTSECRET", &IdentityProvider::secret("opaque"))
    }

    fn with_authority(&self) -> String {
        let pem = fs::read_to_string(&self.authority).unwrap();
        let lines: String = pem.lines().map(|line| format!("    {}\n", line.trim())).collect();
        format!("{}\nca_certificates:\n- id: {AUTHORITY_ID}\n  cert: |\n{lines}", self.file)
    }
}

/// The file as it is: its authority is missing, and so is its issuer.
fn runs_unchanged(story: &Story) {
    let upstream = Upstream::echo();
    let refused = story.start(&story.file, &upstream).run();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains(AUTHORITY_ID), "{refused:?}");

    let gateway = story.start(&story.file, &upstream).setting("invalid_entities", "quarantine").start();
    let jwks = gateway.get("/x-custom-jwt/jwks").json();
    let password = Request::get("/basicAuth").basic("my-user", "My p@ssword!");
    let token = token(&gateway, &upstream, &password);
    let claims = verify(&token, &jwks).claims;
    assert_eq!(claims["client_id"], "my-user");

    let key = Request::get("/apiKey").header("apikey", "012345AZERTY!");
    assert_eq!(verify(&self::token(&gateway, &upstream, &key), &jwks).claims["client_id"], "012345AZERTY!");
    introspects(&gateway, &token);

    assert_eq!(gateway.get("/mtlsAuth").status, 503);
    assert!(gateway.get_status("/metrics").text().contains("\nsignet_config_quarantined_entities 1\n"));
    let told = gateway.stderr();
    assert!(told.lines().any(|line| line.contains("mtlsAuth") && line.contains("answers 503")), "{told}");
    // Nobody answers as the issuer.
    assert_eq!(gateway.send(&Request::get("/oidc").basic("nobody", "x")).status, 503);
    assert_eq!(upstream.take().len(), 0);
}

/// The way in of the reference's README: a token that the gateway signed comes back to it.
fn introspects(gateway: &Gateway, token: &str) {
    let ask =
        |token: &str| gateway.send(&Request::get("/introspect").header("Authorization", &format!("Bearer {token}")));
    let good = ask(token);
    assert_eq!((good.status, good.json()["message"].as_str()), (200, Some("Ok")), "{good:?}");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (middle, first) = (signature.len() / 2, &signature[..signature.len() / 2]);
    let other = if signature[middle..].starts_with('A') { "B" } else { "A" };
    let forged = ask(&format!("{signed}.{first}{other}{}", &signature[middle + 1..]));
    assert_eq!((forged.status, forged.text().as_str()), (401, r#"{"message":"Invalid signature"}"#));
    let nothing = gateway.get("/introspect");
    assert_eq!((nothing.status, nothing.text().as_str()), (401, r#"{"message":"Unauthorized"}"#));
}

/// With the authority in the file, the client's certificate lets in, and nothing else does.
fn knows_its_client_by_its_certificate(story: &Story) {
    let upstream = Upstream::echo();
    let gateway = story.start(&story.with_authority(), &upstream).start();
    let jwks = gateway.get("/x-custom-jwt/jwks").json();
    let with_certificate = |curl: Curl| {
        curl.argument("--cert")
            .argument(story.certificate.display().to_string())
            .argument("--key")
            .argument(story.key.display().to_string())
    };
    for curl in [Curl::to(gateway.tls()), Curl::to(gateway.tls()).http1()] {
        let answer = with_certificate(curl).get("gateway.test", "/mtlsAuth");
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = upstream.one();
        assert_eq!(seen.header("X-Consumer-Username"), Some(story.consumer));
        let claims = verify(seen.header("X-Custom-Jwt").unwrap(), &jwks).claims;
        assert_eq!(claims["client_id"], story.subject);
    }
    assert_eq!(Curl::to(gateway.tls()).get("gateway.test", "/mtlsAuth").status, 401);
    assert_eq!(gateway.get("/mtlsAuth").status, 401);
    assert!(upstream.take().is_empty());
}

/// A client of the issuer comes with its id and secret, or with a token of its.
fn believes_its_issuer(story: &Story) {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let issued = Certificate::named("issuer").self_signed();
    let (cert, key) = (folder.write("cert.pem", &issued.cert), folder.write("key.pem", &issued.key));
    let issuer = IdentityProvider::with(&[
        ("TLS_CERT", &cert.display().to_string()),
        ("TLS_KEY", &key.display().to_string()),
        ("ISSUER", story.issuer_url),
        ("CLIENT", story.consumer),
    ]);
    let gateway = story.start(&story.with_authority(), &upstream).resolve(story.issuer, issuer.address()).start();
    let jwks = gateway.get("/x-custom-jwt/jwks").json();
    let client = Request::get("/oidc").basic(story.consumer, &IdentityProvider::secret(story.consumer));
    wait_until(|| gateway.send(&client).status != 503, || gateway.stderr());
    drop(upstream.take());
    let token = token(&gateway, &upstream, &client);
    let claims = verify(&token, &jwks).claims;
    assert_eq!(claims["client_id"], story.consumer);
    assert_eq!(claims["iss"], "https://kong-gateway:8443/x-custom-jwt", "ours, not the issuer's");
    let wrong = gateway.send(&Request::get("/oidc").basic(story.consumer, "wrong"));
    assert_eq!(wrong.status, 401, "{wrong:?}");
    assert!(upstream.take().is_empty());
}

/// The signed token that reaches the upstream.
fn token(gateway: &Gateway, upstream: &Upstream, request: &Request) -> String {
    let answer: Response = gateway.send(request);
    assert_eq!(answer.status, 200, "{request:?}: {answer:?}\n{}", gateway.stderr());
    upstream.one().header("X-Custom-Jwt").expect("a token").to_owned()
}

#[test]
fn the_file_of_the_story_runs_unchanged() {
    seed().iter().for_each(runs_unchanged);
}

#[test]
fn the_client_certificate_of_the_story_lets_in() {
    seed().iter().for_each(knows_its_client_by_its_certificate);
}

#[test]
fn the_issuer_of_the_story_is_believed() {
    seed().iter().for_each(believes_its_issuer);
}

#[test]
fn our_own_file_serves_what_it_can_without_its_authority() {
    runs_unchanged(&ours());
}

#[test]
fn our_own_client_certificate_lets_in() {
    knows_its_client_by_its_certificate(&ours());
}

#[test]
fn our_own_issuer_is_believed() {
    believes_its_issuer(&ours());
}
