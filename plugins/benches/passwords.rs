//! What a password costs: in plain text, remembered, and computed against each kind of hash.

#![allow(clippy::expect_used, reason = "a bench that cannot start has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros")]

use std::{net::Ipv4Addr, sync::Arc};

use base64::prelude::{BASE64_STANDARD, Engine};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use signet_plugin_api::{
    BufferedBody, Client, Consumer, Context, CredentialStores, Flow, Handler, RawConfig, RawCredential, Request,
    RequestHeader, RequestId, Resources, Scope,
};
use signet_plugins::builtin;

/// `pw`, with the parameters that `signet hash-password` uses.
const ARGON2ID: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c";
/// `pw`, with a cost of 10.
const BCRYPT: &str = "$2y$10$rXTslp2yxVZqsFIcpV5L1efKOUzgOczi4g9rcZKwcoAhi3yamN/qu";

fn passwords(criterion: &mut Criterion) {
    measure(criterion, "passwords/plain text", "pw", "user:pw", true);
    measure(criterion, "passwords/plain text, wrong", "pw", "user:guess", false);
    measure(criterion, "passwords/argon2id, remembered", ARGON2ID, "user:pw", true);
    measure(criterion, "passwords/bcrypt, remembered", BCRYPT, "user:pw", true);
    // What is wrong is never remembered.
    measure(criterion, "passwords/argon2id, wrong", ARGON2ID, "user:guess", false);
    measure(criterion, "passwords/argon2id, unknown user", ARGON2ID, "nobody:guess", false);
    measure(criterion, "passwords/bcrypt, wrong", BCRYPT, "user:guess", false);
}

/// The plugin's `on_request`, computing in place: the way to the hashing threads belongs to the engine.
fn measure(criterion: &mut Criterion, name: &str, password: &str, credentials: &str, passes: bool) {
    let handler = compile(password);
    let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let value = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    let exchange = || {
        let mut head = RequestHeader::build("GET", b"/demo", None).expect("a head");
        head.insert_header("authorization", &value).expect("a header");
        (head, Context::new(RequestId::default(), None, None))
    };
    let run = |(mut head, mut cx): (RequestHeader, Context)| {
        let mut body = BufferedBody::default();
        let mut request = Request::new(&mut head, &client, &mut body);
        let flow = runtime.block_on(handler.on_request(&mut request, &mut cx)).expect("a working plugin");
        (flow, head)
    };
    let (flow, _) = run(exchange());
    assert_eq!(matches!(flow, Flow::Continue), passes, "{name}");
    criterion.bench_function(name, |bencher| bencher.iter_batched(exchange, run, BatchSize::SmallInput));
}

fn compile(password: &str) -> Arc<dyn Handler> {
    let registry = builtin();
    let plugin = registry.get("basic-auth").expect("a built-in");
    let consumer = Consumer::new("id", Some("consumer"), None, Vec::new()).expect("a consumer");
    let yaml = format!("{{username: user, password: '{password}'}}");
    let fields = RawConfig::new(serde_yaml::from_str(&yaml).expect("YAML"));
    let mut credentials = CredentialStores::default();
    let raw = vec![RawCredential { id: "credential".into(), consumer: Arc::new(consumer), fields }];
    credentials.add(*plugin.credentials.first().expect("its credentials"), raw).expect("a credential");
    let resources = Resources { credentials: Arc::new(credentials), ..Resources::default() };
    plugin.compile(RawConfig::default(), &Scope::new(&resources)).expect("compiles")
}

criterion_group!(benches, passwords);
criterion_main!(benches);
