//! Keys change every second under load, and a verifier that believes what it was told, to the second, refuses no token.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey},
    nid::Nid,
};
use serde_json::{Value, json};
use signet_integration::{Client, Folder, Gateway, Request, Upstream};

use crate::{
    jose::libraries,
    setup::{CONSUMERS, service},
};

const ISSUER: &str = "https://gw.test/x-custom-jwt";
/// How many requests a second.
const RATE: u32 = 200;
/// How many seconds a token lives.
const LIFETIME: u64 = 5;
/// For how many seconds a key is published before it signs.
const BEFORE: u64 = 5;
/// And after it has signed.
const AFTER: u64 = LIFETIME + 1;

/// How long keys are rotated; `make soak-rotation` says longer.
fn seconds() -> u64 {
    env::var("ROTATION_SECONDS").map_or(15, |seconds| seconds.parse().expect("ROTATION_SECONDS is a number"))
}

/// A file whose tokens are signed by a set with these fields, and whose keys verifiers may keep for a second.
fn config(upstream: &Upstream, set: &str) -> String {
    let token = format!(
        "{{name: x-custom-jwt, config: {{iss: '{ISSUER}', key_set: rotating, expires_in: {LIFETIME}, \
         apikey_client_id: consumer, downstream_custom_jwt_header: X-Token}}}}"
    );
    let signed = format!("- {{name: signed, paths: [/signed], plugins: [{{name: key-auth}}, {token}]}}");
    let jwks = "{name: jwks, config: {key_set: rotating, max_age: 1}}";
    format!(
        "{}{CONSUMERS}\nkey_sets: [{{name: rotating, publish_before: {BEFORE}, retire_after: {AFTER}, {set}}}]\n\
         routes: [{{name: jwks, paths: [/jwks], plugins: [{jwks}]}}]\n",
        service(upstream, &signed)
    )
}

/// Keys that the gateways of this directory make, a new one each second.
fn generated(directory: &Path, algorithm: &str) -> String {
    format!("directory: {}, algorithm: {algorithm}, rotate_every: 1", directory.display())
}

/// `integration/jose/strict.mjs`; killed when dropped.
struct Verifier(Child);

impl Verifier {
    /// One that gets the keys from these gateways in turn.
    fn start(gateways: &[Gateway]) -> Self {
        let places = gateways.iter().map(|gateway| format!("http://{}/jwks", gateway.proxy()));
        let mut node = Command::new("node");
        node.arg("strict.mjs").arg(ISSUER).args(places).current_dir(libraries());
        Self(node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node is installed"))
    }

    fn check(&mut self, token: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{token}").expect("the verifier reads");
    }

    /// What it has seen, once the last token has expired.
    fn finish(mut self) -> Value {
        drop(self.0.stdin.take());
        let said = std::io::read_to_string(self.0.stdout.take().unwrap()).unwrap();
        assert!(self.0.wait().unwrap().success(), "{said}");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Requests at [`RATE`], to the gateways in turn; the tokens go to a verifier at once, which says what it thinks of them.
fn verified(gateways: &[Gateway], seconds: u64) -> Value {
    let mut verifier = Verifier::start(gateways);
    let asked = Request::get("/signed").header("apikey", "bob-key");
    let begin = Instant::now();
    for second in 0..u32::try_from(seconds).unwrap() {
        // Connections do not live for ever.
        let mut clients: Vec<Client> = gateways.iter().map(Gateway::client).collect();
        for number in 0..RATE {
            let due = Duration::from_secs(second.into()) + Duration::from_secs(1) * number / RATE;
            thread::sleep(due.saturating_sub(begin.elapsed()));
            let client = number as usize % clients.len();
            let response = clients[client].send(&asked);
            assert_eq!(response.status, 200, "{response:?}\n{}", gateways[client].stderr());
            verifier.check(response.header("x-token").expect("a token"));
        }
    }
    let said = verifier.finish();
    println!("{seconds} s, {} gateways: {said}", gateways.len());
    let sent = u64::from(RATE) * seconds;
    assert_eq!(said["checked"], sent, "every token");
    assert_eq!(said["again"].as_u64().unwrap() + said["expired"].as_u64().unwrap(), sent, "{said}");
    assert!(said["again"].as_u64().unwrap() > sent / 2, "too busy to look twice: {said}");
    assert!(said["keys"].as_u64().unwrap() + BEFORE + 2 >= seconds, "after the first a new key each second: {said}");
    said
}

/// Gateways that share a directory make keys for it, and none of their tokens is refused.
fn nobody_is_refused(algorithm: &str, gateways: usize) {
    let (upstream, directory) = (Upstream::echo(), Folder::new());
    let text = config(&upstream, &generated(directory.path(), algorithm));
    let gateways: Vec<_> = (0..gateways).map(|_| Gateway::start(&text)).collect();
    let said = verified(&gateways, seconds());
    assert_eq!(said["rejected"], 0, "{said}");
    assert!(said["fetched"].as_u64().unwrap() >= seconds() * 2 / 3, "as often as it must: {said}");
    assert!(said["most"].as_u64().unwrap() >= BEFORE + AFTER, "several keys to come, several that were: {said}");
}

#[test]
fn keys_that_change_every_second_break_no_verifier() {
    nobody_is_refused("ES256", 1);
}

#[test]
fn keys_of_rsa_that_change_every_second_break_no_verifier() {
    nobody_is_refused("RS256", 1);
}

#[test]
fn two_gateways_with_one_directory_break_no_verifier() {
    nobody_is_refused("ES256", 2);
}

/// An operator who puts a key into the directory each second, so long before it signs.
fn brought(ahead: u64) -> Value {
    const SECONDS: u64 = 8;
    let (upstream, directory) = (Upstream::echo(), Folder::new());
    put_key(directory.path(), "first", now() - 1);
    let text = config(&upstream, &format!("directory: {}", directory.path().display()));
    let gateways = [Gateway::start(&text)];
    thread::scope(|scope| {
        scope.spawn(|| {
            let begin = Instant::now();
            for second in 0..SECONDS + ahead {
                thread::sleep(Duration::from_secs(second).saturating_sub(begin.elapsed()));
                put_key(directory.path(), &format!("k{second}"), now() + ahead);
            }
        });
        verified(&gateways, SECONDS + ahead)
    })
}

#[test]
fn without_the_overlap_the_same_verifier_refuses_tokens() {
    let said = brought(BEFORE);
    assert_eq!(said["rejected"], 0, "{said}");
    let said = brought(0);
    let rejected = said["rejected"].as_u64().unwrap();
    assert!(rejected > u64::from(RATE), "a key that was never published before it signed: {said}");
    let examples = said["examples"].as_array().unwrap();
    assert!(examples.iter().all(|example| example["error"] == "ERR_JWKS_NO_MATCHING_KEY"), "{said}");
}

/// A key for ES256 that signs from then on, as a file that is there at once or not at all.
fn put_key(directory: &Path, kid: &str, signs_from: u64) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = EcKey::generate(&group).unwrap();
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut BigNumContext::new().unwrap()).unwrap();
    let octets = |number: &openssl::bn::BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec_padded(32).unwrap());
    let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid, "nbf": signs_from,
        "x": octets(&x), "y": octets(&y), "d": octets(key.private_key())});
    let elsewhere = Folder::new();
    let file = elsewhere.write("key", jwk.to_string());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(file, directory.join(format!("{kid}.jwk"))).unwrap();
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
