//! Keys change every second under load, and a verifier that believes what it was told, to the second, refuses no token.

use std::{
    collections::HashSet,
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
const LIFETIME: u64 = 4;
/// For how many seconds a key is published before it signs.
const BEFORE: u64 = 4;
/// And after it has signed.
const AFTER: u64 = LIFETIME + 1;

/// How long keys are rotated; `make soak-rotation` says longer.
fn seconds() -> u64 {
    env::var("ROTATION_SECONDS").map_or(12, |seconds| seconds.parse().expect("ROTATION_SECONDS is a number"))
}

/// A file whose tokens are signed by a set with these fields, and whose keys verifiers may keep for a second. A token is sent
/// again for so many seconds.
fn config(upstream: &Upstream, set: &str, reuse_for: u64) -> String {
    let token = format!(
        "{{name: x-custom-jwt, config: {{iss: '{ISSUER}', key_set: rotating, expires_in: {LIFETIME}, reuse_for: {reuse_for}, \
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

/// Requests at [`RATE`], to the gateways in turn, of which one loads its file again now and then; the tokens go to a verifier
/// at once, which says what it thinks of them.
fn verified(gateways: &[Gateway], seconds: u64) -> Value {
    let mut verifier = Verifier::start(gateways);
    let mut tokens = HashSet::new();
    let asked = Request::get("/signed").header("apikey", "bob-key");
    let begin = Instant::now();
    for second in 0..u32::try_from(seconds).unwrap() {
        // Connections do not live for ever.
        let mut clients: Vec<Client> = gateways.iter().map(Gateway::client).collect();
        if second % 4 == 3 {
            gateways[(second / 4) as usize % gateways.len()].hang_up();
        }
        for number in 0..RATE {
            let due = Duration::from_secs(second.into()) + Duration::from_secs(1) * number / RATE;
            thread::sleep(due.saturating_sub(begin.elapsed()));
            let client = number as usize % clients.len();
            let response = clients[client].send(&asked);
            assert_eq!(response.status, 200, "{response:?}\n{}", gateways[client].stderr());
            let token = response.header("x-token").expect("a token");
            verifier.check(token);
            tokens.insert(token.to_owned());
        }
    }
    let mut said = verifier.finish();
    said["tokens"] = tokens.len().into();
    println!("{said}");
    let sent = u64::from(RATE) * seconds;
    assert_eq!(said["checked"], sent, "every token");
    assert_eq!(said["again"].as_u64().unwrap() + said["expired"].as_u64().unwrap(), sent, "{said}");
    assert!(said["again"].as_u64().unwrap() > sent / 2, "too busy to look twice: {said}");
    said
}

/// Gateways that share a directory make keys for it, and none of their tokens is refused. Says what the verifier has seen.
fn nobody_is_refused(algorithm: &str, gateways: usize, reuse_for: u64) -> Value {
    let (upstream, directory) = (Upstream::echo(), Folder::new());
    let text = config(&upstream, &generated(directory.path(), algorithm), reuse_for);
    let gateways: Vec<_> = (0..gateways).map(|_| Gateway::start(&text)).collect();
    let said = verified(&gateways, seconds());
    println!("{algorithm}, {} gateways, {} s, reuse_for {reuse_for}", gateways.len(), seconds());
    assert_eq!(said["rejected"], 0, "{said}");
    let keys = said["keys"].as_u64().unwrap();
    assert!(keys + BEFORE + 2 >= seconds(), "after the first a new key each second: {said}");
    assert!(said["fetched"].as_u64().unwrap() >= seconds() * 2 / 3, "as often as it must: {said}");
    assert!(said["most"].as_u64().unwrap() >= BEFORE + AFTER, "several keys to come, several that were: {said}");
    said
}

#[test]
fn keys_that_change_every_second_break_no_verifier() {
    let said = nobody_is_refused("ES256", 1, 0);
    assert_eq!(said["tokens"], said["checked"], "a token for each request: {said}");
}

#[test]
fn two_gateways_that_make_keys_for_rsa_in_one_directory_break_no_verifier() {
    nobody_is_refused("RS256", 2, 0);
}

#[test]
fn tokens_that_are_sent_again_break_no_verifier_either() {
    let said = nobody_is_refused("ES256", 1, LIFETIME - 2);
    // While the first key signs, one for each time that it is sent; then one for each key.
    let (tokens, keys) = (said["tokens"].as_u64().unwrap(), said["keys"].as_u64().unwrap());
    assert!((keys..2 * keys + BEFORE).contains(&tokens), "few tokens, and none of a key that signs no more: {said}");
}

/// An operator who brings keys, and how he takes the overlap away.
#[derive(PartialEq)]
enum Operator {
    /// He does not: a key is there [`BEFORE`] seconds before it signs, and stays.
    Careful,
    /// A key signs as soon as it is there.
    Hasty,
    /// A key is removed when the next one signs.
    Tidy,
}

impl Operator {
    /// Puts a key into the directory now and then, and says what the verifier has seen.
    fn brings_keys(&self) -> Value {
        const SECONDS: u64 = 8;
        let (upstream, directory) = (Upstream::echo(), Folder::new());
        put_key(directory.path(), "k0", now() - 1);
        let text = config(&upstream, &format!("directory: {}", directory.path().display()), 0);
        let gateways = [Gateway::start(&text)];
        thread::scope(|scope| {
            scope.spawn(|| self.works_for(Duration::from_secs(SECONDS), directory.path()));
            let said = verified(&gateways, SECONDS + BEFORE);
            assert!(said["keys"].as_u64().unwrap() > SECONDS / 2, "{said}");
            said
        })
    }

    fn works_for(&self, time: Duration, directory: &Path) {
        // Not in step with the verifier, which would otherwise fetch the keys at the right moment each time, by chance.
        const EVERY: Duration = Duration::from_millis(1400);
        let ahead = if *self == Self::Hasty { 0 } else { BEFORE };
        let (begin, mut signs_from) = (Instant::now(), vec![0]);
        while begin.elapsed() < time {
            if begin.elapsed() >= EVERY * u32::try_from(signs_from.len() - 1).unwrap() {
                let from = now() + ahead;
                put_key(directory, &format!("k{}", signs_from.len()), from);
                signs_from.push(from);
            }
            if *self == Self::Tidy {
                let followed = signs_from.iter().skip(1).filter(|time| **time <= now()).count();
                (0..followed).for_each(|old| drop(fs::remove_file(directory.join(format!("k{old}.jwk")))));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn keys_that_an_operator_brings_in_time_break_no_verifier() {
    let said = Operator::Careful.brings_keys();
    assert_eq!(said["rejected"], 0, "{said}");
}

/// The same verifier under the same load refuses tokens, at once or only when it looks again.
fn somebody_is_refused(operator: &Operator, when: &str) {
    let said = operator.brings_keys();
    assert!(said["rejected"].as_u64().unwrap() > u64::from(RATE) / 4, "{said}");
    for example in said["examples"].as_array().unwrap() {
        assert_eq!(
            (&example["error"], &example["count"]),
            (&json!("ERR_JWKS_NO_MATCHING_KEY"), &json!(when)),
            "{said}"
        );
    }
}

#[test]
fn keys_that_were_not_published_before_they_sign_are_not_found() {
    somebody_is_refused(&Operator::Hasty, "checked");
}

#[test]
fn keys_that_are_not_published_after_they_signed_are_not_found() {
    somebody_is_refused(&Operator::Tidy, "again");
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
