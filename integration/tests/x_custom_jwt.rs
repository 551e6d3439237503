//! The plugin x-custom-jwt.

use jsonwebtoken::Algorithm;
use serde_json::json;
use signet_integration::{Gateway, Request, Upstream};

use crate::{
    jose::{verify, verify_shared},
    setup::{CONSUMERS, service, test_key, x_custom_jwt},
};

const REFUSED: &str = "You are not authorized to access to this service";

/// One route `/x` with these authentication plugins and x-custom-jwt.
fn gateway(upstream: &Upstream, plugins: &str, key: &str, more: &str) -> Gateway {
    let routes = format!("- {{name: x, paths: [/x], plugins: [{plugins}{}]}}", x_custom_jwt(key, more));
    Gateway::start(&(service(upstream, &routes) + CONSUMERS))
}

const KEY: &str = "{name: key-auth}, ";

fn keyed() -> Request {
    Request::get("/x").header("apikey", "alice-key")
}

#[test]
fn the_token_says_who_called_on_whose_behalf_and_for_whom() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, "{name: basic-auth}, ", "rs512-private-jwk.json", ", expires_in: 60");
    for _ in 0..2 {
        assert_eq!(gateway.send(&Request::get("/x").basic("alice", "p@ss:word")).status, 200);
    }
    let tokens: Vec<_> = upstream
        .take()
        .iter()
        .map(|seen| verify(seen.header("X-Custom-Jwt").unwrap(), &test_key("rs512-jwks.json")))
        .collect();
    let [first, second] = tokens.as_slice() else { panic!("two requests") };
    assert_eq!(first.header.alg, Algorithm::RS512);
    assert_eq!(first.header.typ.as_deref(), Some("JWT"));
    assert_eq!(first.header.kid.as_deref(), Some("signet-rs512"));
    assert_eq!(first.header.jku.as_deref(), Some("https://gw.test/x-custom-jwt/jwks"));
    assert_eq!(first.claims["iss"], "https://gw.test/x-custom-jwt");
    assert_eq!(first.claims["aud"], format!("http://{}/base", upstream.address()));
    assert_eq!(first.claims["client_id"], "alice");
    assert_eq!(first.claims["act"], json!({"client_id": "alice-at-home"}));
    assert_eq!(first.claims["exp"].as_u64().unwrap() - first.claims["iat"].as_u64().unwrap(), 60);
    assert_ne!(first.claims["jti"], second.claims["jti"]);
}

#[test]
fn shared_secrets_are_the_text_of_the_key() {
    for (file, algorithm) in [("hs256-jwk.json", Algorithm::HS256), ("hs512-jwk.json", Algorithm::HS512)] {
        let upstream = Upstream::echo();
        let gateway = gateway(&upstream, KEY, file, "");
        assert_eq!(gateway.send(&keyed()).status, 200);
        let secret = test_key(file)["k"].as_str().unwrap().to_owned();
        let token = verify_shared(upstream.one().header("X-Custom-Jwt").unwrap(), secret.as_bytes(), algorithm);
        assert_eq!(token.claims["client_id"], "alice-key");
    }
}

#[test]
fn the_api_key_need_not_be_in_the_token() {
    for (choice, wanted) in [("credential_id", "aaaaaaaa-0000-4000-8000-000000000001"), ("consumer", "alice-at-home")] {
        let upstream = Upstream::echo();
        let gateway = gateway(&upstream, KEY, "rs256-private-jwk.json", &format!(", apikey_client_id: {choice}"));
        assert_eq!(gateway.send(&keyed()).status, 200);
        let token = verify(upstream.one().header("X-Custom-Jwt").unwrap(), &test_key("rs256-jwks.json"));
        assert!(!token.claims.to_string().contains("alice-key"), "{}", token.claims);
        if choice == "credential_id" {
            assert_eq!(token.claims["client_id"], wanted);
        }
    }
}

#[test]
fn without_an_authentication_there_is_no_token_and_no_request() {
    let upstream = Upstream::echo();
    let anonymous = "{name: key-auth, config: {key_names: [x-none], anonymous: alice}}, ";
    for plugins in ["", anonymous] {
        let gateway = gateway(&upstream, plugins, "rs256-private-jwk.json", ", verbose: true");
        let nothing = gateway.get("/x");
        assert_eq!((nothing.status, nothing.header("Content-Type")), (401, Some("application/json")));
        let text = "No suitable Authentication method is found: no Bearer token, no Basic Auth, no mTLS, no Key Auth";
        assert_eq!(nothing.json(), json!({"ErrorMessage": REFUSED, "VerboseMessage": text}));
        let text = "Issue with 'client_id' claim retrieval or Kong Consumer. There is no Kong consumer credential";
        for request in [
            keyed(),
            Request::get("/x").basic("alice", "p@ss:word"),
            Request::get("/x").header("Authorization", "Bearer a.b.c"),
        ] {
            let response = gateway.send(&request);
            assert_eq!(response.status, 401);
            assert_eq!(response.json(), json!({"ErrorMessage": REFUSED, "VerboseMessage": text}), "{request:?}");
        }
    }
    let quiet = gateway(&upstream, "", "rs256-private-jwk.json", "");
    assert_eq!(quiet.get("/x").json(), json!({"ErrorMessage": REFUSED}));
    assert!(upstream.take().is_empty());
}

#[test]
fn the_client_gets_the_same_token_where_it_is_asked_for() {
    let upstream = Upstream::echo();
    let more = ", upstream_custom_jwt_header: authorization, downstream_custom_jwt_header: X-Down";
    let gateway = gateway(&upstream, KEY, "rs256-private-jwk.json", more);
    let response =
        gateway.send(&keyed().header("Authorization", "Bearer a.b.c").header("X-Echo-Resp", "X-Down: from-upstream"));
    let seen = upstream.one();
    let up: Vec<&str> = seen.headers.all("Authorization").collect();
    let down: Vec<&str> = response.headers.all("X-Down").collect();
    assert_eq!(up.len(), 1);
    assert_eq!(up, down);
    let token = up[0].strip_prefix("Bearer ").expect("the scheme of the header");
    assert_eq!(verify(token, &test_key("rs256-jwks.json")).claims["client_id"], "alice-key");
}

#[test]
fn many_tokens_at_once_are_all_different_and_all_valid() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, KEY, "rs256-private-jwk.json", "");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = gateway.client();
                for _ in 0..5 {
                    assert_eq!(client.send(&keyed()).status, 200);
                }
            });
        }
    });
    let jwks = test_key("rs256-jwks.json");
    let tokens = upstream.take();
    let ids: std::collections::BTreeSet<String> = tokens
        .iter()
        .map(|seen| verify(seen.header("X-Custom-Jwt").unwrap(), &jwks).claims["jti"].to_string())
        .collect();
    assert_eq!((tokens.len(), ids.len()), (20, 20));
}
