//! `key_set`: the active key of a set signs, and the next one as soon as it is active.

use signet_keys::Secrets;
use signet_plugin_api::{Bytes, HeaderValue, KeySet, Keys, Overlap};

use super::*;
use crate::shared::own_key::OwnKey;

/// A set in which this key signs, if any.
pub(super) fn key_set(active: Option<&str>, overlap: Option<Overlap>) -> Arc<KeySet> {
    Arc::new(KeySet::new("signing".into(), false, overlap, keys(active)))
}

pub(super) fn keys(active: Option<&str>) -> Keys {
    let key = |text| {
        let key = OwnKey::parse(text, Secrets::AsTheyStand).expect("a key");
        Arc::new(key.signing_key("key_set", &Scope::new(&Resources::default())).expect("a key"))
    };
    let (public, etag) = (Bytes::new(), HeaderValue::from_static("\"\""));
    Keys { active: active.map(key), states: Vec::new(), public, etag }
}

/// Where the set can be named.
pub(super) fn world(set: &Arc<KeySet>) -> World {
    let mut world = World::empty();
    world.resources.key_sets = Arc::new([("signing".into(), Arc::clone(set))].into());
    world
}

const CONFIG: &str = r#"{"key_set": "signing", "apikey_client_id": "consumer"}"#;

#[tokio::test]
async fn the_active_key_of_the_set_signs() {
    let handler = world(&key_set(Some(RS256), None)).compile("x-custom-jwt", CONFIG);
    let token = token(&handler, verified(password("u"))).await;
    verify_rsa(&token, RS256_SET, &signature::RSA_PKCS1_2048_8192_SHA256);
    assert_eq!(json_part(&token, 0)["kid"], "signet-rs256");
}

#[tokio::test]
async fn a_key_that_becomes_active_signs_the_next_token() {
    let set = key_set(Some(RS256), None);
    let handler = world(&set).compile("x-custom-jwt", CONFIG);
    token(&handler, verified(password("u"))).await;
    set.replace(keys(Some(RS512)));
    let next = token(&handler, verified(password("u"))).await;
    verify_rsa(&next, RS512_SET, &signature::RSA_PKCS1_2048_8192_SHA512);
    assert_eq!(json_part(&next, 0)["alg"], "RS512");
    set.replace(keys(Some(RS256)));
    let back = token(&handler, verified(password("u"))).await;
    verify_rsa(&back, RS256_SET, &signature::RSA_PKCS1_2048_8192_SHA256);
}

#[tokio::test]
async fn without_an_active_key_there_is_a_503_until_there_is_one() {
    let set = key_set(None, None);
    let handler = world(&set).compile("x-custom-jwt", CONFIG);
    let mut exchange = verified(password("u")).header("x-custom-jwt", "forged");
    let response = exchange.answer(&handler).await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(&response), "no token can be signed at the moment");
    assert_eq!(Exchange::get("/demo").answer(&handler).await.status, StatusCode::UNAUTHORIZED);
    set.replace(keys(Some(HS256)));
    token(&handler, verified(password("u"))).await;
    set.replace(keys(None));
    assert_eq!(verified(password("u")).answer(&handler).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_token_that_outlives_its_key_is_a_mistake() {
    let overlap = Some(Overlap { longest_cache: 60, longest_token: 299 });
    let world = world(&key_set(Some(HS256), overlap));
    let config = |expires_in: u32| format!(r#"{{"key_set": "signing", "expires_in": {expires_in}}}"#);
    world.compile("x-custom-jwt", &config(299));
    let expected = "expires_in: a token of 300 s would outlive its key, which the key set `signing` publishes long enough \
                    for 299 s; raise the set's `retire_after` to 301, or lower this";
    assert_eq!(world.mistakes("x-custom-jwt", &config(300)), [expected]);
    let default = world.mistakes("x-custom-jwt", CONFIG);
    assert!(default[0].starts_with("expires_in: a token of 1800 s would outlive its key"), "{default:?}");
}

#[test]
fn one_key_is_named_and_not_two() {
    let world = world(&key_set(Some(HS256), None));
    assert_eq!(world.mistakes("x-custom-jwt", "{}"), [": one of `key_set` and `private_jwk` is needed"]);
    let both = config(HS256, json!({ "key_set": "signing" }));
    assert_eq!(world.mistakes("x-custom-jwt", &both), ["key_set: does not go with `private_jwk`: one key signs"]);
    let other = world.mistakes("x-custom-jwt", r#"{"key_set": "other"}"#);
    assert_eq!(other, ["key_set: no key set has the name or id `other`"]);
}

#[tokio::test]
async fn signatures_are_counted_by_key() {
    let set = key_set(Some(HS256), None);
    let world = world(&set);
    let counts = || {
        let families = world.resources.meters.gather();
        let counter = families.iter().find(|family| family.name() == "signet_jwt_signatures_total");
        let all = counter.into_iter().flat_map(|family| family.get_metric());
        let line = |metric: &prometheus::proto::Metric| {
            let labels: Vec<_> = metric.get_label().iter().map(|label| label.value().to_owned()).collect();
            format!("{} {}", labels.join(" "), metric.get_counter().get_value())
        };
        all.map(line).collect::<Vec<_>>()
    };
    let handler = world.compile("x-custom-jwt", CONFIG);
    assert_eq!(counts(), ["HS256 signet-hs256 0"]);
    for _ in 0..3 {
        token(&handler, verified(password("u"))).await;
    }
    Exchange::get("/demo").answer(&handler).await;
    assert_eq!(counts(), ["HS256 signet-hs256 3"]);
    set.replace(keys(Some(HS512)));
    token(&handler, verified(password("u"))).await;
    assert_eq!(counts(), ["HS256 signet-hs256 3", "HS512 signet-hs512 1"], "what was not scraped yet is not lost");
    set.replace(keys(Some(RS256)));
    token(&handler, verified(password("u"))).await;
    assert_eq!(counts(), ["HS512 signet-hs512 1", "RS256 signet-rs256 1"]);
}

#[tokio::test]
async fn a_key_that_signs_no_more_is_held_by_nobody() {
    let set = key_set(Some(HS256), None);
    let handler = world(&set).compile("x-custom-jwt", &CONFIG.replace('}', r#", "reuse_for": 60}"#));
    token(&handler, verified(password("u"))).await;
    let signer = Arc::downgrade(&set.active().expect("a key").signer);
    assert!(signer.upgrade().is_some());
    set.replace(keys(Some(HS512)));
    assert!(signer.upgrade().is_none(), "although no request came since");
}
