//! What a client's token costs: the plugin `jwt` as a whole, for each algorithm.
//!
//! `jwt.json` holds a token and its key for each, made by `node integration/jose/tokens.mjs sign`.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a bench that cannot start has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros")]

use std::{net::Ipv4Addr, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use signet_plugin_api::{
    BufferedBody, Client, Consumer, Context, CredentialStores, Flow, Handler, RawConfig, RawCredential, Request,
    RequestHeader, RequestId, Resources, Scope,
};
use signet_plugins::builtin;

const TOKENS: &str = include_str!("jwt.json");

fn algorithms(criterion: &mut Criterion) {
    let tokens: Vec<Value> = serde_json::from_str(TOKENS).expect("JSON");
    for token in &tokens {
        let name = format!("jwt/whole {}", token["name"].as_str().expect("a name"));
        measure(criterion, &name, &compile(token), token["token"].as_str().expect("a token"));
    }
}

/// `on_request`, verifying in place: the way to the signing threads belongs to the engine.
fn measure(criterion: &mut Criterion, name: &str, handler: &Arc<dyn Handler>, token: &str) {
    let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let authorization = format!("Bearer {token}");
    let exchange = || {
        let mut head = RequestHeader::build("GET", b"/demo", None).expect("a head");
        head.insert_header("authorization", &authorization).expect("a header");
        (head, Context::new(RequestId::default(), None, None))
    };
    let run = |(mut head, mut cx): (RequestHeader, Context)| {
        let mut body = BufferedBody::default();
        let mut request = Request::new(&mut head, &client, &mut body);
        let flow = runtime.block_on(handler.on_request(&mut request, &mut cx));
        (flow, head, cx)
    };
    let (flow, ..) = run(exchange());
    assert!(matches!(flow, Ok(Flow::Continue)), "{name}: the token is refused");
    criterion.bench_function(name, |bencher| bencher.iter_batched(exchange, run, BatchSize::SmallInput));
}

fn compile(token: &Value) -> Arc<dyn Handler> {
    let registry = builtin();
    let plugin = registry.get("jwt").expect("a built-in");
    let fields = json!({
        "key": token["name"], "algorithm": token["algorithm"], "secret": token["secret"], "rsa_public_key": token["pem"],
    });
    let credential = RawCredential {
        id: "aaaaaaaa-0000-4000-8000-000000000005".into(),
        consumer: Arc::new(Consumer::new("id", Some("user"), Some("custom"), Vec::new()).expect("a consumer")),
        fields: RawConfig::new(serde_yaml::from_str(&fields.to_string()).expect("YAML")),
    };
    let mut credentials = CredentialStores::default();
    let _ = credentials.add(plugin.credentials[0], vec![credential]).expect("a credential");
    let resources = Resources { credentials: Arc::new(credentials), ..Resources::default() };
    plugin.compile(RawConfig::default(), &Scope::new(&resources)).expect("compiles")
}

criterion_group!(benches, algorithms);
criterion_main!(benches);
