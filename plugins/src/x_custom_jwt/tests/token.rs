//! Signatures, headers and ids of tokens.

use super::*;

#[tokio::test]
async fn a_token_verifies_with_the_public_half_of_its_key() {
    let rs256 = token(&plugin(RS256, json!({})), verified(password("my-user"))).await;
    verify_rsa(&rs256, RS256_SET, &signature::RSA_PKCS1_2048_8192_SHA256);
    let rs512 = token(&plugin(RS512, json!({})), verified(password("my-user"))).await;
    verify_rsa(&rs512, RS512_SET, &signature::RSA_PKCS1_2048_8192_SHA512);
    for (token, alg) in [(rs256, "RS256"), (rs512, "RS512")] {
        let kid = format!("signet-{}", alg.to_lowercase());
        let jku = "https://kong-gateway:8443/x-custom-jwt/jwks";
        assert_eq!(json_part(&token, 0), json!({ "typ": "JWT", "alg": alg, "kid": kid, "jku": jku }));
    }
}

#[tokio::test]
async fn a_shared_secret_is_the_characters_of_k() {
    let hs256 = token(&plugin(HS256, json!({})), verified(password("my-user"))).await;
    verify_hmac(&hs256, HS256, hmac::HMAC_SHA256);
    assert_eq!(json_part(&hs256, 0)["alg"], "HS256");
    let hs512 = token(&plugin(HS512, json!({})), verified(password("my-user"))).await;
    verify_hmac(&hs512, HS512, hmac::HMAC_SHA512);
    assert_eq!(json_part(&hs512, 0)["alg"], "HS512");
}

#[tokio::test]
async fn the_header_carries_kid_and_jku_as_configured() {
    let header = async |key: &str| {
        json_part(&token(&plugin(key, json!({ "jku": "https://a.test/\u{e9}" })), verified(password("u"))).await, 0)
    };
    assert_eq!(header(HS256).await["jku"], "https://a.test/\u{e9}");
    let anonymous_key = HS256.replace("\"kid\"", "\"name\"");
    assert_eq!(header(&anonymous_key).await.get("kid"), None);
    assert_eq!(header(&HS256.replace("\"signet-hs256\"", "7")).await["kid"], 7);
}

#[tokio::test]
async fn every_token_has_an_id_of_its_own() {
    let handler = plugin(HS256, json!({}));
    let first = claims(&handler, verified(password("u"))).await;
    assert_ne!(first["jti"], claims(&handler, verified(password("u"))).await["jti"]);
}

#[tokio::test]
async fn a_full_signing_queue_is_a_503() {
    let pool = full_pool();
    let (handler, _) = compile_with(&pool, &config(RS256, json!({})));
    let response = verified(password("u")).answer(&handler).await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered(&response, "retry-after"), Some("1"));
    assert!(matches!(response.body, Body::Error(_)));

    let (handler, _) = compile_with(&pool, &config(HS256, json!({})));
    verified(password("u")).passes(&handler).await;
}
