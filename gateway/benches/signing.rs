//! What a signed token costs the process: the raw signature, a fresh token that goes by way of the signing threads, and one
//! that is sent again. CPU time of all threads, since the work is spread over them.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that prints, or says by panicking why it cannot"
)]

use std::{fs, hint::black_box, net::Ipv4Addr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use signet::runtime::WorkThreads;
use signet_keys::{LoadedKey, Secrets};
use signet_plugin_api::{
    BufferedBody, Client, Consumer, Context, Flow, Handler, Identity, Proof, RawConfig, Request, RequestHeader,
    RequestId, Resources, Scope, Service, SigningBackend, WorkPool,
};
use tokio::runtime::{Builder, Runtime};

const RS256: &str = include_str!("../../test-keys/rs256-private-jwk.json");

/// Tokens of one round, and rounds; a figure is the median of its rounds.
const TOKENS: u32 = 400;
const ROUNDS: usize = 11;

/// A fresh token may cost the raw signature and this.
const MARK: Duration = Duration::from_micros(60);

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    for (name, backend) in [("ring", SigningBackend::Ring), ("openssl", SigningBackend::Openssl)] {
        let key = LoadedKey::from_jwk(RS256, Secrets::Decoded).expect("a key").key.signer(backend).expect("a signer");
        let (input, mut signature) = (vec![b'x'; 600], Vec::with_capacity(512));
        let mut raw = || {
            for _ in 0..TOKENS {
                signature.clear();
                key.sign(black_box(&input), &mut signature).expect("signed");
            }
        };
        let (fresh, reused) = (issuer(backend, json!({})), issuer(backend, json!({ "reuse_for": 60 })));
        let mut figures = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..rounds {
            let round = [spent(&mut raw), spent(|| issue(&runtime, &fresh)), spent(|| issue(&runtime, &reused))];
            figures.iter_mut().zip(round).for_each(|(all, one)| all.push(one));
        }
        let [raw, fresh, reused] = figures.map(median);
        let above = fresh.saturating_sub(raw);
        let verdict = if above <= MARK { "met   " } else { "MISSED" };
        println!(
            "signing/{name}: raw RS256 signature {raw:.1?}, fresh token {fresh:.1?}, token sent again {reused:.1?}"
        );
        println!("{verdict} fresh token by {name}: {above:.1?} above the raw signature, at most {MARK:?}");
    }
}

/// One token after the other, as one client of many waits for it: each wakes a signing thread, and that the worker.
fn issue(runtime: &Runtime, handler: &Arc<dyn Handler>) {
    let handler = Arc::clone(handler);
    let task = runtime.spawn(async move {
        let consumer = Arc::new(Consumer::new("id", Some("user"), Some("custom"), Vec::new()).expect("a consumer"));
        let service = Arc::new(Service::new("8027b672-cb4d-5059-bc59-7d67b683008e", "httpbin.test"));
        let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
        for _ in 0..TOKENS {
            let mut cx = Context::new(RequestId::default(), None, Some(Arc::clone(&service)));
            let proof = Proof::Password { username: "my-user".into() };
            cx.authenticate(Identity::new("bench", Some(Arc::clone(&consumer)), proof));
            let mut head = RequestHeader::build("GET", b"/demo", None).expect("a head");
            let mut body = BufferedBody::default();
            let flow = handler.on_request(&mut Request::new(&mut head, &client, &mut body), &mut cx).await;
            assert!(flow.is_ok_and(|flow| matches!(flow, Flow::Continue)), "a token");
        }
    });
    runtime.block_on(task).expect("tokens");
}

fn issuer(backend: SigningBackend, mut fields: Value) -> Arc<dyn Handler> {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("private_jwk".to_owned(), RS256.into());
    }
    let config = serde_yaml::from_str(&fields.to_string()).expect("YAML");
    let signing = WorkPool::new(WorkThreads::start("signing", 1, 1024).expect("a thread"));
    let resources = Resources { signing, signing_backend: backend, ..Resources::default() };
    let registry = signet_plugins::builtin();
    let plugin = registry.get("x-custom-jwt").expect("a built-in");
    plugin.compile(RawConfig::new(config), &Scope::new(&resources)).expect("compiles")
}

/// CPU time for each token.
fn spent(work: impl FnOnce()) -> Duration {
    let before = cpu();
    work();
    (cpu() - before) / TOKENS
}

/// Of all threads of this process, running ones included.
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("threads");
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
