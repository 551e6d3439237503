//! For whom a token is signed.

use super::*;

#[tokio::test]
async fn a_consumer_without_custom_id_is_named_by_its_id() {
    let consumer = Consumer::new(CONSUMER_ID, Some("nocustom"), None, Vec::new()).expect("a consumer");
    let mut exchange = Exchange::get("/demo");
    exchange.cx.authenticate(Identity { consumer: Some(Arc::new(consumer)), ..identity(password("u")) });
    assert_eq!(claims(&plugin(HS256, json!({})), exchange).await["act"], json!({ "client_id": CONSUMER_ID }));
}

#[tokio::test]
async fn the_client_id_of_a_key_is_what_the_configuration_says() {
    let cases = [
        (json!({}), "012345AZERTY!"),
        (json!({ "apikey_client_id": "credential_id" }), "aaaaaaaa-0000-4000-8000-000000000004"),
        (json!({ "apikey_client_id": "consumer" }), "contact@konghq.com-ID1"),
    ];
    for (fields, expected) in cases {
        let mut exchange = verified(Proof::Key);
        exchange.cx.insert(PresentedKey::new("012345AZERTY!".into()));
        assert_eq!(claims(&plugin(HS256, fields), exchange).await["client_id"], expected);
    }
}

#[tokio::test]
async fn a_certificate_is_named_by_its_subject() {
    let subject = "C=US, ST=California, O=Kong Inc., OU=Konnect, CN=kong, emailAddress=contact@konghq.com";
    let proof = Proof::Certificate { subject: subject.into(), fingerprint: [0; 32] };
    assert_eq!(claims(&plugin(HS256, json!({})), verified(proof)).await["client_id"], subject);
}

#[tokio::test]
async fn a_third_partys_method_is_named_by_its_subject() {
    let proof = Proof::Other { subject: "device-7".into() };
    assert_eq!(claims(&plugin(HS256, json!({})), verified(proof)).await["client_id"], "device-7");
}

#[tokio::test]
async fn a_key_plugin_that_left_no_key_breaks_the_request() {
    let handler = plugin(HS256, json!({}));
    let mut exchange = verified(Proof::Key);
    let client = signet_plugin_api::Client::plain(std::net::Ipv4Addr::LOCALHOST, 8000);
    let mut request = Request::new(&mut exchange.head, &client, &mut exchange.body);
    assert!(handler.on_request(&mut request, &mut exchange.cx).await.is_err());
}

#[tokio::test]
async fn the_claim_that_becomes_client_id_must_be_a_string_or_a_number() {
    let handler = plugin(HS256, json!({ "verbose": true }));
    for good in ["\"a\"", "1.5", "-3", "0", "12345678901234567890123"] {
        let incoming = format!(r#"{{"clientId":{good}}}"#);
        let payload = part(&token(&handler, verified(bearer(&incoming))).await, 1);
        assert!(payload.contains(&format!(",\"client_id\":{good},\"iat\":")), "{payload}");
    }
    for bad in ["null", "false", "true", "\"\"", "[\"a\"]", "{\"a\":1}"] {
        let incoming = format!(r#"{{"clientId":{bad}}}"#);
        assert_eq!(verbose_message(&handler, verified(bearer(&incoming))).await, NO_CLAIM, "{bad}");
    }
    assert_eq!(verbose_message(&handler, verified(bearer("{}"))).await, NO_CLAIM);
}

#[tokio::test]
async fn a_forged_bearer_beside_a_verified_key_is_not_signed() {
    let forged = format!("Bearer x.{}.y", URL_SAFE_NO_PAD.encode(r#"{"clientId":"admin","role":"root"}"#));
    let mut exchange = verified(Proof::Key).header("authorization", forged).header("apikey", "another");
    exchange.cx.insert(PresentedKey::new("012345AZERTY!".into()));
    let claims = timeless(claims(&plugin(HS256, json!({})), exchange).await);
    let expected = json!({
        "iss": "https://kong-gateway:8443/x-custom-jwt",
        "aud": "http://httpbin.test:18100/base",
        "act": { "client_id": "contact@konghq.com-ID1" },
        "client_id": "012345AZERTY!",
    });
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn an_anonymous_consumer_is_not_an_authentication() {
    let handler = plugin(HS256, json!({ "verbose": true }));
    let anonymous = || {
        let mut exchange = Exchange::get("/demo");
        exchange.cx.authenticate(Identity::anonymous("key-auth", consumer()));
        exchange
    };
    let nothing = "No suitable Authentication method is found: no Bearer token, no Basic Auth, no mTLS, no Key Auth";
    assert_eq!(verbose_message(&handler, anonymous()).await, nothing);
    assert_eq!(verbose_message(&handler, anonymous().header("authorization", "Digest x")).await, nothing);
    for (name, value) in [("authorization", "Bearer x.e30.y"), ("authorization", "Basic YTpi"), ("apikey", "k")] {
        assert_eq!(verbose_message(&handler, anonymous().header(name, value)).await, NOTHING_VERIFIED);
        assert_eq!(verbose_message(&handler, Exchange::get("/").header(name, value)).await, NOTHING_VERIFIED);
    }
}

#[tokio::test]
async fn a_caller_without_consumer_gets_no_token() {
    let mut exchange = Exchange::get("/demo");
    exchange.cx.authenticate(Identity { consumer: None, ..identity(password("u")) });
    assert_eq!(verbose_message(&plugin(HS256, json!({ "verbose": true })), exchange).await, NOTHING_VERIFIED);
}

#[tokio::test]
async fn a_refusal_says_why_only_when_verbose() {
    let response = Exchange::get("/demo").answer(&plugin(HS256, json!({}))).await;
    assert_eq!(text(&response), r#"{"ErrorMessage":"You are not authorized to access to this service"}"#);
    assert_eq!(answered(&response, "content-type"), Some("application/json"));
}
