//! Tokens, verified and signed with libraries that are not ours: one on ring, one on OpenSSL in Node.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use signet_integration::{Gateway, Request, Upstream};

use crate::setup::{CONSUMERS, repository, service, x_custom_jwt_with};

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

/// A JWK without its private members.
pub(crate) fn public_half(key: &Value) -> Value {
    let mut key = key.clone();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        key.as_object_mut().unwrap().remove(member);
    }
    key
}

/// The folder of verifiers that are not ours.
pub(crate) fn libraries() -> PathBuf {
    let folder = repository("integration/jose");
    for library in ["jose", "oauth4webapi"] {
        let there = folder.join("node_modules").join(library).is_dir();
        assert!(there, "`make test` installs the libraries, or `npm ci` in integration/jose");
    }
    folder
}

/// Runs a command of `integration/jose/tokens.mjs`.
pub(crate) fn jose(command: &str, input: &Value) -> Value {
    let mut node = Command::new("node")
        .args(["tokens.mjs", command])
        .current_dir(libraries())
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
fn our_tokens_verify_in_another_library_for_every_algorithm_whichever_library_signed() {
    let keys = jose("keys", &Value::Null);
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), 12);
    let route = |key: &Value| {
        let (name, plugin) = (key["alg"].as_str().unwrap(), x_custom_jwt_with(key, ""));
        format!("- {{name: {name}, paths: [/{name}], plugins: [{{name: key-auth}}, {plugin}]}}\n")
    };
    for backend in ["ring", "openssl"] {
        let upstream = Upstream::echo();
        let routes: String = keys.iter().map(route).collect();
        let config = service(&upstream, &routes) + CONSUMERS;
        let gateway = Gateway::with(&config).setting("signing_backend", backend).start();
        let order = |key: &Value| {
            let path = format!("/{}", key["alg"].as_str().unwrap());
            assert_eq!(gateway.send(&Request::get(&path).header("apikey", "bob-key")).status, 200);
            let token = upstream.one().header("X-Custom-Jwt").unwrap().to_owned();
            let mut order = json!({"token": token, "algorithm": key["alg"], "issuer": "https://gw.test/x-custom-jwt"});
            match key["kty"] == "oct" {
                true => order["secret"] = key["k"].clone(),
                false => order["jwks"] = json!({"keys": [public_half(key)]}),
            }
            order
        };
        let said = jose("verify", &keys.iter().map(order).collect());
        let said = said.as_array().unwrap();
        assert_eq!(said.len(), keys.len());
        for (token, key) in said.iter().zip(keys) {
            let header = &token["header"];
            assert_eq!((&header["alg"], &header["kid"]), (&key["alg"], &key["kid"]), "{backend}");
            assert_eq!(token["claims"]["client_id"], "bob-key", "{backend}");
        }
    }
}
