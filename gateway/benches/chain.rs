//! What a chain costs by itself: plugins that do next to nothing, none, one and five of them, through all phases.
#![expect(clippy::expect_used, reason = "a bench that cannot begin says so by panicking")]

use std::{hint::black_box, net::Ipv4Addr, sync::Arc};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use signet::runtime::chain::{Chain, Outcome, Progress, Slot};
use signet_plugin_api::{
    BufferedBody, Client, Consumer, Context, Flow, Handler, HeaderName, HeaderValue, Identity, Phase, PluginError,
    Proof, Record, Request, RequestHeader, RequestId, ResponseHeader, async_trait,
};

/// What a plugin adds to a request: one boxed future.
struct Nothing;

impl Handler for Nothing {}

/// What an authentication plugin does besides hashing: finds a header, and says who called.
struct Recognise {
    header: HeaderName,
    identity: Identity,
}

#[async_trait]
impl Handler for Recognise {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        if request.header(&self.header).is_some() {
            cx.authenticate(self.identity.clone());
        }
        Ok(Flow::Continue)
    }
}

fn slot(phases: &[Phase], handler: Arc<dyn Handler>) -> Slot {
    let phases = phases.iter().fold(0, |all, phase| all | *phase as u8);
    Slot { name: "bench", phases, timed: false, stats: None, base: Some(handler), by_consumer: Box::default() }
}

fn identity() -> Identity {
    let consumer = Consumer::new("11111111-1111-4111-8111-111111111111", Some("alice"), None, Vec::new());
    Identity {
        identifier: Some(HeaderValue::from_static("22222222-2222-4222-8222-222222222222")),
        credential_id: Some("22222222-2222-4222-8222-222222222222".into()),
        ..Identity::new("bench", Some(Arc::new(consumer.expect("a consumer"))), Proof::Key)
    }
}

/// One request through every phase of a chain, as the engine runs it.
async fn ride(chain: &Chain, head: &mut RequestHeader, answer: &mut ResponseHeader, client: &Client) -> bool {
    let mut cx = Context::new(RequestId::from("0123456789abcdef0123456789abcdef"), None, None);
    let (mut body, mut progress) = (BufferedBody::default(), Progress::default());
    let mut request = Request::new(head, client, &mut body);
    let outcome = chain.on_request(&mut request, &mut cx, &mut progress).await;
    matches!(outcome, Outcome::Continue)
        && chain.on_upstream_request(head, &mut cx, &mut progress).await.is_ok()
        && chain.on_response(answer, &mut cx, &mut progress).await.is_ok()
        && chain.on_response_body(&mut None, true, &mut cx, &mut progress).is_ok()
        && chain.on_log(&cx, &progress, &Record::of(head, 200)).await.is_ok()
}

fn chains(criterion: &mut Criterion) {
    const ALL: &[Phase] = &[Phase::Request, Phase::UpstreamRequest, Phase::Response, Phase::ResponseBody, Phase::Log];
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut head = RequestHeader::build("GET", b"/", None).expect("a request line");
    let mut answer = ResponseHeader::build(200, None).expect("a status line");
    let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
    let (header, identity) = (HeaderName::from_static("apikey"), identity());
    head.insert_header(header.clone(), "012345AZERTY!").expect("a header");
    let several = |count: usize, phases: &[Phase]| -> Chain {
        Chain::new((0..count).map(|_| slot(phases, Arc::new(Nothing))).collect())
    };
    let recognise =
        || slot(&[Phase::Request], Arc::new(Recognise { header: header.clone(), identity: identity.clone() }));
    let cases = [
        ("request-only", 0, several(0, &[Phase::Request])),
        ("request-only", 1, several(1, &[Phase::Request])),
        ("request-only", 5, several(5, &[Phase::Request])),
        ("all-phases", 1, several(1, ALL)),
        ("all-phases", 5, several(5, ALL)),
        ("authentication", 1, Chain::new(vec![recognise()])),
    ];
    let mut group = criterion.benchmark_group("chain");
    for (name, count, chain) in &cases {
        group.bench_with_input(BenchmarkId::new(*name, count), chain, |bencher, chain| {
            // Entering the runtime once for many requests: a worker does not enter it for each.
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let start = std::time::Instant::now();
                    for _ in 0..rounds {
                        black_box(ride(black_box(chain), &mut head, &mut answer, &client).await);
                    }
                    start.elapsed()
                })
            });
        });
    }
}

criterion_group!(benches, chains);
criterion_main!(benches);
