//! `x-custom-jwt` by its configuration in YAML and one request at a time.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{hmac, signature};
use serde_json::{Value, json};
use signet_plugin_api::{
    Body, Claims, Consumer, Context, Flow, Handler, Identity, Proof, Protocol, RawConfig, Request, RequestId,
    Resources, Response, Scope, Service, StatusCode, WorkPool,
};

use crate::{
    builtin,
    shared::secret::PresentedKey,
    testing::{Exchange, World, answered, full_pool, route, service, text},
};

const RS256: &str = include_str!("../../../test-keys/rs256-private-jwk.json");
const RS512: &str = include_str!("../../../test-keys/rs512-private-jwk.json");
const HS256: &str = include_str!("../../../test-keys/hs256-jwk.json");
const HS512: &str = include_str!("../../../test-keys/hs512-jwk.json");
const RS256_SET: &str = include_str!("../../../test-keys/rs256-jwks.json");
const RS512_SET: &str = include_str!("../../../test-keys/rs512-jwks.json");

const CONSUMER_ID: &str = "11111111-1111-4111-8111-111111111111";
const NOTHING_VERIFIED: &str =
    "Issue with 'client_id' claim retrieval or Kong Consumer. There is no Kong consumer credential";
const NO_CLAIM: &str =
    "Issue with 'client_id' claim retrieval or Kong Consumer. Unable to get 'clientId' claim from the Bearer token";

/// A configuration with this key and these other fields.
fn config(key: &str, mut fields: Value) -> String {
    fields["private_jwk"] = key.into();
    fields.to_string()
}

fn plugin(key: &str, fields: Value) -> Arc<dyn Handler> {
    World::empty().compile("x-custom-jwt", &config(key, fields))
}

fn mistakes(key: &str, fields: Value) -> Vec<String> {
    World::empty().mistakes("x-custom-jwt", &config(key, fields))
}

fn compile_with(pool: &WorkPool, config: &str) -> (Arc<dyn Handler>, Vec<String>) {
    let resources = Resources { signing: pool.clone(), ..Resources::default() };
    let scope = Scope::new(&resources);
    let registry = builtin();
    let raw = RawConfig::new(serde_yaml::from_str(config).expect("a mapping"));
    let handler = registry.get("x-custom-jwt").expect("registered").compile(raw, &scope).expect("compiles");
    (handler, scope.into_warnings().iter().map(ToString::to_string).collect())
}

fn consumer() -> Arc<Consumer> {
    Arc::new(
        Consumer::new(CONSUMER_ID, Some("contact@konghq.com"), Some("contact@konghq.com-ID1"), Vec::new())
            .expect("a consumer"),
    )
}

fn identity(proof: Proof) -> Identity {
    let credential_id = Some("aaaaaaaa-0000-4000-8000-000000000004".into());
    Identity { credential_id, ..Identity::new("test", Some(consumer()), proof) }
}

fn bearer(claims: &str) -> Proof {
    Proof::Token { claims: Arc::new(Claims::parse(claims.as_bytes()).expect("claims")) }
}

fn password(username: &str) -> Proof {
    Proof::Password { username: username.into() }
}

/// A request whose caller was verified.
fn verified(proof: Proof) -> Exchange {
    let mut exchange = Exchange::get("/demo");
    exchange.cx.authenticate(identity(proof));
    exchange
}

fn part(token: &str, at: usize) -> String {
    let part = token.split('.').nth(at).expect("three parts");
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("UTF-8")
}

fn json_part(token: &str, at: usize) -> Value {
    serde_json::from_str(&part(token, at)).expect("JSON")
}

/// The token that went upstream.
async fn token(handler: &Arc<dyn Handler>, mut exchange: Exchange) -> String {
    exchange.passes(handler).await;
    exchange.upstream("x-custom-jwt").expect("a token").to_owned()
}

async fn claims(handler: &Arc<dyn Handler>, exchange: Exchange) -> Value {
    json_part(&token(handler, exchange).await, 1)
}

/// The same without what is different each time.
fn timeless(mut claims: Value) -> Value {
    for name in ["iat", "exp", "jti"] {
        assert!(claims.as_object_mut().expect("an object").remove(name).is_some(), "{name}");
    }
    claims
}

async fn verbose_message(handler: &Arc<dyn Handler>, mut exchange: Exchange) -> String {
    let response = exchange.answer(handler).await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answered(&response, "content-type"), Some("application/json"));
    let body = body(&response);
    assert_eq!(body["ErrorMessage"], "You are not authorized to access to this service");
    body["VerboseMessage"].as_str().expect("a verbose body").to_owned()
}

fn body(response: &Response) -> Value {
    serde_json::from_str(&text(response)).expect("JSON")
}

fn verify_rsa(token: &str, set: &str, algorithm: &'static signature::RsaParameters) {
    let set: Value = serde_json::from_str(set).expect("a key set");
    let number = |name: &str| URL_SAFE_NO_PAD.decode(set["keys"][0][name].as_str().expect("text")).expect("base64url");
    let (input, signature) = token.rsplit_once('.').expect("a signature");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    signature::RsaPublicKeyComponents { n: number("n"), e: number("e") }
        .verify(algorithm, input.as_bytes(), &signature)
        .expect("a valid signature");
}

fn verify_hmac(token: &str, key: &str, algorithm: hmac::Algorithm) {
    let key: Value = serde_json::from_str(key).expect("a key");
    let secret = key["k"].as_str().expect("text").as_bytes();
    let (input, signature) = token.rsplit_once('.').expect("a signature");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    hmac::verify(&hmac::Key::new(algorithm, secret), input.as_bytes(), &signature).expect("a valid signature");
}

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
async fn every_token_has_an_id_of_its_own() {
    let handler = plugin(HS256, json!({}));
    let first = claims(&handler, verified(password("u"))).await;
    assert_ne!(first["jti"], claims(&handler, verified(password("u"))).await["jti"]);
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

#[tokio::test]
async fn the_claim_that_becomes_client_id_must_be_a_string_or_a_number() {
    let handler = plugin(HS256, json!({ "verbose": true }));
    for good in ["\"a\"", "1.5", "-3", "0", "12345678901234567890123"] {
        let incoming = format!(r#"{{"clientId":{good}}}"#);
        let payload = part(&token(&handler, verified(bearer(&incoming))).await, 1);
        assert!(payload.ends_with(&format!("\"client_id\":{good}}}")), "{payload}");
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

/// Exchanges of Kong 3.9.1 with the reference plugin, on routes where nothing but its own reading of the headers counted.
#[tokio::test]
async fn identity_source_request_does_what_kong_does() {
    for line in include_str!("reference.jsonl").lines() {
        let record: Value = serde_json::from_str(line).expect("a record");
        replay(&record).await;
    }
}

async fn replay(record: &Value) {
    let name = record["name"].as_str().expect("a name");
    let mut fields = record["config"].clone();
    fields["identity_source"] = "request".into();
    let upstream = fields["upstream_custom_jwt_header"].as_str().unwrap_or("x-custom-jwt").to_owned();
    let mut exchange = recorded_request(record);
    let flow = exchange.run(&plugin(HS256, fields)).await;
    match flow {
        Flow::Continue => {
            let value = exchange.upstream(&upstream).expect("a token");
            let token = value.strip_prefix(record["prefix"].as_str().expect(name)).expect(name);
            assert_eq!(timeless(json_part(token, 1)), record["claims"], "{name}");
        }
        Flow::Respond(response) => {
            assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{name}");
            assert_eq!(body(&response), expected_body(name, &record["body"]), "{name}");
        }
    }
}

fn recorded_request(record: &Value) -> Exchange {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut service = Service { path: Some("/anything".to_owned()), ..service() };
    if let Value::Array(declared) = &record["service"] {
        service.host = text(&declared[1]);
        service.path = declared[3].as_str().map(ToOwned::to_owned);
    }
    let mut exchange = Exchange::get("/demo");
    exchange.cx = Context::new(RequestId::default(), Some(Arc::new(route())), Some(Arc::new(service)));
    for header in record["headers"].as_array().expect("headers") {
        exchange = exchange.header(&text(&header[0]), text(&header[1]));
    }
    if record["consumer"] == true {
        exchange.cx.authenticate(Identity::anonymous("key-auth", consumer()));
    }
    exchange
}

/// Three texts hold the words of Kong's JSON parser; ours says it in its own.
fn expected_body(name: &str, recorded: &Value) -> Value {
    let reason = match name {
        "bearer bad base64 payload" => "the payload is not base64",
        "bearer JSON trailing garbage" => "trailing characters at line 1 column 18",
        "bearer JSON with leading BOM" => "expected value at line 1 column 1",
        _ => return recorded.clone(),
    };
    let recorded_text = recorded["VerboseMessage"].as_str().expect("verbose");
    let (start, _) = recorded_text.split_once("JSON from JWT: ").expect("the parser's words");
    json!({ "ErrorMessage": recorded["ErrorMessage"], "VerboseMessage": format!("{start}JSON from JWT: '{reason}'") })
}

#[tokio::test]
async fn identity_source_request_refuses_what_kong_signs_by_mistake() {
    let handler = plugin(HS256, json!({ "verbose": true, "identity_source": "request" }));
    let exchange = |name: &str, value: &str| {
        let mut exchange = Exchange::get("/demo").header(name, value);
        exchange.cx.authenticate(Identity::anonymous("key-auth", consumer()));
        exchange
    };
    let bare = "Issue with 'client_id' claim retrieval or Kong Consumer";
    for empty in ["Basic OnB3", "Basic Og==", "Basic YWJj"] {
        assert_eq!(verbose_message(&handler, exchange("authorization", empty)).await, bare);
    }
    assert_eq!(verbose_message(&handler, exchange("apikey", "")).await, bare);
    assert!(verbose_message(&handler, exchange("authorization", "Basic %%")).await.ends_with("the 'Basic Auth'"));
    let colon = claims(&handler, exchange("authorization", "Basic Y29sb246cGE6c3M6d29yZA==")).await;
    assert_eq!(colon["client_id"], "colon");
    let spaces = claims(&handler, exchange("authorization", "Basic  YWxpY2U6Yg==")).await;
    assert_eq!(spaces["client_id"], "alice");
    let url_safe = format!("Bearer x.{}.y", URL_SAFE_NO_PAD.encode(r#"{"clientId":"ÿÿ>?"}"#));
    assert_eq!(claims(&handler, exchange("authorization", &url_safe)).await["client_id"], "ÿÿ>?");
}

#[tokio::test]
async fn identity_source_request_names_a_verified_certificate() {
    let handler = plugin(HS256, json!({ "identity_source": "request" }));
    let proof = || Proof::Certificate { subject: "CN=kong".into(), fingerprint: [0; 32] };
    assert_eq!(claims(&handler, verified(proof()).header("apikey", "k")).await["client_id"], "CN=kong");
    let basic = verified(proof()).header("authorization", "Basic YWxpY2U6cA==");
    assert_eq!(claims(&handler, basic).await["client_id"], "alice");
}

#[test]
fn every_wrong_field_is_named() {
    let cases = [
        (json!({ "expires_in": 0 }), "expires_in: whole seconds greater than 0 are needed"),
        (json!({ "expires_in": 0.5 }), "expires_in: whole seconds greater than 0 are needed"),
        (json!({ "expires_in": -10 }), "expires_in: whole seconds greater than 0 are needed"),
        (json!({ "iss": "gateway" }), "iss: `gateway` is not a URL: relative URL without a base"),
        (json!({ "jku": "urn:x" }), "jku: `urn:x` is not a URL with a host"),
        (
            json!({ "apikey_header": "a b" }),
            "apikey_header: `a b` is not a header name; allowed are A-Z, a-z, 0-9, `_` and `-`",
        ),
        (json!({ "upstream_custom_jwt_header": "" }), "upstream_custom_jwt_header: must not be empty"),
        (
            json!({ "downstream_custom_jwt_header": "Content-Length" }),
            "downstream_custom_jwt_header: `Content-Length` is a header of HTTP itself and cannot be set",
        ),
        (json!({ "bearer_clientid_claim": "" }), "bearer_clientid_claim: the name of a claim is needed"),
        (
            json!({ "identity_source": "request", "apikey_client_id": "consumer" }),
            "apikey_client_id: only `key` goes with `identity_source: request`",
        ),
        (
            json!({ "identity_source": "request", "claims": { "amr": true } }),
            "claims.amr: says what was verified, and with `identity_source: request` nothing needs to be",
        ),
        (
            json!({ "identity_source": "request", "claims": { "cnf": true } }),
            "claims.cnf: says what was verified, and with `identity_source: request` nothing needs to be",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(mistakes(HS256, fields), [expected]);
    }
}

#[test]
fn a_key_that_cannot_sign_is_a_mistake_of_the_configuration() {
    assert_eq!(mistakes("hello", json!({})), ["private_jwk: not JSON: expected value at line 1 column 1"]);
    assert_eq!(World::empty().mistakes("x-custom-jwt", "{}"), [": missing field `private_jwk`"]);
    let both = mistakes("[]", json!({ "expires_in": 0 }));
    assert_eq!(both.len(), 2, "{both:?}");
    for unquoted in ["{private_jwk: {kty: oct, k: hunter2}}", "{private_jwk: 123456}"] {
        let mistakes = World::empty().mistakes("x-custom-jwt", unquoted);
        assert!(mistakes[0].starts_with("private_jwk: ") && !mistakes[0].contains("hunter2"), "{mistakes:?}");
        assert!(!mistakes[0].contains("123456"), "{mistakes:?}");
    }
}

#[test]
fn a_field_that_is_not_there_yet_is_refused() {
    let mistakes = |fields| mistakes(HS256, fields);
    assert!(mistakes(json!({ "claims": { "add": {} } }))[0].starts_with("claims.add: unknown field `add`"));
    for field in ["key_set", "reuse_for", "audience", "typ", "not_before"] {
        let mistakes = mistakes(json!({ field: "x" }));
        assert!(mistakes[0].contains(&format!("unknown field `{field}`")), "{mistakes:?}");
    }
}

#[test]
fn what_is_legal_but_unwise_is_warned_about() {
    let warnings = |key: &str, fields| compile_with(&WorkPool::inline(), &config(key, fields)).1;
    assert!(warnings(RS256, json!({}))[0].starts_with("apikey_client_id: with `key` "));
    assert!(
        warnings(RS256, json!({ "identity_source": "request" }))[0].starts_with("identity_source: with `request` ")
    );
    assert!(warnings(RS256, json!({ "apikey_client_id": "credential_id" })).is_empty());
    let weak = warnings(r#"{"kty":"oct","alg":"HS256","k":"hunter2"}"#, json!({ "apikey_client_id": "consumer" }));
    assert!(weak[0].starts_with("private_jwk: `k` has fewer ") && !weak[0].contains("hunter2"), "{weak:?}");
}

#[test]
fn the_example_compiles() {
    let plugins = World::load(include_str!("example.yaml")).compile_file();
    assert!(plugins.contains(&"x-custom-jwt".to_owned()));
}
