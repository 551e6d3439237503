//! Tokens, verified and signed with libraries that are not ours: one on ring, one on OpenSSL in Node.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use signet_integration::{Gateway, Request, Upstream};

use crate::setup::{CONSUMERS, repository, service, test_key, x_custom_jwt};

/// Verifies a token against a JWK set and returns header and claims.
pub(crate) fn verify(token: &str, jwks: &Value) -> TokenData<Value> {
    let set: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let header = decode_header(token).unwrap();
    let key = set.find(header.kid.as_deref().unwrap()).expect("the key that the token names");
    let algorithm = key.common.key_algorithm.unwrap().to_string().parse().unwrap();
    with_key(token, &DecodingKey::from_jwk(key).unwrap(), algorithm).unwrap()
}

/// Verifies a token against a shared secret.
pub(crate) fn verify_shared(token: &str, secret: &[u8], algorithm: Algorithm) -> TokenData<Value> {
    with_key(token, &DecodingKey::from_secret(secret), algorithm).unwrap()
}

fn with_key(token: &str, key: &DecodingKey, algorithm: Algorithm) -> jsonwebtoken::errors::Result<TokenData<Value>> {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    // Each test has its own audience and looks at it itself.
    validation.validate_aud = false;
    decode(token, key, &validation)
}

/// Runs a command of `integration/jose/tokens.mjs`.
fn jose(command: &str, input: &Value) -> Value {
    let folder = repository("integration/jose");
    assert!(
        folder.join("node_modules/jose").is_dir(),
        "`make test` installs the library, or `npm ci` in integration/jose"
    );
    let mut node = Command::new("node")
        .args(["tokens.mjs", command])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed");
    node.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let run = node.wait_with_output().unwrap();
    assert!(run.status.success(), "{run:?}");
    serde_json::from_slice(&run.stdout).unwrap()
}

fn bearer(token: &Value) -> Request {
    Request::get("/jwt").header("Authorization", &format!("Bearer {}", token.as_str().unwrap()))
}

#[test]
fn tokens_of_another_library_pass_for_every_algorithm_and_forged_ones_do_not() {
    let made = jose("sign", &Value::Null);
    let made = made.as_array().unwrap();
    assert_eq!(made.len(), 14, "13 algorithms, one of them with two kinds of keys");
    let credential = |token: &Value| json!({"key": token["name"], "algorithm": token["algorithm"], "secret": token["secret"], "rsa_public_key": token["pem"]});
    let consumers = json!([{"username": "caller", "jwt_secrets": made.iter().map(credential).collect::<Vec<_>>()}]);
    let upstream = Upstream::echo();
    let routes = "- {name: jwt, paths: [/jwt], plugins: [{name: jwt, config: {claims_to_verify: [exp]}}]}";
    let gateway = Gateway::start(&(service(&upstream, routes) + &format!("consumers: {consumers}\n")));
    for token in made {
        let name = token["name"].as_str().unwrap();
        let response = gateway.send(&bearer(&token["token"]));
        assert_eq!(response.status, 200, "{name}: {}", response.text());
        assert_eq!(upstream.one().header("X-Credential-Identifier"), Some(name));
        let response = gateway.send(&bearer(&token["forged"]));
        assert_eq!((response.status, response.json()), (401, json!({"message": "Invalid signature"})), "{name}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn our_tokens_verify_in_another_library_for_every_algorithm() {
    let algorithms = ["RS256", "RS512", "HS256", "HS512"];
    let file = |algorithm: &str, end: &str| format!("{}-{end}.json", algorithm.to_lowercase());
    let private = |algorithm: &str| {
        let end = if algorithm.starts_with("HS") { "jwk" } else { "private-jwk" };
        file(algorithm, end)
    };
    let route = |algorithm: &&str| {
        let plugin = x_custom_jwt(&private(algorithm), "");
        format!("- {{name: {algorithm}, paths: [/{algorithm}], plugins: [{{name: key-auth}}, {plugin}]}}\n")
    };
    let upstream = Upstream::echo();
    let routes: String = algorithms.iter().map(route).collect();
    let gateway = Gateway::start(&(service(&upstream, &routes) + CONSUMERS));
    let order = |algorithm: &str| {
        assert_eq!(gateway.send(&Request::get(&format!("/{algorithm}")).header("apikey", "bob-key")).status, 200);
        let token = upstream.one().header("X-Custom-Jwt").unwrap().to_owned();
        let mut order = json!({"token": token, "algorithm": algorithm, "issuer": "https://gw.test/x-custom-jwt"});
        let (name, key) = match algorithm.starts_with("HS") {
            true => ("secret", test_key(&private(algorithm))["k"].clone()),
            false => ("jwks", test_key(&file(algorithm, "jwks"))),
        };
        order[name] = key;
        order
    };
    let said = jose("verify", &Value::Array(algorithms.map(order).into()));
    let said = said.as_array().unwrap();
    assert_eq!(said.len(), algorithms.len());
    for (token, algorithm) in said.iter().zip(algorithms) {
        assert_eq!((&token["header"]["alg"], &token["claims"]["client_id"]), (&json!(algorithm), &json!("bob-key")));
    }
}
