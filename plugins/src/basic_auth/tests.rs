//! Tests of `basic-auth`.

mod hashed;

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine};
use signet_plugin_api::Proof;

use super::NAME;
use crate::testing::{Exchange, World, answered, text};

const CONSUMERS: &str = r#"
consumers:
  - username: alice
    basicauth_credentials:
      - { username: my-user, password: "My p@ssword!" }
      - { username: colon, password: "pa:ss:word" }
      - { username: üser, password: пароль }
  - username: bob
    basicauth_credentials:
      - { username: bob, password: pw }
  - username: anon
"#;

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credentials))
}

fn with(credentials: &str) -> Exchange {
    Exchange::get("/").header("authorization", basic(credentials))
}

#[tokio::test]
async fn a_right_password_names_the_consumer() {
    let handler = World::load(CONSUMERS).compile(NAME, "{}");
    for (credentials, username) in
        [("my-user:My p@ssword!", "my-user"), ("colon:pa:ss:word", "colon"), ("üser:пароль", "üser")]
    {
        let mut exchange = with(credentials);
        exchange.passes(&handler).await;
        assert_eq!(exchange.consumer(), Some("alice"));
        let identity = exchange.cx.identity().expect("an identity");
        assert_eq!(identity.method, "basic-auth");
        assert_eq!(identity.identifier.as_ref().map(|value| value.as_bytes()), Some(username.as_bytes()));
        assert!(matches!(&identity.proof, Proof::Password { username: proven } if **proven == *username));
        assert!(exchange.upstream("authorization").is_some(), "credentials stay unless they are to be hidden");
    }
}

#[tokio::test]
async fn anything_else_is_refused_with_a_challenge() {
    let handler = World::load(CONSUMERS).compile(NAME, "{}");
    let right = BASE64_STANDARD.encode("bob:pw");
    let headers = [
        basic("my-user:wrong"),
        basic("nobody:pw"),
        basic("my-user"),
        basic("my-user:"),
        basic(":pw"),
        basic(""),
        "Basic".to_owned(),
        "Basic %%%".to_owned(),
        "Bearer x.y.z".to_owned(),
        format!("BASIC {right}"),
        format!("Basic{right}"),
        format!("x Basic {right}"),
        right,
    ];
    for header in headers {
        let mut exchange = Exchange::get("/").header("authorization", &header);
        let response = exchange.answer(&handler).await;
        assert_eq!(response.status, 401, "{header}");
        assert_eq!(answered(&response, "www-authenticate"), Some("Basic realm=\"service\""), "{header}");
        assert_eq!(text(&response), "Unauthorized");
        assert!(exchange.cx.identity().is_none());
    }
    assert_eq!(Exchange::get("/").answer(&handler).await.status, 401);
}

#[tokio::test]
async fn the_scheme_may_be_lower_case_and_the_padding_missing() {
    let handler = World::load(CONSUMERS).compile(NAME, "{}");
    let unpadded = BASE64_STANDARD_NO_PAD.encode("bob:pw");
    for header in [format!("basic   {unpadded}"), format!(" Basic {unpadded} ")] {
        Exchange::get("/").header("authorization", header).passes(&handler).await;
    }
}

#[tokio::test]
async fn the_realm_is_configurable() {
    let handler = World::load(CONSUMERS).compile(NAME, "{realm: my realm}");
    let response = with("my-user:x").answer(&handler).await;
    assert_eq!(answered(&response, "www-authenticate"), Some("Basic realm=\"my realm\""));
}

#[tokio::test]
async fn a_user_of_proxy_authorization_counts_and_an_unknown_one_does_not() {
    let handler = World::load(CONSUMERS).compile(NAME, "{}");
    let both = |proxy: &str| with("my-user:My p@ssword!").header("proxy-authorization", basic(proxy));

    let mut exchange = both("bob:pw");
    exchange.passes(&handler).await;
    assert_eq!(exchange.consumer(), Some("bob"));

    let mut exchange = both("nobody:pw");
    exchange.passes(&handler).await;
    assert_eq!(exchange.consumer(), Some("alice"));

    assert_eq!(both("bob:wrong").answer(&handler).await.status, 401);
}

#[tokio::test]
async fn hidden_credentials_do_not_go_upstream() {
    let handler = World::load(CONSUMERS).compile(NAME, "{hide_credentials: true, anonymous: anon}");
    for credentials in ["bob:pw", "bob:wrong"] {
        let mut exchange = with(credentials).header("proxy-authorization", basic("nobody:x"));
        exchange.passes(&handler).await;
        assert_eq!(exchange.upstream("authorization"), None);
        assert_eq!(exchange.upstream("proxy-authorization"), None);
    }
}

#[tokio::test]
async fn with_anonymous_a_wrong_password_is_served_as_nobody() {
    let handler = World::load(CONSUMERS).compile(NAME, "{anonymous: anon}");
    for mut exchange in [Exchange::get("/"), with("my-user:x")] {
        exchange.passes(&handler).await;
        assert_eq!(exchange.consumer(), Some("anon"));
        assert!(!exchange.cx.is_authenticated());
    }
    let mut exchange = with("bob:pw");
    exchange.passes(&handler).await;
    assert!(exchange.cx.is_authenticated());
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let world = World::load(CONSUMERS);
    for (config, mistake) in [
        ("{anonymous: nobody}", "anonymous: no consumer has the id or username `nobody`"),
        ("{realm: ''}", "realm: must not be empty"),
        ("{hide_credentials: 1}", "hide_credentials: expected true or false"),
        ("{hidecredentials: true}", "did you mean `hide_credentials`?"),
    ] {
        let mistakes = world.mistakes(NAME, config);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{config}: {mistakes:?}");
    }
}

#[test]
fn mistakes_in_credentials_are_named_without_the_password() {
    let load = |credentials: &str| {
        let yaml = format!("consumers: [{{username: a, basicauth_credentials: {credentials}}}]");
        World::try_load(&yaml).err().unwrap_or_default()
    };
    for (credentials, mistake) in [
        ("[{username: u, password: p}, {username: u, password: q}]", "[1].username: the user name `u` stands twice"),
        ("[{username: 'a:b', password: p}]", "[0].username: a colon ends the user name"),
        ("[{username: '', password: p}]", "[0].username: must not be empty"),
        ("[{username: \"a\\nb\", password: p}]", "[0].username: control characters"),
        ("[{username: u}]", "missing field `password`"),
        ("[{username: u, password: ''}]", "[0].password: must not be empty"),
        ("[{username: u, password: 4242}]", "[0].password: must be a string: put it in quotes"),
        (
            "[{username: u, password: $2b$10$abcdefghij4242}]",
            "[0].password: begins like a bcrypt hash, but is malformed",
        ),
        (
            "[{username: u, password: '$argon2id$v=19$4242'}]",
            "[0].password: begins like an Argon2 hash, but is malformed",
        ),
    ] {
        let mistakes = load(credentials);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{credentials}: {mistakes:?}");
        assert!(!format!("{mistakes:?}").contains("4242"), "{mistakes:?}");
    }
}

#[test]
fn the_example_compiles() {
    assert_eq!(World::load(include_str!("example.yaml")).compile_file(), [NAME, NAME]);
}
