//! Where the token is sent.

use super::*;

#[tokio::test]
async fn the_token_replaces_what_the_client_sent() {
    let mut exchange = verified(password("u")).header("x-custom-jwt", "evil1").header("X-CUSTOM-JWT", "evil2");
    exchange.passes(&plugin(HS256, json!({}))).await;
    let sent: Vec<_> = exchange.head.headers.get_all("x-custom-jwt").iter().collect();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is_sensitive() && sent[0].as_bytes().starts_with(b"eyJ"));
}

#[tokio::test]
async fn in_authorization_the_token_is_a_bearer() {
    for name in ["Authorization", "authorization"] {
        let fields = json!({ "upstream_custom_jwt_header": name, "downstream_custom_jwt_header": "X-Down" });
        let handler = plugin(RS256, fields);
        let mut exchange = verified(password("u")).header("authorization", "Basic dTpw");
        exchange.passes(&handler).await;
        let value = exchange.upstream("authorization").expect("a token").to_owned();
        let token = value.strip_prefix("Bearer ").expect("a bearer");
        verify_rsa(token, RS256_SET, &signature::RSA_PKCS1_2048_8192_SHA256);
        assert_eq!(exchange.upstream("x-custom-jwt"), None);
        let response = exchange.response(&handler, &[]).await;
        assert_eq!(response.headers["x-down"], value);
    }
}

#[tokio::test]
async fn the_client_gets_the_token_only_when_asked_for() {
    let handler = plugin(HS256, json!({ "downstream_custom_jwt_header": "X-Down-Jwt" }));
    let mut exchange = verified(password("u"));
    exchange.passes(&handler).await;
    let response = exchange.response(&handler, &[("X-Down-Jwt", "from-upstream"), ("x-down-jwt", "twice")]).await;
    let values: Vec<_> = response.headers.get_all("x-down-jwt").iter().collect();
    assert_eq!(values, [exchange.upstream("x-custom-jwt").expect("a token")]);

    let handler = plugin(HS256, json!({}));
    let mut exchange = verified(password("u"));
    exchange.passes(&handler).await;
    assert!(exchange.response(&handler, &[]).await.headers.is_empty());
}

#[tokio::test]
async fn a_refused_client_gets_no_token() {
    let handler = plugin(HS256, json!({ "downstream_custom_jwt_header": "X-Down-Jwt" }));
    let mut exchange = Exchange::get("/demo");
    exchange.answer(&handler).await;
    assert!(exchange.response(&handler, &[]).await.headers.is_empty());
}

#[test]
fn logs_conceal_every_header_that_carries_a_key_or_a_token() {
    let names = ["x-read", "x-up", "x-down"];
    let world = World::empty();
    assert!(names.iter().all(|name| !world.resources.concealed.contains(name)));
    let fields = json!({
        "apikey_header": "X-Read", "upstream_custom_jwt_header": "X-Up", "downstream_custom_jwt_header": "X-Down",
    });
    world.compile("x-custom-jwt", &config(RS256, fields));
    assert!(names.iter().all(|name| world.resources.concealed.contains(name)));
}
