//! What a token costs: its claims, their encoding, the raw signature of every algorithm by either library, and the plugin
//! as a whole.
//!
//! At the end stands what a fresh RS256 token costs above its raw signature, measured in pairs, with the mark for it.

#![allow(clippy::expect_used, reason = "a bench that cannot start has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::{
    hint::black_box,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, criterion_group};
use serde_json::{Value, json};
use signet_keys::{Algorithm, LoadedKey, PrivateKey, Secrets};
use signet_plugin_api::{
    BufferedBody, Claims, Client, Consumer, Context, Flow, Handler, Identity, Proof, RawConfig, Request, RequestHeader,
    RequestId, Resources, Scope, Service, Signer, SigningBackend,
};
use signet_plugins::{TokenParts, builtin};

const RS256: &str = include_str!("../../test-keys/rs256-private-jwk.json");
const HS256: &str = include_str!("../../test-keys/hs256-jwk.json");

const INCOMING: &str = r#"{"exp":1712685716,"iat":1712685416,"jti":"ab62d065-4627-449e-98d0-5040f0b2893a",
"iss":"https://sso.example.test:8443/auth/realms/demo","aud":"account","sub":"cc163ff5","typ":"Bearer","acr":"1",
"realm_access":{"roles":["offline_access","uma_authorization"]},"scope":"openid email profile","clientId":"my-user"}"#;

const BACKENDS: [(&str, SigningBackend); 2] = [("ring", SigningBackend::Ring), ("openssl", SigningBackend::Openssl)];

/// What a fresh RS256 token may cost above its raw signature.
const MARK: Duration = Duration::from_micros(60);

/// How often it is measured.
const PAIRS: usize = 1_000;

fn parts(criterion: &mut Criterion) {
    let parts = TokenParts::new(HS256, service(), INCOMING).expect("a key");
    let claims = parts.claims().expect("claims");
    criterion.bench_function("token/claims, a token's copied", |bencher| bencher.iter(|| parts.claims()));
    criterion.bench_function("token/encoding", |bencher| {
        bencher.iter_batched(|| claims.clone(), |claims| parts.encode(claims), BatchSize::SmallInput);
    });
}

fn signatures(criterion: &mut Criterion) {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Es512) {
        let key = PrivateKey::generate(algorithm, 2048).expect("a key");
        for (name, backend) in BACKENDS {
            let signer = key.signer(backend).expect("a signer");
            let (input, mut signature) = (signing_input(), Vec::with_capacity(512));
            criterion.bench_function(&format!("signature/{} {name}", algorithm.as_str()), |bencher| {
                bencher.iter(|| sign(&*signer, &input, &mut signature));
            });
        }
    }
}

fn whole(criterion: &mut Criterion) {
    let claims = Arc::new(Claims::parse(INCOMING.as_bytes()).expect("claims"));
    let password = || Proof::Password { username: "my-user".into() };
    let token = || Proof::Token { claims: Arc::clone(&claims) };
    let ring = SigningBackend::Ring;
    measure(criterion, "token/whole HS256, a password", &Gateway::new(HS256, json!({}), ring), password);
    measure(criterion, "token/whole HS256, a token", &Gateway::new(HS256, json!({}), ring), token);
    for (name, backend) in BACKENDS {
        let gateway = Gateway::new(RS256, json!({}), backend);
        measure(criterion, &format!("token/whole RS256 {name}, a password"), &gateway, password);
        measure(criterion, &format!("token/whole RS256 {name}, a token"), &gateway, token);
    }
}

fn measure(criterion: &mut Criterion, name: &str, gateway: &Gateway, proof: impl Fn() -> Proof) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(|| gateway.exchange(proof()), |exchange| gateway.run(exchange), BatchSize::SmallInput);
    });
}

fn reused(criterion: &mut Criterion) {
    let claims = Arc::new(Claims::parse(INCOMING.as_bytes()).expect("claims"));
    let gateway = Gateway::new(RS256, json!({ "reuse_for": 60 }), SigningBackend::Ring);
    let token_of = |proof| gateway.run(gateway.exchange(proof)).headers.get("x-custom-jwt").cloned();
    let known = Proof::Token { claims: Arc::clone(&claims) };
    assert_eq!(token_of(known.clone()), token_of(known), "the same token again");
    measure(criterion, "token/reused RS256, a password", &gateway, || Proof::Password { username: "my-user".into() });
    measure(criterion, "token/reused RS256, a token", &gateway, || Proof::Token { claims: Arc::clone(&claims) });
}

/// The raw signature and the whole plugin in turn: what drifts weighs on both.
fn fresh_above_raw() {
    for (name, backend) in BACKENDS {
        let key = LoadedKey::from_jwk(RS256, Secrets::Decoded).expect("a key").key;
        let (signer, gateway) = (key.signer(backend).expect("a signer"), Gateway::new(RS256, json!({}), backend));
        let (input, mut signature) = (signing_input(), Vec::with_capacity(512));
        let (mut raw, mut fresh, mut above) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let alone = timed(|| sign(&*signer, &input, &mut signature));
            let exchange = gateway.exchange(Proof::Password { username: "my-user".into() });
            let whole = timed(|| gateway.run(exchange));
            raw.push(alone);
            fresh.push(whole);
            above.push(whole.saturating_sub(alone));
        }
        let (raw, fresh, above) = (median(raw), median(fresh), median(above));
        let verdict = if above <= MARK { "met   " } else { "MISSED" };
        println!(
            "{verdict} fresh RS256 by {name}: {fresh:.1?}, the raw signature {raw:.1?}, above it {above:.1?}, at most {MARK:?}"
        );
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn sign(signer: &dyn Signer, input: &[u8], signature: &mut Vec<u8>) {
    signature.clear();
    signer.sign(black_box(input), signature).expect("signed");
}

/// Header and claims of a usual token.
fn signing_input() -> Vec<u8> {
    let parts = TokenParts::new(HS256, service(), INCOMING).expect("a key");
    parts.encode(parts.claims().expect("claims"))
}

/// The plugin behind an authentication, signing in place: the way to the signing threads belongs to the engine.
struct Gateway {
    handler: Arc<dyn Handler>,
    consumer: Arc<Consumer>,
    service: Arc<Service>,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Gateway {
    fn new(key: &str, mut fields: Value, backend: SigningBackend) -> Self {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("private_jwk".to_owned(), key.into());
        }
        let config = serde_yaml::from_str(&fields.to_string()).expect("YAML");
        let resources = Resources { signing_backend: backend, ..Resources::default() };
        let scope = Scope::new(&resources);
        let registry = builtin();
        let plugin = registry.get("x-custom-jwt").expect("a built-in");
        Self {
            handler: plugin.compile(RawConfig::new(config), &scope).expect("compiles"),
            consumer: Arc::new(Consumer::new("id", Some("user"), Some("custom"), Vec::new()).expect("a consumer")),
            service: Arc::new(service()),
            client: Client::plain(Ipv4Addr::LOCALHOST, 8000),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
        }
    }

    /// A request of somebody who proved this.
    fn exchange(&self, proof: Proof) -> (RequestHeader, Context) {
        let mut cx = Context::new(RequestId::default(), None, Some(Arc::clone(&self.service)));
        cx.authenticate(Identity::new("bench", Some(Arc::clone(&self.consumer)), proof));
        (RequestHeader::build("GET", b"/demo", None).expect("a head"), cx)
    }

    /// The plugin's `on_request`.
    fn run(&self, (mut head, mut cx): (RequestHeader, Context)) -> RequestHeader {
        let mut body = BufferedBody::default();
        let mut request = Request::new(&mut head, &self.client, &mut body);
        let flow = self.runtime.block_on(self.handler.on_request(&mut request, &mut cx));
        assert!(flow.is_ok_and(|flow| matches!(flow, Flow::Continue)), "a token");
        head
    }
}

fn service() -> Service {
    Service {
        name: Some("httpbin".into()),
        port: 8080,
        path: Some("/anything".to_owned()),
        ..Service::new("8027b672-cb4d-5059-bc59-7d67b683008e", "httpbin.test")
    }
}

criterion_group!(benches, parts, signatures, whole, reused);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // Not in a test of the bench, nor where only a name was asked for.
    if std::env::args().skip(1).eq(["--bench".to_owned()]) {
        fresh_above_raw();
    }
}
