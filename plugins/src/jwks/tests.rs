//! Tests of `jwks`.

mod secrecy;

use std::sync::Arc;

use http::HeaderValue;
use serde_json::{Value, json};
use signet_plugin_api::{Handler, KeySet, KeyState, KeyStatus, Keys, Overlap, Response};

use super::NAME;
use crate::testing::{Exchange, World, answered, text};

/// An EC key whose coordinates are of no curve: nobody here verifies with it.
fn jwk(kid: &str) -> Value {
    json!({"kty": "EC", "use": "sig", "alg": "ES256", "kid": kid, "crv": "P-256", "x": "eA", "y": "eQ"})
}

/// The keys of a set: names with their states.
fn keys(all: &[(&str, KeyState)]) -> Keys {
    let published: Vec<_> = all.iter().filter(|(_, state)| *state != KeyState::Retired).collect();
    let body = json!({"keys": published.iter().map(|(kid, _)| jwk(kid)).collect::<Vec<_>>()}).to_string();
    let names: Vec<_> = published.iter().map(|(kid, _)| *kid).collect();
    let etag = HeaderValue::from_str(&format!("\"{}\"", names.join("-"))).expect("a header value");
    let status = |(kid, state): &(&str, KeyState)| KeyStatus {
        kid: (*kid).into(),
        alg: if kid.starts_with('r') { "RS256" } else { "ES256" },
        state: *state,
        signs_from: None,
        signs_until: None,
        published_until: None,
    };
    Keys { active: None, states: all.iter().map(status).collect(), public: body.into(), etag }
}

fn set(name: &str, all: &[(&str, KeyState)]) -> Arc<KeySet> {
    Arc::new(KeySet::new(name.into(), false, None, keys(all)))
}

/// A world with these sets.
fn world(sets: &[Arc<KeySet>]) -> World {
    let mut world = World::empty();
    let by_name = sets.iter().map(|set| (Arc::clone(&set.name), Arc::clone(set)));
    world.resources.key_sets = Arc::new(by_name.collect());
    world
}

/// `a` with a key, `b` with another, `shared` with a secret, and `fast`, which leaves verifiers ten seconds.
fn some_sets() -> World {
    let overlap = Overlap { longest_cache: 10, longest_token: 60 };
    world(&[
        set("a", &[("a1", KeyState::Active)]),
        set("b", &[("b1", KeyState::Active)]),
        Arc::new(KeySet::new("shared".into(), true, None, keys(&[]))),
        Arc::new(KeySet::new("fast".into(), false, Some(overlap), keys(&[("f1", KeyState::Active)]))),
    ])
}

async fn get(handler: &Arc<dyn Handler>, path: &str) -> Response {
    Exchange::get(path).answer(handler).await
}

fn body(response: &Response) -> Value {
    serde_json::from_str(&text(response)).expect("JSON")
}

fn kids(response: &Response) -> Vec<String> {
    let body = body(response);
    let keys = body["keys"].as_array().expect("keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

#[tokio::test]
async fn the_public_keys_of_a_set_are_served_as_they_stand() {
    let world = some_sets();
    let handler = world.compile(NAME, "{key_set: a}");
    for path in ["/jwks", "/anything/else", "/.well-known/jwks.json", "/.well-known/openid-configurations"] {
        let response = get(&handler, path).await;
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(answered(&response, "content-type"), Some("application/jwk-set+json"));
        assert_eq!(answered(&response, "cache-control"), Some("public, max-age=300"));
        assert_eq!(answered(&response, "etag"), Some("\"a1\""));
        assert_eq!(body(&response), json!({"keys": [jwk("a1")]}), "{path}");
    }
}

#[tokio::test]
async fn several_sets_are_one_and_a_key_of_two_stands_once() {
    let sets = [
        set("a", &[("a1", KeyState::Active), ("both", KeyState::Next)]),
        set("b", &[("both", KeyState::Active), ("b1", KeyState::Retiring), ("b0", KeyState::Retired)]),
        set("none", &[]),
    ];
    let world = world(&sets);
    let handler = world.compile(NAME, "{key_sets: [b, none, a]}");
    let response = get(&handler, "/jwks").await;
    assert_eq!(kids(&response), ["both", "b1", "a1"]);
    let again = get(&world.compile(NAME, "{key_sets: [b, none, a]}"), "/jwks").await;
    assert_eq!(answered(&response, "etag"), answered(&again, "etag"), "every node gives the same tag");
    let other_order = get(&world.compile(NAME, "{key_sets: [a, b]}"), "/jwks").await;
    assert_ne!(answered(&response, "etag"), answered(&other_order, "etag"));
    let nothing = get(&world.compile(NAME, "{key_set: none}"), "/jwks").await;
    assert_eq!(text(&nothing), "{\"keys\":[]}");
}

#[tokio::test]
async fn a_change_of_any_set_shows_at_once_and_nothing_is_made_twice_for_the_same() {
    let (a, b) = (set("a", &[("a1", KeyState::Active)]), set("b", &[("b1", KeyState::Active)]));
    let world = world(&[Arc::clone(&a), Arc::clone(&b)]);
    let metadata = "metadata: {issuer: 'https://gw.test'}";
    let alone = world.compile(NAME, &format!("{{key_set: b, {metadata}}}"));
    let both = world.compile(NAME, &format!("{{key_sets: [a, b], {metadata}}}"));
    let before = get(&both, "/").await;
    b.replace(keys(&[("b1", KeyState::Retiring), ("r2", KeyState::Active)]));
    let after = get(&both, "/").await;
    assert_eq!((kids(&before).join(" "), kids(&after).join(" ")), ("a1 b1".to_owned(), "a1 b1 r2".to_owned()));
    assert_ne!(answered(&before, "etag"), answered(&after, "etag"));
    assert_eq!(kids(&get(&alone, "/").await), ["b1", "r2"]);
    let told = get(&alone, "/.well-known/openid-configuration").await;
    assert_eq!(body(&told)["id_token_signing_alg_values_supported"], json!(["ES256", "RS256"]));

    let bytes = |response: &Response| text(response).into_bytes();
    let (once, twice) = (get(&both, "/").await, get(&both, "/").await);
    match (&once.body, &twice.body) {
        (signet_plugin_api::Body::Bytes(once), signet_plugin_api::Body::Bytes(twice)) => {
            assert_eq!(once.as_ptr(), twice.as_ptr(), "one document");
        }
        others => panic!("{others:?}"),
    }
    assert_eq!(bytes(&once), bytes(&after));
}

#[tokio::test]
async fn who_has_the_document_gets_304_without_it() {
    let world = some_sets();
    let handler = world.compile(NAME, "{key_set: a, max_age: 7, metadata: {issuer: 'https://gw.test/x'}}");
    for known in ["\"a1\"", "W/\"a1\"", "*", "\"x,y\", W/\"a1\""] {
        for method in ["GET", "HEAD"] {
            let response = Exchange::new(method, "/jwks").header("if-none-match", known).answer(&handler).await;
            assert_eq!((response.status.as_u16(), text(&response).as_str()), (304, ""), "{method} {known}");
            assert_eq!(answered(&response, "etag"), Some("\"a1\""));
            assert_eq!(answered(&response, "cache-control"), Some("public, max-age=7"));
            assert_eq!(answered(&response, "content-type"), None);
        }
    }
    let other = Exchange::get("/jwks").header("if-none-match", "\"a2\"").answer(&handler).await;
    assert_eq!(other.status, 200);
    let several = Exchange::get("/jwks").header("if-none-match", "\"a2\"").header("if-none-match", "\"a1\"");
    assert_eq!({ several }.answer(&handler).await.status, 304);

    let metadata = get(&handler, "/.well-known/openid-configuration").await;
    let tag = answered(&metadata, "etag").expect("a tag");
    assert_ne!(tag, "\"a1\"");
    let again = Exchange::get("/.well-known/openid-configuration").header("if-none-match", tag).answer(&handler).await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn other_methods_are_told_which_are_right() {
    let world = some_sets();
    let handler = world.compile(NAME, "{key_set: a}");
    assert_eq!(Exchange::new("HEAD", "/jwks").answer(&handler).await.status, 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"] {
        let response = Exchange::new(method, "/jwks").header("if-none-match", "*").answer(&handler).await;
        assert_eq!((response.status.as_u16(), answered(&response, "allow")), (405, Some("GET, HEAD")), "{method}");
        assert!(!text(&response).contains("kty"), "{method}");
    }
}

#[tokio::test]
async fn metadata_is_told_where_verifiers_look_for_it() {
    let world = some_sets();
    let handler = world.compile(NAME, "{key_set: a, metadata: {issuer: 'https://gw.test/x-custom-jwt'}}");
    for path in [
        "/x-custom-jwt/.well-known/openid-configuration",
        "/x-custom-jwt/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/x-custom-jwt",
        "/.well-known/openid-configuration/x-custom-jwt",
        // A proxy in front took the path away.
        "/.well-known/openid-configuration",
        "/elsewhere/.well-known/openid-configuration?x=y",
    ] {
        let response = get(&handler, path).await;
        assert_eq!(answered(&response, "content-type"), Some("application/json"), "{path}");
        let told = json!({
            "issuer": "https://gw.test/x-custom-jwt",
            "jwks_uri": "https://gw.test/x-custom-jwt/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        assert_eq!(body(&response), told, "{path}");
    }
    for path in ["/.well-known/openid-configuration/other", "/.well-known/oauth-authorization-server/"] {
        assert_eq!(get(&handler, path).await.status, 404, "{path}");
    }
    let silent = world.compile(NAME, "{key_set: a, metadata: {}}");
    for path in ["/.well-known/openid-configuration", "/x/.well-known/oauth-authorization-server"] {
        assert_eq!(get(&silent, path).await.status, 404, "{path}: no keys where metadata is looked for");
    }
}

#[tokio::test]
async fn the_issuer_is_told_letter_for_letter_and_the_place_of_the_keys_may_be_another() {
    let world = some_sets();
    for (metadata, issuer, jwks_uri) in [
        ("{issuer: 'https://GW.test:443/a/'}", "https://GW.test:443/a/", "https://GW.test:443/a/jwks"),
        ("{issuer: 'https://gw.test'}", "https://gw.test", "https://gw.test/jwks"),
        (
            "{issuer: 'https://gw.test', jwks_uri: 'https://keys.test/k?v=1'}",
            "https://gw.test",
            "https://keys.test/k?v=1",
        ),
    ] {
        let handler = world.compile(NAME, &format!("{{key_set: a, metadata: {metadata}}}"));
        let told = body(&get(&handler, "/.well-known/openid-configuration").await);
        assert_eq!((&told["issuer"], &told["jwks_uri"]), (&json!(issuer), &json!(jwks_uri)));
    }
}

#[tokio::test]
async fn a_set_without_keys_names_no_algorithms() {
    let world = world(&[set("a", &[("a1", KeyState::Retired)])]);
    let handler = world.compile(NAME, "{key_set: a, metadata: {issuer: 'https://gw.test'}}");
    let told = body(&get(&handler, "/.well-known/openid-configuration").await);
    assert_eq!(told.get("id_token_signing_alg_values_supported"), None);
    assert_eq!(body(&get(&handler, "/").await), json!({"keys": []}));
}

#[test]
fn what_cannot_be_published_is_a_mistake() {
    let world = some_sets();
    for (config, mistake) in [
        ("{}", "key_set: the name of a key set is needed, or `key_sets`"),
        ("{key_set: a, key_sets: [b]}", "key_set: cannot be used with key_sets"),
        ("{key_sets: []}", "key_sets: the name of at least one key set is needed"),
        ("{key_sets: [a, c]}", "key_sets[1]: no key set has the name or id `c`"),
        ("{key_sets: [a, b, a]}", "key_sets[2]: the key set `a` is named already"),
        ("{key_set: shared}", "key_set: the keys of `shared` are shared secrets, which are never published"),
        ("{key_sets: [a, shared]}", "key_sets[1]: the keys of `shared` are shared secrets, which are never published"),
        ("{key_set: a, metadata: {jwks_uri: 'https://a/b'}}", "metadata.jwks_uri: requires metadata.issuer"),
        ("{key_set: a, metadata: {issuer: 'https://a/?b'}}", "metadata.issuer: an issuer has no query"),
        ("{key_set: a, metadata: {issuer: gw.test}}", "metadata.issuer: `gw.test` must begin with https:// and a host"),
        (
            "{key_set: a, metadata: {issuer: 'https://a', jwks_uri: 'https://a/#k'}}",
            "metadata.jwks_uri: `https://a/#k` must not have a fragment",
        ),
        (
            "{key_set: a, metadata: {issuer: 'https://me:hunter2@a'}}",
            "metadata.issuer: a user name or a password has no place in a URL that everybody sees",
        ),
    ] {
        assert_eq!(world.mistakes(NAME, config), [mistake], "{config}");
    }
    for config in ["{key_set: a, max_age: -1}", "{key_set: a, max_age: 1.5}", "{key_set: a, keyset: b}"] {
        assert_eq!(world.mistakes(NAME, config).len(), 1, "{config}");
    }
}

#[test]
fn verifiers_may_keep_the_keys_no_longer_than_every_schedule_allows() {
    let world = some_sets();
    let too_long = |config: &str| {
        let mistakes = world.mistakes(NAME, config);
        assert!(mistakes.iter().any(|mistake| mistake.starts_with("max_age: ")), "{mistakes:?}");
        assert!(mistakes.iter().any(|mistake| mistake.contains("`publish_before`")), "{mistakes:?}");
        assert!(mistakes.iter().any(|mistake| mistake.ends_with("at most 10 here")), "{mistakes:?}");
    };
    too_long("{key_set: fast}");
    too_long("{key_set: fast, max_age: 11}");
    too_long("{key_sets: [a, fast], max_age: 11}");
    for config in ["{key_set: fast, max_age: 10}", "{key_sets: [fast, a], max_age: 0}", "{key_set: a, max_age: 86400}"]
    {
        drop(world.compile(NAME, config));
    }
}

#[test]
fn two_keys_of_one_name_are_a_mistake() {
    let (a, b) = (set("a", &[("k", KeyState::Active)]), set("b", &[("other", KeyState::Active)]));
    let mut other = keys(&[("k", KeyState::Active)]);
    let mut differs = jwk("k");
    differs["x"] = json!("eg");
    other.public = json!({"keys": [differs]}).to_string().into();
    b.replace(other);
    let mistakes = world(&[a, b]).mistakes(NAME, "{key_sets: [a, b]}");
    assert_eq!(mistakes, ["key_sets: two different keys have the kid \"k\": a verifier could not tell them apart"]);
}

#[tokio::test]
async fn a_private_member_is_not_published_even_if_it_gets_into_a_set() {
    for member in ["d", "k", "p", "q", "dp", "dq", "qi", "oth", "iat"] {
        let a = set("a", &[("a1", KeyState::Active)]);
        let world = world(&[Arc::clone(&a)]);
        let handler = world.compile(NAME, "{key_set: a}");
        let mut leaking = keys(&[("a1", KeyState::Active)]);
        let mut private = jwk("a1");
        private[member] = json!("c2VjcmV0");
        leaking.public = json!({"keys": [private]}).to_string().into();
        a.replace(leaking);
        let mut exchange = Exchange::get("/");
        let error = exchange.try_run(&handler).await.expect_err("a broken set");
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error:?}");
        assert_eq!(world.mistakes(NAME, "{key_set: a}").len(), 1, "{member}");
    }
}

#[test]
fn an_issuer_without_tls_is_remarked_on() {
    let world = some_sets();
    let warnings = |issuer: &str| world.warnings(NAME, &format!("{{key_set: a, metadata: {{issuer: '{issuer}'}}}}"));
    assert!(warnings("https://gw.test").is_empty());
    let [warning] = &*warnings("http://gw.test") else { panic!("one warning") };
    assert!(warning.starts_with("metadata.issuer: "), "{warning}");
}
