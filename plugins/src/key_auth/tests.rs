//! Tests of `key-auth`.

use signet_plugin_api::Proof;

use super::NAME;
use crate::{
    shared::secret::PresentedKey,
    testing::{Exchange, World, answered, text},
};

const CONSUMERS: &str = r#"
consumers:
  - username: alice
    keyauth_credentials:
      - { id: aaaaaaaa-0000-4000-8000-000000000004, key: "012345AZERTY!" }
      - { key: expired, ttl: 1700000000 }
      - { key: lasting, ttl: 32503680000 }
  - username: bob
    keyauth_credentials:
      - { key: ключ }
  - username: anon
"#;
const KEY: &str = "012345AZERTY!";

async fn refusal(config: &str, mut exchange: Exchange) -> String {
    let response = exchange.answer(&World::load(CONSUMERS).compile(NAME, config)).await;
    assert_eq!(response.status, 401);
    assert!(exchange.cx.identity().is_none() && exchange.cx.get::<PresentedKey>().is_none());
    text(&response)
}

async fn accepted(config: &str, mut exchange: Exchange) -> Exchange {
    exchange.passes(&World::load(CONSUMERS).compile(NAME, config)).await;
    assert!(exchange.cx.is_authenticated());
    exchange
}

#[tokio::test]
async fn a_right_key_names_the_consumer_and_the_credential() {
    let exchange = accepted("{}", Exchange::get("/").header("apikey", KEY)).await;
    assert_eq!(exchange.consumer(), Some("alice"));
    let identity = exchange.cx.identity().expect("an identity");
    let id = "aaaaaaaa-0000-4000-8000-000000000004";
    assert_eq!(identity.method, "key-auth");
    assert_eq!(identity.identifier.as_ref().expect("an identifier"), id);
    assert!(matches!(&identity.proof, Proof::Key));
    assert_eq!(identity.credential_id.as_deref(), Some(id));
    assert_eq!(exchange.cx.get::<PresentedKey>().map(PresentedKey::as_str), Some(KEY));
    assert_eq!(exchange.upstream("apikey"), Some(KEY));
}

#[tokio::test]
async fn a_key_may_stand_in_the_query() {
    let exchange = accepted("{}", Exchange::get("/?a=1&apikey=%D0%BA%D0%BB%D1%8E%D1%87")).await;
    assert_eq!(exchange.consumer(), Some("bob"));
}

#[tokio::test]
async fn a_request_without_a_key_is_refused() {
    for exchange in [
        Exchange::get("/"),
        Exchange::get("/").header("apikey", ""),
        Exchange::get("/?apikey="),
        Exchange::get("/?APIKEY=012345AZERTY!"),
        Exchange::get("/?apikey=012345AZERTY!").header("apikey", ""),
    ] {
        assert_eq!(refusal("{}", exchange).await, "No API key found in request");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    for key in ["bad", "012345azerty!", "012345AZERTY! ", "012345AZERTY", "a\u{fffd}"] {
        let exchange = Exchange::get(&format!("/?apikey={}", key.replace(' ', "%20")));
        assert_eq!(refusal("{}", exchange).await, "Unauthorized", "{key}");
    }
}

#[tokio::test]
async fn a_key_that_is_sent_twice_is_refused() {
    for exchange in [
        Exchange::get("/").header("apikey", KEY).header("apikey", KEY),
        Exchange::get("/?apikey=012345AZERTY!&apikey=012345AZERTY!"),
    ] {
        assert_eq!(refusal("{}", exchange).await, "Duplicate API key found");
    }
}

#[tokio::test]
async fn an_expired_key_is_refused_and_a_lasting_one_is_not() {
    assert_eq!(refusal("{}", Exchange::get("/").header("apikey", "expired")).await, "Unauthorized");
    accepted("{}", Exchange::get("/").header("apikey", "lasting")).await;
}

#[tokio::test]
async fn names_are_tried_in_order_and_the_first_that_is_there_decides() {
    let config = "{key_names: [X-Api-Key, apikey]}";
    accepted(config, Exchange::get("/").header("apikey", KEY)).await;
    accepted(config, Exchange::get("/?apikey=bad").header("x-api-key", KEY)).await;
    let exchange = Exchange::get("/").header("x-api-key", "bad").header("apikey", KEY);
    assert_eq!(refusal(config, exchange).await, "Unauthorized");
}

#[tokio::test]
async fn a_name_with_an_underscore_is_found_with_a_hyphen() {
    for header in ["api_key", "api-key", "API-KEY"] {
        let config = "{key_names: [api_key], hide_credentials: true}";
        let exchange = accepted(config, Exchange::get("/").header(header, KEY)).await;
        assert_eq!(exchange.upstream(header), None);
    }
}

#[tokio::test]
async fn places_can_be_switched_off() {
    let in_header = || Exchange::get("/").header("apikey", KEY);
    let in_query = || Exchange::get("/?apikey=012345AZERTY!");
    let none = "No API key found in request";
    assert_eq!(refusal("{key_in_header: false}", in_header()).await, none);
    assert_eq!(refusal("{key_in_query: false}", in_query()).await, none);
    accepted("{key_in_header: false}", in_query()).await;
    accepted("{key_in_query: false}", in_header()).await;
}

#[tokio::test]
async fn the_challenge_names_the_realm_only_if_there_is_one() {
    let world = World::load(CONSUMERS);
    for (config, challenge) in [("{}", "Key"), ("{realm: kr}", "Key realm=\"kr\"")] {
        let response = Exchange::get("/").answer(&world.compile(NAME, config)).await;
        assert_eq!(answered(&response, "www-authenticate"), Some(challenge));
    }
}

#[tokio::test]
async fn hidden_keys_do_not_go_upstream_from_any_place() {
    let exchange = Exchange::get("/p?x=%2f&apikey=other&y").header("apikey", KEY);
    let exchange = accepted("{hide_credentials: true}", exchange).await;
    assert_eq!(exchange.upstream("apikey"), None);
    assert_eq!(exchange.head.uri.to_string(), "/p?x=%2f&y");
}

#[tokio::test]
async fn a_wrong_key_is_hidden_from_the_upstream_of_anonymous() {
    let handler = World::load(CONSUMERS).compile(NAME, "{hide_credentials: true, anonymous: anon}");
    for mut exchange in
        [Exchange::get("/").header("apikey", "bad"), Exchange::get("/").header("apikey", KEY).header("apikey", KEY)]
    {
        exchange.passes(&handler).await;
        assert_eq!(exchange.upstream("apikey"), None);
        assert_eq!(exchange.consumer(), Some("anon"));
    }
}

const IN_BODY: &str = "{key_in_body: true, hide_credentials: true}";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=\"xyz\"";

fn post(content_type: &str, body: &str) -> Exchange {
    Exchange::new("POST", "/").body(content_type, body)
}

fn multipart(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).chain(["--xyz--\r\n".to_owned()]).collect()
}

#[tokio::test]
async fn a_key_in_the_body_is_accepted_and_cut_out() {
    let number = "123456789012345678901234567890";
    for (content_type, body, rest) in [
        (FORM, "a=%2f&apikey=012345AZERTY%21&b=x+y".to_owned(), "a=%2f&b=x+y".to_owned()),
        (
            "application/json; charset=utf-8",
            format!(r#"{{"n": {number}, "apikey": "012345AZ\u0045RTY!", "o": {{"apikey": 1}}}}"#),
            format!(r#"{{"n":{number},"o":{{"apikey": 1}}}}"#),
        ),
        (
            MULTIPART,
            multipart(&[("a", "1"), ("apikey", KEY), ("b", "x\r\n--xy\r\n")]),
            multipart(&[("a", "1"), ("b", "x\r\n--xy\r\n")]),
        ),
    ] {
        let exchange = accepted(IN_BODY, post(content_type, &body)).await;
        assert_eq!(exchange.body.replaced.as_deref(), Some(rest.as_bytes()), "{content_type}");
    }
}

#[tokio::test]
async fn a_body_is_left_alone_when_no_key_is_to_be_hidden_in_it() {
    let exchange = accepted("{key_in_body: true}", post(FORM, "apikey=012345AZERTY!")).await;
    assert_eq!(exchange.body.replaced, None);
    let exchange = accepted(IN_BODY, post(FORM, "a=1").header("apikey", KEY)).await;
    assert_eq!(exchange.body.replaced, None);
}

#[tokio::test]
async fn a_copy_in_the_body_is_hidden_too() {
    let exchange = accepted(IN_BODY, post(FORM, "apikey=012345AZERTY!&a=1").header("apikey", KEY)).await;
    assert_eq!(exchange.body.replaced.as_deref(), Some(&b"a=1"[..]));
}

#[tokio::test]
async fn a_key_that_stands_twice_in_the_body_is_refused() {
    for (content_type, body) in [
        (FORM, "apikey=a&apikey=012345AZERTY!".to_owned()),
        ("application/json", r#"{"apikey": ["012345AZERTY!"]}"#.to_owned()),
        (MULTIPART, multipart(&[("apikey", "a"), ("apikey", KEY)])),
    ] {
        assert_eq!(refusal(IN_BODY, post(content_type, &body)).await, "Duplicate API key found", "{content_type}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_hold_a_key_holds_none() {
    for exchange in [
        post("text/plain", "apikey=012345AZERTY!"),
        post("application/json", "[\"012345AZERTY!\"]"),
        post("application/json", "{\"apikey\": \"012345AZERTY!\""),
        post("application/json", "{\"apikey\": 12345}"),
        post("application/json", "{\"apikey\": null}"),
        post("multipart/form-data", &multipart(&[("apikey", KEY)])),
        post(MULTIPART, "--xyz\r\nno headers"),
        post(FORM, &format!("apikey=012345AZERTY!&fill={}", "x".repeat(65_536))),
        Exchange::new("POST", "/"),
    ] {
        assert_eq!(refusal(IN_BODY, exchange).await, "No API key found in request");
    }
}

#[tokio::test]
async fn the_body_is_not_asked_when_it_is_not_to_hold_keys() {
    assert_eq!(refusal("{}", post(FORM, "apikey=012345AZERTY!")).await, "No API key found in request");
}

#[tokio::test]
async fn preflights_can_be_let_through() {
    let handler = World::load(CONSUMERS).compile(NAME, "{run_on_preflight: false}");
    let mut exchange = Exchange::new("OPTIONS", "/");
    exchange.passes(&handler).await;
    assert!(exchange.cx.identity().is_none());
    assert_eq!(Exchange::get("/").answer(&handler).await.status, 401);
    assert_eq!(refusal("{}", Exchange::new("OPTIONS", "/")).await, "No API key found in request");
}

const TWO_KINDS: &str = r#"
consumers:
  - { username: alice, keyauth_credentials: [{ key: k }] }
  - { username: bob, basicauth_credentials: [{ username: bob, password: pw }] }
  - { username: anon }
"#;

#[tokio::test]
async fn with_anonymous_two_plugins_are_alternatives() {
    let world = World::load(TWO_KINDS);
    let key = world.compile(NAME, "{anonymous: anon}");
    let basic = world.compile("basic-auth", "{anonymous: anon}");
    let basic_header = ("authorization", "Basic Ym9iOnB3");
    for (headers, consumer, authenticated) in [
        (&[("apikey", "k")][..], "alice", true),
        (&[basic_header], "bob", true),
        (&[("apikey", "k"), basic_header], "alice", true),
        (&[("apikey", "bad"), basic_header], "bob", true),
        (&[("apikey", "bad")], "anon", false),
        (&[], "anon", false),
    ] {
        let mut exchange =
            headers.iter().fold(Exchange::get("/"), |exchange, (name, value)| exchange.header(name, value));
        exchange.passes(&key).await;
        exchange.passes(&basic).await;
        assert_eq!(
            (exchange.consumer(), exchange.cx.is_authenticated()),
            (Some(consumer), authenticated),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn without_anonymous_both_must_accept_and_the_last_one_counts() {
    let world = World::load(TWO_KINDS);
    let (key, basic) = (world.compile(NAME, "{}"), world.compile("basic-auth", "{}"));
    let mut exchange = Exchange::get("/").header("apikey", "k").header("authorization", "Basic Ym9iOnB3");
    exchange.passes(&key).await;
    exchange.passes(&basic).await;
    assert_eq!(exchange.consumer(), Some("bob"));

    let mut exchange = Exchange::get("/").header("apikey", "k");
    exchange.passes(&key).await;
    assert_eq!(exchange.answer(&basic).await.status, 401);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let world = World::load(CONSUMERS);
    for (config, mistake) in [
        ("{anonymous: nobody}", "anonymous: no consumer has the id or username `nobody`"),
        ("{key_names: []}", "key_names: without a name no key can be sent"),
        ("{key_names: [ok, 'a b']}", "key_names[1]: `a b` is not a header name"),
        ("{key_names: ['']}", "key_names[0]: must not be empty"),
        ("{key_names: apikey}", "key_names: expected a list"),
        ("{realm: ''}", "realm: must not be empty"),
        ("{key_name: [a]}", "did you mean `key_names`?"),
    ] {
        let mistakes = world.mistakes(NAME, config);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{config}: {mistakes:?}");
    }
}

#[test]
fn mistakes_in_credentials_are_named_without_the_key() {
    for (credentials, mistake) in [
        ("[{key: k4242}, {key: k4242}]", "[1].key: an earlier credential has the same key"),
        ("[{key: 4242}]", "[0].key: must be a string: put it in quotes"),
        ("[{key: ''}]", "[0].key: must not be empty"),
        ("[{}]", "missing field `key`"),
        ("[{key: k4242, ttl: 3600}]", "[0].ttl: must be the time of expiry"),
        ("[{key: k4242, ttl: -1}]", "[0].ttl: expected a whole number"),
    ] {
        let yaml = format!("consumers: [{{username: a, keyauth_credentials: {credentials}}}]");
        let mistakes = World::try_load(&yaml).err().unwrap_or_default();
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{credentials}: {mistakes:?}");
        assert!(!format!("{mistakes:?}").contains("4242"), "{mistakes:?}");
    }
}

#[tokio::test]
async fn the_example_compiles_and_works() {
    let world = World::load(include_str!("example.yaml"));
    assert_eq!(world.compile_file(), [NAME]);
    Exchange::get("/").header("apikey", KEY).passes(&world.compile(NAME, "{}")).await;
}
