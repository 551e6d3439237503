//! What a token costs: its claims, their encoding, the signature, and the plugin as a whole.
//!
//! The bare RSA signature of the library stands beside them: the rest is measured against it.

#![allow(clippy::expect_used, reason = "a bench that cannot start has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros")]

use std::{hint::black_box, net::Ipv4Addr, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::json;
use signet_plugin_api::{
    BufferedBody, Claims, Client, Consumer, Context, Handler, Identity, Proof, RawConfig, Request, RequestHeader,
    RequestId, Resources, Scope, Service,
};
use signet_plugins::{TokenParts, builtin};

const RS256: &str = include_str!("../../test-keys/rs256-private-jwk.json");
const HS256: &str = include_str!("../../test-keys/hs256-jwk.json");

const INCOMING: &str = r#"{"exp":1712685716,"iat":1712685416,"jti":"ab62d065-4627-449e-98d0-5040f0b2893a",
"iss":"https://sso.example.test:8443/auth/realms/demo","aud":"account","sub":"cc163ff5","typ":"Bearer","acr":"1",
"realm_access":{"roles":["offline_access","uma_authorization"]},"scope":"openid email profile","clientId":"my-user"}"#;

fn parts(criterion: &mut Criterion) {
    let rsa = TokenParts::new(RS256, service(), INCOMING).expect("a key");
    let hmac = TokenParts::new(HS256, service(), INCOMING).expect("a key");
    let claims = rsa.claims().expect("claims");
    let input = rsa.encode(claims.clone());
    criterion.bench_function("token/claims, a token's copied", |bencher| bencher.iter(|| rsa.claims()));
    criterion.bench_function("token/encoding", |bencher| {
        bencher.iter_batched(|| claims.clone(), |claims| rsa.encode(claims), BatchSize::SmallInput);
    });
    criterion.bench_function("token/signing RS256", |bencher| bencher.iter(|| rsa.sign(black_box(&input))));
    criterion.bench_function("token/signing HS256", |bencher| bencher.iter(|| hmac.sign(black_box(&input))));
}

fn whole(criterion: &mut Criterion) {
    let password = || Proof::Password { username: "my-user".into() };
    let claims = Arc::new(Claims::parse(INCOMING.as_bytes()).expect("claims"));
    let token = || Proof::Token { claims: Arc::clone(&claims) };
    measure(criterion, "token/whole RS256, a password", RS256, password);
    measure(criterion, "token/whole RS256, a token", RS256, token);
    measure(criterion, "token/whole HS256, a password", HS256, password);
    measure(criterion, "token/whole HS256, a token", HS256, token);
}

/// The plugin's `on_request`, signing in place: the way to the signing threads belongs to the engine.
fn measure(criterion: &mut Criterion, name: &str, key: &str, proof: impl Fn() -> Proof) {
    let handler = compile(key);
    let consumer = Arc::new(Consumer::new("id", Some("user"), Some("custom"), Vec::new()).expect("a consumer"));
    let service = Arc::new(service());
    let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let exchange = || {
        let mut cx = Context::new(RequestId::default(), None, Some(Arc::clone(&service)));
        let consumer = Some(Arc::clone(&consumer));
        cx.authenticate(Identity::new("bench", consumer, proof()));
        (RequestHeader::build("GET", b"/demo", None).expect("a head"), cx)
    };
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(
            exchange,
            |(mut head, mut cx)| {
                let mut body = BufferedBody::default();
                let mut request = Request::new(&mut head, &client, &mut body);
                let flow = runtime.block_on(handler.on_request(&mut request, &mut cx));
                (flow, head)
            },
            BatchSize::SmallInput,
        );
    });
}

fn compile(key: &str) -> Arc<dyn Handler> {
    let config = serde_yaml::from_str(&json!({ "private_jwk": key }).to_string()).expect("YAML");
    let resources = Resources::default();
    let scope = Scope::new(&resources);
    let registry = builtin();
    let plugin = registry.get("x-custom-jwt").expect("a built-in");
    plugin.compile(RawConfig::new(config), &scope).expect("compiles")
}

fn service() -> Service {
    Service {
        name: Some("httpbin".into()),
        port: 8080,
        path: Some("/anything".to_owned()),
        ..Service::new("8027b672-cb4d-5059-bc59-7d67b683008e", "httpbin.test")
    }
}

criterion_group!(benches, parts, whole);
criterion_main!(benches);
