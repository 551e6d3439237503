//! Whatever a set holds, and however old its keys are: nothing private is ever in an answer.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;
use signet_keys::{Algorithm, Kid, Labels, PrivateKey, SetKey, keys_at};
use signet_plugin_api::{KeySet, KeyState, SigningBackend};

use super::{NAME, body, get, world};
use crate::testing::text;

/// So many octets in a row of a private key are no accident.
const WINDOW: usize = 8;
/// All that the answers may say of a key.
const PUBLIC: [&str; 9] = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// About which the times of all keys are.
const NOW: u64 = 1_800_000_000;

/// Small numbers that a failure can be repeated with.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let mut seed = [0; 8];
        SystemRandom::new().fill(&mut seed).expect("a seed");
        Self(u64::from_le_bytes(seed))
    }

    /// splitmix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A private key, as it stands in a file.
fn written(key: &PrivateKey) -> String {
    let labels = Labels { kid: None, issued_at: None, not_before: None, not_after: None };
    key.to_jwk(&labels).expect("JSON").to_string()
}

/// Every run of octets of its private members.
fn secrets(key: &PrivateKey) -> HashSet<Vec<u8>> {
    let jwk: Value = serde_json::from_str(&written(key)).expect("JSON");
    let members: Vec<Vec<u8>> = PRIVATE
        .iter()
        .filter_map(|name| jwk[*name].as_str())
        .map(|text| URL_SAFE_NO_PAD.decode(text).expect("base64url"))
        .collect();
    assert!(!members.is_empty(), "a private key has private members");
    members.iter().flat_map(|member| member.windows(WINDOW).map(<[u8]>::to_vec)).collect()
}

/// Whether octets of a secret stand in a text: as they are, in hexadecimal, or in base64 of any alphabet that begins anywhere.
fn tells(text: &str, secrets: &HashSet<Vec<u8>>) -> bool {
    let has = |octets: &[u8]| octets.windows(WINDOW).any(|window| secrets.contains(window));
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    let base64 = text.split(|c| !is_base64(c)).flat_map(|run| (0..4).filter_map(|begin| run.get(begin..)));
    let base64 = base64.flat_map(|run| {
        let whole = run.get(..run.len() / 4 * 4).unwrap_or_default();
        [STANDARD_NO_PAD.decode(whole.replace('-', "+").replace('_', "/")).unwrap_or_default()]
    });
    let hex = text.split(|c: char| !c.is_ascii_hexdigit()).flat_map(|run| (0..2).filter_map(|begin| run.get(begin..)));
    let hex = hex.map(|run| {
        let pairs = run.as_bytes().chunks_exact(2).filter_map(|pair| std::str::from_utf8(pair).ok());
        pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect::<Vec<u8>>()
    });
    has(text.as_bytes()) || base64.chain(hex).any(|octets| has(&octets))
}

/// A key of each algorithm that can sign.
fn one_of_each() -> Vec<PrivateKey> {
    let signing = Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Es512);
    signing.map(|algorithm| PrivateKey::generate(algorithm, 2048).expect("a key")).collect()
}

/// It with random times around [`NOW`], or none.
fn with_times(key: &PrivateKey, number: usize, dice: &mut Dice) -> Arc<SetKey> {
    let mut time = || (dice.below(4) > 0).then(|| NOW - 50 + dice.below(100));
    Arc::new(SetKey {
        kid: Kid::new(&format!("key-{number}")),
        algorithm: key.algorithm(),
        signer: key.signer(SigningBackend::Ring).expect("a signer"),
        public: key.public(),
        not_before: time(),
        not_after: time(),
    })
}

/// The names of the pairs that are not retired.
fn published(sets: &[Arc<KeySet>]) -> BTreeSet<String> {
    let keys = sets.iter().flat_map(|set| set.keys().states.clone());
    let pairs = keys.filter(|key| key.state != KeyState::Retired && !key.alg.starts_with("HS"));
    pairs.map(|key| key.kid.to_string()).collect()
}

#[test]
fn the_detector_finds_every_form_of_a_secret() {
    for key in one_of_each() {
        let (jwk, secrets) = (written(&key), secrets(&key));
        assert!(tells(&jwk, &secrets), "{:?}", key.algorithm());
        let public = key.public().map(|public| public.to_jwk(&Kid::new("k"))).unwrap_or_default();
        assert!(!tells(&public, &secrets), "{:?}", key.algorithm());
    }
    let octets: Vec<u8> = (180..220).collect();
    let secrets = octets.windows(WINDOW).map(<[u8]>::to_vec).collect();
    let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    let shifted = STANDARD_NO_PAD.encode([&[1, 2][..], &octets].concat());
    for text in [&hex, &hex.to_lowercase(), &URL_SAFE_NO_PAD.encode(&octets), &shifted, &format!("x{shifted}")] {
        assert!(tells(&format!("{{\"a\":\"{text}\"}}"), &secrets), "{text}");
    }
    assert!(!tells("{\"keys\":[{\"kid\":\"abcdefghijklmnopqrst\"}]}", &secrets));
}

#[tokio::test]
async fn no_answer_holds_a_private_member_or_octets_of_a_private_key() {
    let pool = one_of_each();
    let secrets: HashSet<Vec<u8>> = pool.iter().flat_map(secrets).collect();
    let mut dice = Dice::new();
    let (seed, mut seen) = (dice.0, HashSet::new());
    for round in 0..300 {
        // As if shared secrets had got in beside pairs.
        let set = |name: &str, dice: &mut Dice| {
            let chosen: Vec<_> = pool.iter().enumerate().filter(|_| dice.below(3) == 0).collect();
            let keys: Vec<_> = chosen.into_iter().map(|(number, key)| with_times(key, number, dice)).collect();
            Arc::new(KeySet::new(name.into(), false, None, keys_at(&keys, dice.below(40), NOW).keys))
        };
        let sets = [set("a", &mut dice), set("b", &mut dice)];
        seen.extend(sets.iter().flat_map(|set| set.keys().states.clone()).map(|key| (key.alg, key.state)));
        let world = world(&sets);
        let metadata = "metadata: {issuer: 'https://gw.test'}";
        for (config, of) in [("key_set: a", &sets[..1]), ("key_sets: [a, b]", &sets[..])] {
            let handler = world.compile(NAME, &format!("{{{config}, {metadata}}}"));
            for path in ["/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/x"] {
                let response = get(&handler, path).await;
                let told = format!("{:?} {}", response.headers, text(&response));
                assert!(!tells(&told, &secrets), "seed {seed}, round {round}, {path}");
            }
            let keys = body(&get(&handler, "/jwks").await)["keys"].as_array().expect("keys").clone();
            for key in &keys {
                let members: Vec<_> = key.as_object().expect("a JWK").keys().collect();
                assert!(members.iter().all(|name| PUBLIC.contains(&name.as_str())), "seed {seed}: {members:?}");
                assert_ne!(key["kty"], "oct", "seed {seed}, round {round}");
            }
            let told: BTreeSet<_> = keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect();
            assert_eq!((told.len(), told), (keys.len(), published(of)), "seed {seed}, round {round}");
        }
    }
    let states = [KeyState::Next, KeyState::Active, KeyState::Retiring, KeyState::Retired];
    let all = pool.iter().flat_map(|key| states.map(|state| (key.algorithm().as_str(), state)));
    let missing: Vec<_> = all.filter(|wanted| !seen.contains(wanted)).collect();
    assert!(missing.is_empty(), "seed {seed}: no key was ever {missing:?}");
}
