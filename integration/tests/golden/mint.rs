//! Tokens like the recorded ones, signed with a key of ours at the time of the test.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    bn::BigNum,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::Signer,
};
use serde_json::Value;

use crate::setup::test_key;

/// A token with this `header` and these `claims`, in which `{"now": 5}` is the time in five seconds. Its `signature` is
/// good, bad or none.
pub(super) fn mint(order: &Value) -> String {
    let mut claims = order["claims"].clone();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().try_into().unwrap();
    claims.as_object_mut().unwrap().values_mut().for_each(|claim| set_time(claim, now));
    let input = format!("{}.{}", encode(order["header"].to_string()), encode(claims.to_string()));
    let mut signature = encode(rs256(input.as_bytes()));
    match order["signature"].as_str().unwrap() {
        "good" => {}
        "bad" => signature.replace_range(signature.len() - 7.., "AAAAAAA"),
        "none" => signature.clear(),
        other => panic!("a signature that is {other}"),
    }
    format!("{input}.{signature}")
}

fn set_time(claim: &mut Value, now: i64) {
    if let Some(seconds) = claim["now"].as_i64() {
        *claim = (now + seconds).into();
    }
}

fn rs256(input: &[u8]) -> Vec<u8> {
    let key = private_key();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.sign_oneshot_to_vec(input).unwrap()
}

fn private_key() -> PKey<Private> {
    let jwk = test_key("rs256-private-jwk.json");
    let number = |name: &str| {
        let octets = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        BigNum::from_slice(&octets).unwrap()
    };
    let [n, e, d, p, q, dp, dq, qi] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(number);
    PKey::from_rsa(Rsa::from_private_components(n, e, d, p, q, dp, dq, qi).unwrap()).unwrap()
}

fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}
