//! The plugin jwt.

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use signet_integration::{Gateway, Request, Upstream};

use crate::{
    jose::verify,
    setup::{repository, service, test_key, x_custom_jwt},
};

const SECRET: &str = "alice's secret, which is long enough";

const CONSUMERS: &str = "
consumers:
- username: alice
  id: 11111111-1111-4111-8111-111111111111
  custom_id: alice-at-home
  jwt_secrets: [{id: aaaaaaaa-0000-4000-8000-000000000005, key: alice, secret: \"alice's secret, which is long enough\"}]
";

fn now() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().try_into().unwrap()
}

/// A token of alice's.
fn token(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn bearer(path: &str, token: &str) -> Request {
    Request::get(path).header("Authorization", &format!("Bearer {token}"))
}

fn gateway(upstream: &Upstream) -> Gateway {
    let routes = format!(
        "
- {{name: plain, paths: [/plain], plugins: [{{name: jwt}}]}}
- {{name: exp, paths: [/exp], plugins: [{{name: jwt, config: {{claims_to_verify: [exp, nbf], realm: here}}}}]}}
- {{name: cookie, paths: [/cookie], plugins: [{{name: jwt, config: {{cookie_names: [session], header_names: [x-token]}}}}]}}
- {{name: open, paths: [/open], plugins: [{{name: jwt, config: {{run_on_preflight: false}}}}, {{name: cors}}]}}
- {{name: signed, paths: [/signed], plugins: [{{name: jwt}}, {}]}}
",
        x_custom_jwt("rs256-private-jwk.json", ", bearer_clientid_claim: iss")
    );
    Gateway::start(&(service(upstream, &routes) + CONSUMERS))
}

#[test]
fn a_token_of_a_consumer_passes_and_says_who_called() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let good = token(&json!({"iss": "alice", "exp": now() + 60, "nbf": now()}));
    for request in [
        bearer("/plain", &good),
        bearer("/exp", &good),
        Request::get(&format!("/plain?jwt={good}")),
        Request::get("/cookie").header("Cookie", &format!("a=b; session={good}")),
        Request::get("/cookie").header("X-Token", &format!("bearer {good}")),
    ] {
        // What a client says of itself does not count.
        let request = request.header("X-Credential-Identifier", "mallory").header("X-Consumer-Username", "mallory");
        assert_eq!(gateway.send(&request).status, 200, "{request:?}");
        let seen = upstream.one();
        assert_eq!(seen.header("X-Consumer-ID"), Some("11111111-1111-4111-8111-111111111111"));
        assert_eq!(seen.header("X-Consumer-Username"), Some("alice"));
        assert_eq!(seen.header("X-Consumer-Custom-ID"), Some("alice-at-home"));
        assert_eq!(seen.header("X-Credential-Identifier"), Some("alice"));
        assert_eq!(seen.header("X-Anonymous-Consumer"), None);
    }
}

#[test]
fn any_other_token_is_refused_with_kong_s_answer() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let good = token(&json!({"iss": "alice"}));
    let (plain, error) = ("Bearer", "Bearer error=\"invalid_token\"");
    let forged =
        encode(&Header::new(Algorithm::HS256), &json!({"iss": "alice"}), &EncodingKey::from_secret(b"a guess"));
    for (request, challenge, body) in [
        (Request::get("/plain"), plain, json!({"message": "Unauthorized"})),
        (Request::get("/plain").basic("alice", "p"), plain, json!({"message": "Unauthorized"})),
        (bearer("/plain", "a.b.c"), error, json!({"message": "Bad token; invalid JSON"})),
        (bearer("/plain", &forged.unwrap()), error, json!({"message": "Invalid signature"})),
        (
            bearer("/plain", &token(&json!({"iss": "bob"}))),
            error,
            json!({"message": "No credentials found for given 'iss'"}),
        ),
        (bearer("/plain", &token(&json!({}))), error, json!({"message": "No mandatory 'iss' in claims"})),
        (bearer("/plain?jwt=a.b.c", &good), error, json!({"message": "Multiple tokens provided"})),
        (Request::get("/exp"), "Bearer realm=\"here\"", json!({"message": "Unauthorized"})),
        (
            bearer("/exp", &token(&json!({"iss": "alice", "exp": now(), "nbf": now() + 60}))),
            "Bearer realm=\"here\" error=\"invalid_token\"",
            json!({"exp": "token expired", "nbf": "token not valid yet"}),
        ),
    ] {
        let response = gateway.send(&request);
        assert_eq!((response.status, response.json()), (401, body), "{request:?}");
        assert_eq!(response.header("WWW-Authenticate"), Some(challenge), "{request:?}");
        assert_eq!(response.header("Content-Type"), Some("application/json; charset=utf-8"));
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn a_refusal_is_json_whatever_the_client_accepts_and_has_its_cors_headers() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let request = Request::get("/open").header("Accept", "text/html").header("Origin", "http://page.test");
    let response = gateway.send(&request);
    assert_eq!((response.status, response.text().as_str()), (401, r#"{"message":"Unauthorized"}"#));
    assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(gateway.send(&Request::new("OPTIONS", "/open")).status, 200);
}

#[test]
fn the_claims_of_a_verified_token_go_into_the_gateway_s_own() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let incoming = token(&json!({"iss": "alice", "scope": "a b", "n": 12_345_678_901_234_567_890_u64, "exp": 1}));
    assert_eq!(gateway.send(&bearer("/signed", &incoming)).status, 200);
    let claims = verify(upstream.one().header("X-Custom-Jwt").unwrap(), &test_key("rs256-jwks.json")).claims;
    assert_eq!((&claims["client_id"], &claims["scope"]), (&json!("alice"), &json!("a b")));
    assert_eq!(claims["n"], json!(12_345_678_901_234_567_890_u64));
    assert_eq!(claims["act"], json!({"client_id": "alice-at-home"}));
    assert!(claims["exp"].as_i64().unwrap() > now());
    let forged = format!("{}x", &incoming[..incoming.len() - 1]);
    assert_eq!(gateway.send(&bearer("/signed", &forged)).status, 401);
    assert!(upstream.take().is_empty());
}

#[test]
fn a_backend_introspects_the_token_that_it_got() {
    let upstream = Upstream::echo();
    let gateway = Gateway::of(repository("conf/demo.yaml")).resolve("httpbin.test:80", upstream.address()).start();
    assert_eq!(gateway.send(&Request::get("/basicAuth").basic("my-user", "My p@ssword!")).status, 200);
    let token = upstream.one().header("X-Custom-Jwt").unwrap().to_owned();

    let good = gateway.send(&bearer("/introspect", &token));
    assert_eq!((good.status, good.text().as_str()), (200, r#"{"message": "Ok"}"#));
    assert_eq!(good.header("Content-Type"), Some("application/json"));
    let missing = gateway.get("/introspect");
    assert_eq!((missing.status, missing.text().as_str()), (401, r#"{"message":"Unauthorized"}"#));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    for forged in [format!("{signed}."), format!("{signed}.AAAA"), format!("{signed}.{reversed}")] {
        let response = gateway.send(&bearer("/introspect", &forged));
        assert_eq!(response.status, 401, "{}", response.text());
        assert_eq!(response.header("WWW-Authenticate"), Some("Bearer error=\"invalid_token\""));
    }
    assert!(upstream.take().is_empty());
}
