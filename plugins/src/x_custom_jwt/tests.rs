//! `x-custom-jwt` by its configuration in YAML and one request at a time.

mod actors;
mod added;
mod callers;
mod claims;
mod configuration;
mod headers;
mod key_sets;
mod planned;
mod random;
mod rehearsed;
mod request_source;
mod reuse;
mod token;

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
