//! Tests of `jwt`.

use serde_json::{Value, json};
use signet_keys::Algorithm;
use signet_plugin_api::{Proof, Response};

use super::{NAME, checks::Checks, refusal::Refusal};
use crate::{
    shared::testing::Forge,
    testing::{Exchange, World, answered, full_pool, text},
};

/// `hs` and its secret, 32 characters long.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A consumer `alice` with these `jwt_secrets` and `hs`, and the consumer `anon`.
fn world(secrets: &[Value]) -> World {
    let mut all = vec![json!({"id": "aaaaaaaa-0000-4000-8000-000000000005", "key": "hs", "secret": SECRET})];
    all.extend_from_slice(secrets);
    let consumers = json!([{"username": "alice", "jwt_secrets": all}, {"username": "anon"}]);
    World::load(&json!({ "consumers": consumers }).to_string())
}

fn hs() -> Forge {
    Forge::shared(Algorithm::Hs256, SECRET.as_bytes())
}

fn bearer(token: &str) -> Exchange {
    Exchange::get("/").header("authorization", format!("Bearer {token}"))
}

fn token(claims: &Value) -> String {
    hs().token(claims)
}

async fn accepted(config: &str, mut exchange: Exchange) -> Exchange {
    exchange.passes(&world(&[]).compile(NAME, config)).await;
    assert!(exchange.cx.is_authenticated());
    exchange
}

async fn refused(config: &str, mut exchange: Exchange) -> Response {
    let response = exchange.answer(&world(&[]).compile(NAME, config)).await;
    assert_eq!(response.status, 401);
    assert_eq!(answered(&response, "content-type"), Some("application/json; charset=utf-8"));
    assert!(exchange.cx.identity().is_none());
    response
}

async fn message(config: &str, exchange: Exchange) -> String {
    let body: Value = serde_json::from_str(&text(&refused(config, exchange).await)).expect("JSON");
    body["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn a_verified_token_names_the_consumer_and_keeps_its_claims() {
    let exchange = accepted("{}", bearer(&token(&json!({"iss": "hs", "roles": ["a"]})))).await;
    assert_eq!(exchange.consumer(), Some("alice"));
    let identity = exchange.cx.identity().expect("an identity");
    assert_eq!((identity.method, identity.identifier.as_ref().expect("an identifier").as_bytes()), ("jwt", &b"hs"[..]));
    assert_eq!(identity.credential_id.as_deref(), Some("aaaaaaaa-0000-4000-8000-000000000005"));
    let Proof::Token { claims } = &identity.proof else { panic!("a token") };
    assert_eq!(claims.get("roles").map(|json| json.get()), Some(r#"["a"]"#));
}

#[tokio::test]
async fn every_algorithm_of_kong_is_verified_with_the_consumer_s_own_key_only() {
    for algorithm in Algorithm::ALL {
        let (forge, other) = (Forge::new(algorithm), Forge::new(algorithm));
        let name = algorithm.as_str();
        let secret = String::from_utf8(vec![7; 64]).expect("text");
        let credential = if algorithm.is_symmetric() {
            json!({"key": "own", "algorithm": name, "secret": secret})
        } else {
            json!({"key": "own", "algorithm": name, "rsa_public_key": forge.pem()})
        };
        let handler = world(&[credential]).compile(NAME, "{}");
        let claims = json!({"iss": "own"});
        bearer(&forge.token(&claims)).passes(&handler).await;
        if !algorithm.is_symmetric() {
            let response = bearer(&other.token(&claims)).answer(&handler).await;
            assert_eq!(text(&response), r#"{"message":"Invalid signature"}"#, "{name}");
            // The public key as a shared secret.
            let forged = Forge::shared(Algorithm::Hs256, forge.pem().as_bytes()).token(&claims);
            assert_eq!(text(&bearer(&forged).answer(&handler).await), r#"{"message":"Invalid algorithm"}"#, "{name}");
        }
    }
}

#[tokio::test]
async fn tokens_are_found_in_the_query_in_cookies_and_in_headers() {
    let good = token(&json!({"iss": "hs"}));
    let config = "{uri_param_names: [t, jwt], cookie_names: [tok], header_names: [x-token, authorization]}";
    for exchange in [
        Exchange::get(&format!("/?a=1&t={good}")),
        Exchange::get(&format!("/?jwt={}&t=", good.replace('.', "%2E"))),
        Exchange::get("/").header("cookie", format!("a=b; tok={good}")),
        Exchange::get("/").header("cookie", "a=b; tok").header("cookie", format!("TOK = {good} ;c=d")),
        Exchange::get("/").header("x-token", format!("bearer {good}")),
        bearer(&good),
        bearer(&format!("   {good} ")),
        // The same twice is one.
        bearer(&good).header("x-token", format!("Bearer {good}")).header("cookie", format!("tok={good}")),
    ] {
        accepted(config, exchange).await;
    }
}

#[tokio::test]
async fn without_a_token_the_challenge_names_no_error() {
    let good = token(&json!({"iss": "hs"}));
    for exchange in [
        Exchange::get("/"),
        Exchange::get("/?jwt="),
        Exchange::get(&format!("/?JWT={good}")),
        Exchange::get("/").header("authorization", &good),
        Exchange::get("/").header("authorization", "Bearer"),
        Exchange::get("/").header("authorization", format!("Bearer{good}")),
        Exchange::get("/").header("authorization", format!("BEARER {good}")),
        Exchange::get("/").header("authorization", format!("Basic {good}")),
        Exchange::get("/").header("cookie", format!("jwt={good}")),
    ] {
        let response = refused("{}", exchange).await;
        assert_eq!(text(&response), r#"{"message":"Unauthorized"}"#);
        assert_eq!(answered(&response, "www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn two_different_tokens_are_no_credential() {
    let (one, other) = (token(&json!({"iss": "hs"})), token(&json!({"iss": "hs", "n": 1})));
    for exchange in [
        Exchange::get(&format!("/?jwt={one}")).header("authorization", format!("Bearer {other}")),
        Exchange::get(&format!("/?jwt={one}&jwt={other}")),
        bearer(&one).header("authorization", format!("Bearer {other}")),
    ] {
        let response = refused("{}", exchange).await;
        assert_eq!(text(&response), r#"{"message":"Multiple tokens provided"}"#);
        assert_eq!(answered(&response, "www-authenticate"), Some("Bearer error=\"invalid_token\""));
    }
}

#[tokio::test]
async fn every_refusal_is_kong_s() {
    let forge = hs();
    let good = token(&json!({"iss": "hs"}));
    let cases = [
        ("a.b.c".to_owned(), "Bad token; invalid JSON"),
        (format!("{good}.x"), "Bad token; invalid signature"),
        (forge.token_with(&json!({"alg": "none"}), &json!({"iss": "hs"})), "Bad token; invalid alg"),
        (forge.token_with(&json!({"alg": "XX"}), &json!({"iss": "hs"})), "Bad token; invalid alg"),
        (forge.token_with(&json!({"alg": "HS256", "crit": ["x"]}), &json!({"iss": "hs"})), "Bad token; invalid crit"),
        (forge.sign_text(r#"{"alg":"HS256"}"#, r#"{"iss":"hs","iss":"hs"}"#), "Bad token; invalid claims"),
        (token(&json!({"sub": "hs"})), "No mandatory 'iss' in claims"),
        (token(&json!({"iss": ""})), "Invalid 'iss' in claims"),
        (token(&json!({"iss": 5})), "Invalid 'iss' in claims"),
        (token(&json!({"iss": null})), "Invalid 'iss' in claims"),
        (token(&json!({"iss": "nobody"})), "No credentials found for given 'iss'"),
        (forge.as_if(Algorithm::Hs512).token(&json!({"iss": "hs"})), "Invalid algorithm"),
        (Forge::new(Algorithm::Rs256).token(&json!({"iss": "hs"})), "Invalid algorithm"),
        (Forge::shared(Algorithm::Hs256, b"another").token(&json!({"iss": "hs"})), "Invalid signature"),
        (good[..good.rfind('.').expect("a dot") + 1].to_owned(), "Invalid signature"),
    ];
    for (token, expected) in cases {
        assert_eq!(message("{}", bearer(&token)).await, expected, "{token}");
    }
}

#[tokio::test]
async fn the_key_claim_is_taken_from_the_header_if_the_payload_has_none() {
    let header = json!({"alg": "HS256", "kid": "hs", "iss": "nobody"});
    let from = |name: &str| format!("{{key_claim_name: {name}}}");
    accepted(&from("kid"), bearer(&hs().token_with(&header, &json!({})))).await;
    accepted(&from("iss"), bearer(&hs().token_with(&header, &json!({"iss": "hs"})))).await;
    let missing = message(&from("sub"), bearer(&hs().token_with(&header, &json!({})))).await;
    assert_eq!(missing, "No mandatory 'sub' in claims");
    let twice = hs().sign_text(r#"{"alg":"HS256","sub":"hs","sub":"hs"}"#, "{}");
    assert_eq!(message(&from("sub"), bearer(&twice)).await, "Bad token; invalid JSON");
}

#[tokio::test]
async fn a_secret_may_be_base64_of_the_key() {
    let secrets = [json!({"key": "b", "secret": "cmF3LXNlY3JldA=="}), json!({"key": "n", "secret": "not base64!"})];
    let world = world(&secrets);
    let raw = |key: &str| Forge::shared(Algorithm::Hs256, b"raw-secret").token(&json!({ "iss": key }));
    let text_of = |key: &str| Forge::shared(Algorithm::Hs256, b"cmF3LXNlY3JldA==").token(&json!({ "iss": key }));
    let (plain, decoded) = (world.compile(NAME, "{}"), world.compile(NAME, "{secret_is_base64: true}"));
    bearer(&text_of("b")).passes(&plain).await;
    bearer(&raw("b")).passes(&decoded).await;
    for (token, handler, expected) in [
        (raw("b"), &plain, "Invalid signature"),
        (text_of("b"), &decoded, "Invalid signature"),
        (raw("n"), &decoded, "Invalid key/secret"),
    ] {
        assert_eq!(text(&bearer(&token).answer(handler).await), format!(r#"{{"message":"{expected}"}}"#));
    }
}

#[test]
fn times_are_compared_as_kong_compares_them() {
    const EXPIRED: Refusal = Refusal::Times { exp: Some("token expired"), nbf: None };
    const NO_NUMBER: Refusal = Refusal::Times { exp: Some("must be a number"), nbf: Some("must be a number") };
    const TOO_LONG: Refusal = Refusal::Times { exp: Some("exceeds maximum allowed expiration"), nbf: None };
    let both = || Checks { exp: true, nbf: true, maximum: Some(100.0) };
    let cases = [
        (both(), json!({"exp": 1001, "nbf": 1000}), Ok(())),
        (both(), json!({"exp": 1000.5, "nbf": 999.5}), Ok(())),
        (both(), json!({"exp": 1100, "nbf": -5}), Ok(())),
        (both(), json!({"exp": 1101, "nbf": 0}), Err(TOO_LONG)),
        (both(), json!({"exp": 1000, "nbf": 0}), Err(EXPIRED)),
        (
            both(),
            json!({"exp": 1001, "nbf": 1001}),
            Err(Refusal::Times { exp: None, nbf: Some("token not valid yet") }),
        ),
        (both(), json!({}), Err(NO_NUMBER)),
        (both(), json!({"exp": "1001", "nbf": true}), Err(NO_NUMBER)),
        (Checks { exp: true, nbf: false, maximum: None }, json!({"exp": 1e300}), Ok(())),
        (Checks { exp: true, nbf: false, maximum: None }, json!({"exp": 999, "nbf": "x"}), Err(EXPIRED)),
        (Checks { exp: false, nbf: false, maximum: None }, json!({"exp": 1, "nbf": 5000}), Ok(())),
    ];
    for (checks, claims, expected) in cases {
        let parsed = signet_plugin_api::Claims::parse(claims.to_string().as_bytes()).expect("claims");
        assert_eq!(checks.apply_at(&parsed, 1000.0), expected, "{claims}");
    }
}

#[tokio::test]
async fn wrong_times_are_named_claim_by_claim() {
    let config = "{claims_to_verify: [exp, nbf], realm: r}";
    let response = refused(config, bearer(&token(&json!({"iss": "hs", "exp": 1, "nbf": 99_999_999_999_i64})))).await;
    assert_eq!(text(&response), r#"{"exp":"token expired","nbf":"token not valid yet"}"#);
    assert_eq!(answered(&response, "www-authenticate"), Some("Bearer realm=\"r\" error=\"invalid_token\""));
}

#[tokio::test]
async fn the_signature_is_checked_before_the_times() {
    let forged = Forge::shared(Algorithm::Hs256, b"another").token(&json!({"iss": "hs", "exp": 1}));
    assert_eq!(message("{claims_to_verify: [exp]}", bearer(&forged)).await, "Invalid signature");
}

#[tokio::test]
async fn anonymous_takes_who_has_no_right_token_and_nobody_who_was_let_in() {
    let handler = world(&[]).compile(NAME, "{anonymous: anon}");
    for mut exchange in [Exchange::get("/"), bearer("a.b.c")] {
        exchange.passes(&handler).await;
        assert_eq!((exchange.consumer(), exchange.cx.is_authenticated()), (Some("anon"), false));
    }
    let mut exchange = bearer(&token(&json!({"iss": "hs"})));
    exchange.passes(&handler).await;
    exchange.passes(&handler).await;
    assert_eq!((exchange.consumer(), exchange.cx.is_authenticated()), (Some("alice"), true));
}

#[tokio::test]
async fn a_slow_verification_waits_in_the_queue_of_the_signing_threads_and_a_fast_one_does_not() {
    let forges = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512].map(Forge::new);
    let credential = |forge: &Forge| {
        let name = forge.algorithm.as_str();
        json!({"key": name, "algorithm": name, "rsa_public_key": forge.pem()})
    };
    let mut world = world(&forges.each_ref().map(credential));
    world.resources.signing = full_pool();
    let handler = world.compile(NAME, "{anonymous: anon}");
    let request = |forge: &Forge| bearer(&forge.token(&json!({"iss": forge.algorithm.as_str()})));
    let [fast, slow @ ..] = &forges;
    request(fast).passes(&handler).await;
    for forge in slow {
        let mut exchange = request(forge);
        let response = exchange.answer(&handler).await;
        assert_eq!((response.status.as_u16(), answered(&response, "retry-after")), (503, Some("1")));
        assert!(exchange.cx.identity().is_none(), "it is not anonymous, it was not looked at");
    }
}

#[tokio::test]
async fn a_preflight_request_passes_only_where_it_may() {
    let mut exchange = Exchange::new("OPTIONS", "/");
    exchange.passes(&world(&[]).compile(NAME, "{run_on_preflight: false}")).await;
    assert!(exchange.cx.identity().is_none());
    refused("{}", Exchange::new("OPTIONS", "/")).await;
    refused("{run_on_preflight: false}", Exchange::get("/")).await;
}

#[test]
fn every_mistake_in_the_configuration_is_named() {
    let cases = [
        ("{key_claim_name: ''}", "key_claim_name: must not be empty"),
        ("{maximum_expiration: -1}", "maximum_expiration: must be a number of seconds from 0 to 31536000"),
        ("{maximum_expiration: .nan}", "maximum_expiration: must be a number of seconds from 0 to 31536000"),
        (
            "{maximum_expiration: 5, claims_to_verify: [nbf]}",
            "claims_to_verify: must contain `exp` where `maximum_expiration` is set",
        ),
        (
            "{header_names: [a, 'b c']}",
            "header_names[1]: `b c` is not a header name; allowed are A-Z, a-z, 0-9, `_` and `-`",
        ),
        ("{cookie_names: ['a=b']}", "cookie_names[0]: `a=b` is not the name of a cookie"),
        ("{realm: ''}", "realm: must not be empty"),
        ("{anonymous: nobody}", "anonymous: no consumer has the id or username `nobody`"),
    ];
    for (config, mistake) in cases {
        assert_eq!(world(&[]).mistakes(NAME, config), [mistake]);
    }
    assert!(
        world(&[]).mistakes(NAME, "{claims_to_verify: [iat]}")[0]
            .starts_with("claims_to_verify[0]: unknown value `iat`")
    );
}

#[test]
fn every_mistake_in_a_credential_is_named() {
    let es256 = Forge::new(Algorithm::Es256).pem();
    let cases = [
        (json!({"secret": "s"}), ": missing field `key`"),
        (json!({"key": "", "secret": "s"}), "key: must not be empty"),
        (json!({"key": "a\nb", "secret": "s"}), "key: control characters cannot be sent upstream in a header"),
        (json!({"key": "a"}), "secret: missing; HS256 verifies with a shared secret"),
        (
            json!({"key": "a", "algorithm": "RS256", "secret": "s"}),
            "rsa_public_key: missing; RS256 verifies with a public key",
        ),
        (json!({"key": "a", "algorithm": "ES256"}), "rsa_public_key: missing; ES256 verifies with a public key"),
        (
            json!({"key": "a", "algorithm": "RS256", "rsa_public_key": "x"}),
            "rsa_public_key: not a public key or a certificate in PEM form",
        ),
        (
            json!({"key": "a", "algorithm": "RS256", "rsa_public_key": es256}),
            "rsa_public_key: a key of type EC P-256 cannot verify RS256",
        ),
    ];
    for (credential, mistake) in cases {
        let file = json!({"consumers": [{"username": "a", "jwt_secrets": [credential]}]});
        let mistakes = World::try_load(&file.to_string()).err().expect("a mistake");
        assert_eq!(mistakes, [format!("[0].{mistake}")]);
    }
    let twice = json!([{"key": "a", "secret": "s"}, {"key": "a", "secret": "t"}]);
    let file = json!({"consumers": [{"username": "a", "jwt_secrets": twice}]});
    assert_eq!(
        World::try_load(&file.to_string()).err().expect("a mistake"),
        ["[1].key: an earlier credential has the same key"]
    );
}

#[test]
fn what_is_unwise_about_a_credential_is_remarked_on() {
    let world = world(&[json!({"key": "short", "secret": "s", "rsa_public_key": "x"})]);
    assert_eq!(
        world.credential_warnings,
        [
            "[1].secret: has fewer than the 32 characters that RFC 7518 asks for; it can be guessed",
            "[1].rsa_public_key: is not used: HS256 verifies with `secret`",
        ]
    );
}

#[test]
fn what_is_unwise_about_a_configuration_is_remarked_on() {
    let world = world(&[json!({"key": "n", "secret": "not base64!"})]);
    let warnings = |config: &str| world.warnings(NAME, config);
    assert_eq!(warnings("{}"), ["claims_to_verify: without `exp` in it a token is accepted for ever"]);
    assert_eq!(warnings("{claims_to_verify: [exp]}").len(), 0);
    assert_eq!(
        warnings("{claims_to_verify: [exp], header_names: [], uri_param_names: []}"),
        ["header_names: neither header nor query nor cookies are searched: no token is ever accepted"]
    );
    assert_eq!(
        warnings("{claims_to_verify: [exp], secret_is_base64: true}"),
        ["secret_is_base64: secrets that are not base64: 1; their tokens are refused"]
    );
}

#[test]
fn the_example_compiles() {
    assert_eq!(World::load(include_str!("example.yaml")).compile_file(), [NAME, NAME, "request-termination"]);
}
