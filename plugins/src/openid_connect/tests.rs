//! Tests of `openid-connect`.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use signet_keys::Algorithm;
use signet_plugin_api::{Handler, Proof, Scope};

use super::{NAME, config::Config, exchange::Exchange, issuer::Known, token::TokenRules};
use crate::{
    shared::{clock::now, testing::Forge},
    testing::{Exchange as Request, World, answered, full_pool, text},
};

const ISSUER: &str = "https://idp.test";
const CONSUMERS: &str = "
consumers:
  - {username: alice, custom_id: a-1}
  - {username: anon}
";

/// A plugin whose identity provider is known to have this key.
fn compiled(world: &World, config: &str, key: &Forge) -> (Arc<dyn Handler>, Arc<Exchange>) {
    let yaml = format!("{{issuer: '{ISSUER}', {config}}}");
    let handler = world.compile(NAME, &yaml);
    let config: Config = serde_yaml::from_str(&yaml).expect("a configuration");
    let exchange = super::asked::exchange(&config, &Scope::new(&world.resources)).expect("an exchange");
    exchange.issuer.learn(&document(), &jwks(key));
    (handler, exchange)
}

fn document() -> String {
    json!({"issuer": ISSUER, "jwks_uri": "https://idp.test/keys"}).to_string()
}

fn jwks(key: &Forge) -> String {
    json!({"keys": [key.jwk()]}).to_string()
}

fn claims(more: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "alice", "exp": now() + 60, "iat": now(), "scope": "read"});
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    claims
}

fn with(token: &str) -> Request {
    Request::get("/").header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn a_verified_token_proves_who_calls() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let config = "auth_methods: [bearer], consumer_claim: [user, name], authenticated_groups_claim: [groups]";
    let (handler, _exchange) = compiled(&world, config, &key);
    let token =
        key.token(&claims(json!({"user": {"name": "a-1"}, "groups": ["x", "y"], "big": 12345678901234567890u64})));
    for _ in 0..2 {
        let mut exchange = with(&token);
        exchange.passes(&handler).await;
        assert_eq!(exchange.consumer(), Some("alice"));
        let identity = exchange.cx.identity().expect("an identity");
        assert_eq!(identity.method, NAME);
        assert_eq!(identity.identifier.as_ref().expect("a subject"), "alice");
        assert_eq!(identity.groups.as_deref(), Some(&["x".into(), "y".into()][..]));
        let Proof::Token { claims } = &identity.proof else { panic!("{identity:?}") };
        assert_eq!(claims.get("big").map(|value| value.get()), Some("12345678901234567890"));
        assert!(!format!("{identity:?}").contains(&token));
    }
}

#[tokio::test]
async fn a_slow_verification_that_finds_no_place_in_the_queue_is_a_503_and_not_anonymous() {
    let (mut world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es384));
    world.resources.signing = full_pool();
    let (handler, _exchange) = compiled(&world, "auth_methods: [bearer], anonymous: anon", &key);
    let mut exchange = with(&key.token(&claims(json!({}))));
    let response = exchange.answer(&handler).await;
    assert_eq!((response.status.as_u16(), answered(&response, "retry-after")), (503, Some("1")));
    assert!(exchange.cx.identity().is_none());
}

#[tokio::test]
async fn tokens_that_are_wrong_in_one_thing_are_refused() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Rs256));
    let (handler, _exchange) = compiled(&world, "auth_methods: [bearer]", &key);
    let good = claims(json!({}));
    with(&key.token(&good)).passes(&handler).await;
    let header = |more: Value| {
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        header.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        header
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(name);
        key.token(&claims)
    };
    let as_secret = Forge::shared(Algorithm::Hs256, key.pem().as_bytes());
    let cases = [
        ("expired", key.token(&claims(json!({"exp": now()})))),
        ("no exp", without("exp")),
        ("exp as text", key.token(&claims(json!({"exp": (now() + 60).to_string()})))),
        ("not yet", key.token(&claims(json!({"nbf": now() + 60})))),
        ("issued tomorrow", key.token(&claims(json!({"iat": now() + 86400})))),
        ("other issuer", key.token(&claims(json!({"iss": "https://idp.test.evil"})))),
        ("issuer with a slash", key.token(&claims(json!({"iss": "https://idp.test/"})))),
        ("list of issuers", key.token(&claims(json!({"iss": [ISSUER]})))),
        ("no issuer", without("iss")),
        ("other key", Forge::new(Algorithm::Rs256).token(&good)),
        ("other algorithm", key.as_if(Algorithm::Ps256).token_with(&json!({"alg": "RS256"}), &good)),
        ("public key as a secret", as_secret.token(&good)),
        ("none", key.token_with(&json!({"alg": "none"}), &good)),
        ("unknown kid", key.token_with(&header(json!({"kid": "k"})), &good)),
        ("crit", key.token_with(&header(json!({"crit": ["exp"]})), &good)),
        ("logout token", key.token_with(&header(json!({"typ": "logout+jwt"})), &good)),
        (
            "claim twice",
            key.sign_text(&header(json!({})).to_string(), &good.to_string().replacen('{', "{\"sub\":\"bob\",", 1)),
        ),
        ("no token", "x".to_owned()),
        ("too long", "x".repeat(20_000)),
    ];
    for (what, token) in cases {
        let mut exchange = with(&token);
        let response = exchange.answer(&handler).await;
        assert_eq!(response.status, 401, "{what}");
        let challenge = answered(&response, "www-authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"idp.test\", error=\"invalid_token\""), "{what}");
        assert_eq!(text(&response), "Unauthorized");
        assert!(exchange.cx.identity().is_none(), "{what}");
    }
}

#[tokio::test]
async fn leeway_and_other_issuers_are_what_the_configuration_says() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::EdDsa));
    let config = "auth_methods: [bearer], leeway: 30, issuers_allowed: ['https://other.test']";
    let (handler, _exchange) = compiled(&world, config, &key);
    let other = json!({"iss": "https://other.test", "exp": now() - 10, "iat": now() + 10, "nbf": now() + 10});
    with(&key.token(&claims(other))).passes(&handler).await;
    assert_eq!(with(&key.token(&claims(json!({})))).answer(&handler).await.status, 401);
    let old = json!({"iss": "https://other.test", "exp": now() - 31});
    assert_eq!(with(&key.token(&claims(old))).answer(&handler).await.status, 401);
}

#[tokio::test]
async fn shared_secrets_sign_only_where_they_are_enabled() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Rs256));
    let secret = "a-secret-of-at-least-thirty-two-octets-and-then-some-more-of-them";
    let token = Forge::shared(Algorithm::Hs256, secret.as_bytes()).token(&claims(json!({})));
    let client = format!("auth_methods: [bearer], client_id: [c], client_secret: [{secret}]");
    let (handler, _exchange) = compiled(&world, &client, &key);
    assert_eq!(with(&token).answer(&handler).await.status, 401);
    let (handler, _exchange) = compiled(&world, &format!("{client}, enable_hs_signatures: true"), &key);
    with(&token).passes(&handler).await;
    let wrong = Forge::shared(Algorithm::Hs256, key.pem().as_bytes()).token(&claims(json!({})));
    assert_eq!(with(&wrong).answer(&handler).await.status, 401);
}

#[tokio::test]
async fn what_was_verified_with_old_keys_is_verified_again() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let (handler, exchange) = compiled(&world, "auth_methods: [bearer]", &key);
    let token = key.token(&claims(json!({})));
    with(&token).passes(&handler).await;
    exchange.issuer.learn(&document(), &jwks(&key));
    with(&token).passes(&handler).await;
    exchange.issuer.learn(&document(), &jwks(&Forge::new(Algorithm::Es256)));
    assert_eq!(with(&token).answer(&handler).await.status, 401);
}

#[tokio::test]
async fn a_token_passes_until_it_expires_and_no_longer() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let (handler, _exchange) = compiled(&world, "auth_methods: [bearer]", &key);
    let (token, end) = (key.token(&claims(json!({"exp": now() + 2}))), now() + 2);
    with(&token).passes(&handler).await;
    while now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(with(&token).answer(&handler).await.status, 401);
}

#[tokio::test]
async fn what_one_route_admits_another_may_not() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let (lenient, _exchange) = compiled(&world, "auth_methods: [bearer]", &key);
    let (strict, _exchange) = compiled(&world, "auth_methods: [bearer], scopes_required: [admin]", &key);
    let token = key.token(&claims(json!({})));
    for _ in 0..2 {
        with(&token).passes(&lenient).await;
        assert_eq!(with(&token).answer(&strict).await.status, 403);
    }
}

#[tokio::test]
async fn a_requirement_that_everybody_would_meet_is_a_mistake() {
    let world = World::load(CONSUMERS);
    for field in ["scopes_required", "audience_required", "roles_required", "groups_required"] {
        let yaml = format!("{{issuer: '{ISSUER}', auth_methods: [bearer], {field}: [admin, ' ']}}");
        let mistakes = world.mistakes(NAME, &yaml);
        assert_eq!(mistakes, [format!("{field}[1]: must not be empty: everybody would pass")]);
    }
}

#[tokio::test]
async fn names_that_differ_in_case_are_the_same_only_where_nobody_else_is_meant() {
    let consumers = "consumers: [{username: Kate}, {username: Bob}, {username: bob}]\n";
    let (world, key) = (World::load(consumers), Forge::new(Algorithm::Es256));
    let config = "auth_methods: [bearer], consumer_claim: [name], by_username_ignore_case: true";
    let (handler, _exchange) = compiled(&world, config, &key);
    for (name, consumer) in [("kATE", "Kate"), ("bob", "bob"), ("Bob", "Bob")] {
        let mut exchange = with(&key.token(&claims(json!({"name": name}))));
        exchange.passes(&handler).await;
        assert_eq!(exchange.consumer(), Some(consumer), "{name}");
    }
    // The Kelvin sign, whose small letter is an ordinary k; and a name that is two consumers'.
    for name in ["\u{212a}ate", "BOB"] {
        let mut exchange = with(&key.token(&claims(json!({"name": name}))));
        assert_eq!(exchange.answer(&handler).await.status, 403, "{name}");
    }
}

#[tokio::test]
async fn the_token_for_the_upstream_is_ours_or_nobodys() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let config = "auth_methods: [bearer], anonymous: anon, upstream_access_token_header: X-Token";
    let (handler, _exchange) = compiled(&world, config, &key);
    let mut forged = Request::get("/").header("x-token", "forged").header("x_token", "forged");
    forged.passes(&handler).await;
    assert_eq!((forged.consumer(), forged.upstream("x-token"), forged.upstream("x_token")), (Some("anon"), None, None));
    let config = "auth_methods: [bearer], upstream_access_token_header: access-token";
    let (handler, _exchange) = compiled(&world, config, &key);
    let token = key.token(&claims(json!({})));
    let mut own = Request::get("/").header("access-token", token.clone());
    own.passes(&handler).await;
    assert_eq!(own.upstream("access-token"), Some(token.as_str()), "the caller's own credential is read there first");
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_the_provider() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let (_before, _exchange) = compiled(&world, "auth_methods: [bearer]", &key);
    let after = world.compile(NAME, &format!("{{issuer: '{ISSUER}', auth_methods: [bearer], hide_credentials: true}}"));
    with(&key.token(&claims(json!({})))).passes(&after).await;
    let other = world.compile(NAME, &format!("{{issuer: '{ISSUER}', auth_methods: [bearer], timeout: 1}}"));
    assert_eq!(with("x").answer(&other).await.status, 503, "another client knows nothing yet");
}

#[tokio::test]
async fn nobody_passes_before_the_provider_is_known() {
    let world = World::load(CONSUMERS);
    let config = format!("{{issuer: '{ISSUER}', auth_methods: [bearer]}}");
    let handler = world.compile(NAME, &config);
    for mut request in [Request::get("/"), with("x")] {
        let response = request.answer(&handler).await;
        assert_eq!((response.status.as_u16(), answered(&response, "retry-after")), (503, Some("5")));
    }
    let handler = world.compile(NAME, &config.replace("auth_methods", "anonymous: anon, auth_methods"));
    assert_eq!(with("x").answer(&handler).await.status, 503);
    let mut request = Request::get("/");
    request.passes(&handler).await;
    assert_eq!((request.consumer(), request.cx.is_authenticated()), (Some("anon"), false));
}

#[tokio::test]
async fn headers_that_say_who_calls_are_never_the_client_s() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let config = "auth_methods: [bearer], anonymous: anon, run_on_preflight: false, upstream_access_token_header: X-Token, \
                  upstream_headers_claims: [sub, none], upstream_headers_names: [X-Sub, X-None]";
    let (handler, _exchange) = compiled(&world, config, &key);
    let token = key.token(&claims(json!({})));
    let forged = |request: Request| request.header("x-sub", "root").header("x_sub", "root").header("x-none", "root");
    let mut request = forged(with(&token));
    request.passes(&handler).await;
    assert_eq!((request.upstream("x-sub"), request.upstream("x-none")), (Some("alice"), None));
    assert_eq!(request.upstream("x-token"), Some(&*token));
    for mut request in [forged(Request::get("/")), forged(Request::new("OPTIONS", "/")), forged(with("x"))] {
        request.passes(&handler).await;
        assert_eq!(
            (request.upstream("x-sub"), request.upstream("x_sub"), request.upstream("x-none")),
            (None, None, None)
        );
    }
}

#[tokio::test]
async fn a_body_is_left_alone_unless_it_is_looked_into() {
    let (world, key) = (World::load(CONSUMERS), Forge::new(Algorithm::Es256));
    let (handler, _exchange) = compiled(&world, "auth_methods: [bearer], hide_credentials: true", &key);
    let token = key.token(&claims(json!({})));
    let form = format!("a=1&access_token={token}");
    let post = || Request::new("POST", "/");
    let mut request = post().body("application/x-www-form-urlencoded", &form);
    request.passes(&handler).await;
    assert_eq!(request.body.replaced.as_deref(), Some(&b"a=1"[..]));
    let mut request = post().body("application/json", json!({"access_token": token, "a": 1}).to_string());
    request.passes(&handler).await;
    assert_eq!(request.body.replaced.as_deref(), Some(&br#"{"a":1}"#[..]));
    let twice = format!("{form}&access_token={token}");
    assert_eq!(post().body("application/x-www-form-urlencoded", twice).answer(&handler).await.status, 401);
}

#[test]
fn a_token_about_a_user_is_for_one_client() {
    let for_client = |claims: Value| TokenRules::is_for(&serde_json::from_value(claims).expect("claims"), "me");
    assert!(for_client(json!({"aud": "me"})) && for_client(json!({"aud": ["you", "me"], "azp": "me"})));
    for other in [json!({"aud": "you"}), json!({}), json!({"aud": ["me"], "azp": "you"}), json!({"aud": [["me"]]})] {
        assert!(!for_client(other.clone()), "{other}");
    }
}

#[test]
fn an_answer_about_a_token_may_leave_out_what_a_token_may_not() {
    let world = World::empty();
    let config: Config = serde_yaml::from_str(&format!("{{issuer: '{ISSUER}'}}")).expect("a configuration");
    let rules = TokenRules::new(&config, Scope::new(&world.resources).signing_pool()).expect("rules");
    let known = Known::of(&document(), "{\"keys\":[]}");
    let check =
        |claims: Value, is_token| rules.check(&serde_json::from_value(claims).expect("claims"), &known, is_token);
    assert_eq!(check(json!({"active": true}), false), Ok(()));
    assert!(check(json!({"active": true}), true).is_err());
    assert!(check(json!({"iss": "https://other.test"}), false).is_err());
    assert!(check(json!({"exp": now()}), false).is_err());
    assert!(check(json!({"exp": "soon"}), false).is_err());
}

#[test]
fn mistakes_are_named() {
    let world = World::load(CONSUMERS);
    let cases = [
        ("{auth_methods: [bearer]}", ": missing field `issuer`"),
        ("{issuer: 'https://a'}", "auth_methods: Kong's default contains"),
        ("{issuer: 'https://a', auth_methods: []}", "auth_methods: without a method"),
        ("{issuer: 'https://a', auth_methods: [session]}", "auth_methods[0]: `session` needs sessions of browsers"),
        ("{issuer: 'https://a', auth_methods: [kong_oauth2]}", "auth_methods[0]: `kong_oauth2` needs Kong's plugin"),
        ("{issuer: 'a.test', auth_methods: [bearer]}", "issuer: `a.test` must begin with https://"),
        ("{issuer: 'ftp://a', auth_methods: [bearer]}", "issuer: "),
        ("{issuer: 'https://u:p@a', auth_methods: [bearer]}", "issuer: "),
        ("{issuer: 'https://a', auth_methods: [bearer], verify_signature: false}", "verify_signature: must be true"),
        ("{issuer: 'https://a', auth_methods: [bearer], ignore_signature: [password]}", "ignore_signature: `password`"),
        (
            "{issuer: 'https://a', auth_methods: [bearer], ignore_signature: [bearer]}",
            "ignore_signature: `bearer` is none",
        ),
        ("{issuer: 'https://a', auth_methods: [password]}", "client_id: `password` needs a client"),
        ("{issuer: 'https://a', auth_methods: [bearer], introspect_jwt_tokens: true}", "introspect_jwt_tokens: needs"),
        (
            "{issuer: 'https://a', auth_methods: [bearer], bearer_token_param_type: [cookie]}",
            "bearer_token_cookie_name: ",
        ),
        ("{issuer: 'https://a', auth_methods: [bearer], password_param_type: [cookie]}", "password_param_type: "),
        ("{issuer: 'https://a', auth_methods: [bearer], client_auth: [client_secret_post]}", "client_secret: "),
        ("{issuer: 'https://a', auth_methods: [bearer], client_auth: [private_key_jwt]}", "client_jwk: "),
        (
            "{issuer: 'https://a', auth_methods: [bearer], client_auth: [tls_client_auth]}",
            "client_auth[0]: `tls_client_auth`",
        ),
        ("{issuer: 'https://a', auth_methods: [bearer], timeout: 0}", "timeout: "),
        ("{issuer: 'https://a', auth_methods: [bearer], anonymous: nobody}", "anonymous: no consumer"),
        ("{issuer: 'https://a', auth_methods: [bearer], upstream_headers_claims: [sub]}", "upstream_headers_names: "),
        ("{issuer: 'https://a', auth_methods: [bearer], token_post_args_names: [a]}", "token_post_args_values: "),
        (
            "{issuer: 'https://a', auth_methods: [bearer], upstream_access_token_header: 'a:b64'}",
            "upstream_access_token_header: ",
        ),
        ("{issuer: 'https://a', auth_methods: [bearer], enable_hs_signatures: true}", "client_secret: "),
        ("{issuer: 'https://a', auth_methods: [bearer], client_jwk: [{}]}", "client_jwk[0]: missing `kty`"),
        (
            "{issuer: 'https://a', auth_methods: [bearer], client_jwk: [{kty: oct, k: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}",
            "client_jwk[0]: missing `alg`",
        ),
        (
            "{issuer: 'https://a', auth_methods: [bearer], client_jwk: [{kty: oct, alg: HS256, k: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}",
            "client_jwk[0]: a shared secret is no private key; `client_secret` is the field for one",
        ),
        (
            "{issuer: 'https://a', auth_methods: [bearer], client_id: [a], client_secret: [b], client_auth: [client_secret_jwt], client_alg: [RS256]}",
            "client_alg: `RS256` does not go with `client_secret_jwt`; HS256, HS384 or HS512",
        ),
        ("{issuer: 'https://a', auth_methods: [bearer], login_action: redirect}", "login_action: this field of Kong's"),
        (
            "{issuer: 'https://a', auth_methods: [bearer], claims_forbidden: [x]}",
            "claims_forbidden: this field of Kong's",
        ),
    ];
    for (config, expected) in cases {
        let mistakes = world.mistakes(NAME, config);
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(expected)), "{config}: {mistakes:?}");
    }
}

#[test]
fn a_client_without_a_key_is_remarked_on_where_one_is_needed() {
    let world = World::empty();
    let warned = |more: &str| {
        let config = format!("{{issuer: 'https://a', ssl_verify: true, client_id: [gateway], {more}}}");
        world.warnings(NAME, &config).iter().any(|warning| warning.starts_with("client_secret: without it"))
    };
    assert!(warned("auth_methods: [introspection]"));
    assert!(warned("auth_methods: [bearer, password]"));
    assert!(!warned("auth_methods: [introspection], client_secret: [s]"));
    assert!(!warned("auth_methods: [introspection], client_auth: [none]"));
    assert!(!warned("auth_methods: [bearer]"));
}

#[test]
fn every_field_is_accepted_at_kong_s_default() {
    let mut yaml = format!("{{issuer: '{ISSUER}', auth_methods: [bearer]");
    for (field, default) in super::AT_DEFAULT {
        yaml += &format!(", {field}: {default}");
    }
    World::empty().compile(NAME, &(yaml + "}"));
}

#[test]
fn the_example_compiles() {
    assert_eq!(World::load(include_str!("example.yaml")).compile_file(), [NAME, NAME]);
}

#[test]
fn issuers_are_the_same_with_and_without_the_path_of_their_document() {
    let issuer = |text: &str| {
        let config: Config = serde_yaml::from_str(&format!("{{issuer: '{text}'}}")).expect("a configuration");
        let issuer = config.issuer().expect("an issuer");
        (issuer.name, issuer.document.to_string())
    };
    let document = "https://a.test/realms/x/.well-known/openid-configuration";
    assert_eq!(issuer("https://a.test/realms/x"), ("https://a.test/realms/x".to_owned(), document.to_owned()));
    assert_eq!(issuer(document), ("https://a.test/realms/x".to_owned(), document.to_owned()));
    assert_eq!(issuer("https://a.test/realms/x/").1, document);
    let oauth = "https://a.test/.well-known/oauth-authorization-server";
    assert_eq!(issuer(oauth), ("https://a.test".to_owned(), oauth.to_owned()));
}

#[test]
fn an_issuer_is_not_asked_before_its_configuration_is_published() {
    let world = World::empty();
    let _handler = world.compile(NAME, &format!("{{issuer: '{ISSUER}', auth_methods: [bearer]}}"));
    assert_eq!(world.resources.backgrounds.take_pending().len(), 1);
}

#[test]
fn logs_conceal_the_header_in_which_the_upstream_gets_the_token() {
    let world = World::empty();
    assert!(!world.resources.concealed.contains("x-our-proof"));
    world.compile(
        "openid-connect",
        "{issuer: 'https://a', auth_methods: [bearer], upstream_access_token_header: 'X-Our-Proof:bearer'}",
    );
    assert!(world.resources.concealed.contains("x-our-proof"));
}
