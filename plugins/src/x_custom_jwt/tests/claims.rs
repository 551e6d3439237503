//! What a token says.

use super::*;

#[tokio::test]
async fn basic_auth_gives_the_claims_that_kong_gives() {
    let handler = plugin(HS256, json!({}));
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = claims(&handler, verified(password("my-user"))).await;
    let (iat, exp) = (claims["iat"].as_u64().expect("iat"), claims["exp"].as_u64().expect("exp"));
    assert!((before..before + 60).contains(&iat));
    assert_eq!(exp, iat + 1800);
    let jti = uuid::Uuid::parse_str(claims["jti"].as_str().expect("jti")).expect("a UUID");
    assert_eq!(jti.get_version_num(), 4);
    let expected = json!({
        "iss": "https://kong-gateway:8443/x-custom-jwt",
        "aud": "http://httpbin.test:18100/base",
        "act": { "client_id": "contact@konghq.com-ID1" },
        "client_id": "my-user",
    });
    assert_eq!(timeless(claims), expected);
}

#[tokio::test]
async fn the_audience_is_the_service_as_configured() {
    let handler = plugin(HS256, json!({}));
    let cases = [
        (Protocol::Http, "httpbin.apim.eu", 80, Some("/anything"), "http://httpbin.apim.eu/anything"),
        (Protocol::Https, "std.test", 443, Some("/"), "https://std.test/"),
        (Protocol::Http, "rev.test", 443, Some("/x"), "http://rev.test/x"),
        (Protocol::Https, "rev.test", 80, Some("/x"), "https://rev.test/x"),
        (Protocol::Https, "httpbin.test", 18101, Some("/deep/path"), "https://httpbin.test:18101/deep/path"),
        (Protocol::Http, "HTTPBIN.test", 18100, None, "http://HTTPBIN.test:18100"),
        (Protocol::Http, "my-upstream", 80, Some("/a\"b\\"), "http://my-upstream/a\"b\\"),
    ];
    for (protocol, host, port, path, expected) in cases {
        let service = Service { protocol, host: host.to_owned(), port, path: path.map(Into::into), ..service() };
        let mut exchange = Exchange::get("/demo");
        exchange.cx = Context::new(RequestId::default(), Some(Arc::new(route())), Some(Arc::new(service)));
        exchange.cx.authenticate(identity(password("u")));
        assert_eq!(claims(&handler, exchange).await["aud"], expected);
    }
}

#[tokio::test]
async fn a_token_says_how_its_caller_authenticated_when_asked() {
    let asked = plugin(HS256, json!({ "claims": { "amr": true }, "apikey_client_id": "consumer" }));
    let silent = plugin(HS256, json!({ "claims": { "amr": false }, "apikey_client_id": "consumer" }));
    let certificate = || Proof::Certificate { subject: "CN=a".into(), fingerprint: [0; 32] };
    let forged = || bearer(r#"{"clientId":"c","amr":["hwk","mfa"]}"#);
    let other = || Proof::Other { subject: "device-7".into() };
    for (proof, expected) in
        [(password("u"), "pwd"), (certificate(), "pop"), (Proof::Key, "apikey"), (forged(), "token"), (other(), "test")]
    {
        assert_eq!(claims(&asked, verified(proof)).await["amr"], json!([expected]));
    }
    let copied = claims(&silent, verified(forged())).await;
    assert_eq!(copied["amr"], json!(["hwk", "mfa"]));
    assert_eq!(claims(&silent, verified(password("u"))).await.get("amr"), None);
}

#[tokio::test]
async fn a_token_is_bound_to_the_certificate_when_asked() {
    let asked = plugin(HS256, json!({ "claims": { "cnf": true } }));
    let silent = plugin(HS256, json!({}));
    let certificate = || Proof::Certificate { subject: "CN=a".into(), fingerprint: [0xfb; 32] };
    let expected = json!({ "x5t#S256": URL_SAFE_NO_PAD.encode([0xfb; 32]) });
    assert_eq!(claims(&asked, verified(certificate())).await["cnf"], expected);
    assert_eq!(claims(&silent, verified(certificate())).await.get("cnf"), None);
    let incoming = || bearer(r#"{"clientId":"c","cnf":{"jkt":"x"}}"#);
    assert_eq!(claims(&asked, verified(incoming())).await.get("cnf"), None, "not proven here");
    assert_eq!(claims(&silent, verified(incoming())).await["cnf"], json!({ "jkt": "x" }));
}

#[tokio::test]
async fn the_claims_of_a_verified_token_survive_unchanged() {
    let incoming = r#"{"n":123456789012345678901234567890,"f":1.10,"e":[],"o":{},"x":null,"u":"zoë漢 \ud83d\ude00","d":{"a":[{"b":[]}]},
        "quo\"te":1,"clientId":"my-user","iss":"forged","iat":1,"exp":2,"jti":"j","aud":["a"],"client_id":"old","act":null}"#;
    let token = token(&plugin(HS256, json!({})), verified(bearer(incoming))).await;
    let payload = part(&token, 1);
    let kept = r#"{"n":123456789012345678901234567890,"f":1.10,"e":[],"o":{},"x":null,"u":"zoë漢 \ud83d\ude00","d":{"a":[{"b":[]}]},"quo\"te":1,"clientId":"my-user","iss":"https:"#;
    assert!(payload.starts_with(kept), "{payload}");
    for name in ["iss", "iat", "exp", "jti", "aud", "act"] {
        assert_eq!(payload.matches(&format!("\"{name}\":")).count(), 1, "{name}");
    }
    assert_eq!(payload.matches("\"client_id\":").count(), 2, "one for the caller and one for its actor");
    let claims: Value = serde_json::from_str(&payload).expect("JSON");
    assert_eq!(claims["iss"], "https://kong-gateway:8443/x-custom-jwt");
    assert_eq!(claims["aud"], "http://httpbin.test:18100/base");
    assert_eq!(claims["client_id"], "my-user");
    assert_ne!((&claims["iat"], &claims["exp"], &claims["jti"]), (&json!(1), &json!(2), &json!("j")));
}

#[tokio::test]
async fn deep_and_long_claims_survive() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = "y".repeat(20_000);
    let incoming = format!(r#"{{"clientId":"c","deep":{deep},"long":"{long}","act":{{"deep":{deep}}}}}"#);
    let payload = part(&token(&plugin(HS256, json!({})), verified(bearer(&incoming))).await, 1);
    assert!(payload.contains(&format!("\"deep\":{deep},\"long\":\"{long}\"")));
    assert!(payload.contains(&format!("\"act\":{{\"deep\":{deep},\"client_id\":")));
}

#[tokio::test]
async fn an_incoming_actor_is_kept_and_its_client_replaced() {
    let handler = plugin(HS256, json!({}));
    let ours = "contact@konghq.com-ID1";
    let cases = [
        (r#"{"sub":"a","client_id":"old","act":{"sub":"b"}}"#, json!({"sub":"a","act":{"sub":"b"},"client_id":ours})),
        ("{}", json!({ "client_id": ours })),
        ("\"str\"", json!({ "client_id": ours })),
        ("[]", json!({ "client_id": ours })),
        ("5", json!({ "client_id": ours })),
        ("null", json!({ "client_id": ours })),
    ];
    for (act, expected) in cases {
        let incoming = format!(r#"{{"clientId":"c","act":{act}}}"#);
        assert_eq!(claims(&handler, verified(bearer(&incoming))).await["act"], expected, "{act}");
    }
}
