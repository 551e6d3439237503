//! `reuse_for`: who gets a token that was signed before, and who never does.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use signet_plugin_api::{Busy, Job, JobQueue, KeySet, Route, SigningFailed, SigningKey};
use tokio::task::{JoinSet, yield_now};

use super::{key_sets::keys, *};

/// Compiled by turns, as by reloads, with one process around them.
struct Process {
    world: World,
    set: Arc<KeySet>,
}

impl Process {
    fn new() -> Self {
        let set = key_sets::key_set(Some(HS256), None);
        Self { world: key_sets::world(&set), set }
    }

    fn signing_on(queue: &Arc<Held>) -> Self {
        let mut process = Self::new();
        process.world.resources.signing = WorkPool::new(Arc::clone(queue) as _);
        process
    }

    fn load(&self, mut fields: Value) -> Arc<dyn Handler> {
        for (name, value) in [("key_set", json!("signing")), ("reuse_for", json!(60))] {
            fields.as_object_mut().expect("an object").entry(name).or_insert(value);
        }
        self.world.compile("x-custom-jwt", &fields.to_string())
    }

    /// Like `load`, with a key that stands in the configuration.
    fn load_with(&self, key: &str) -> Arc<dyn Handler> {
        self.world.compile("x-custom-jwt", &config(key, json!({ "reuse_for": 60 })))
    }

    /// A series without labels, or with this one.
    fn count(&self, name: &str, label: &str) -> f64 {
        let families = self.world.resources.meters.gather();
        let metrics = families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
        let labelled =
            metrics.filter(|metric| label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label));
        labelled.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum()
    }

    fn hits_and_misses(&self) -> (f64, f64) {
        (self.count("signet_jwt_reuse_total", "hit"), self.count("signet_jwt_reuse_total", "miss"))
    }

    fn signatures(&self) -> f64 {
        self.count("signet_jwt_signatures_total", "")
    }
}

/// Threads that begin with nothing before they are told to.
#[derive(Default)]
struct Held {
    jobs: Mutex<Vec<Job>>,
    is_full: AtomicUsize,
}

impl JobQueue for Held {
    fn submit(&self, job: Job) -> Result<(), Busy> {
        if self.is_full.load(Relaxed) != 0 {
            return Err(Busy);
        }
        self.jobs.lock().expect("no panic").push(job);
        Ok(())
    }
}

impl Held {
    async fn waits_for(&self, jobs: usize) {
        until(|| self.jobs.lock().expect("no panic").len() >= jobs).await;
    }

    /// Does all that waits, and says how much that was.
    fn release(&self) -> usize {
        let jobs = std::mem::take(&mut *self.jobs.lock().expect("no panic"));
        let count = jobs.len();
        jobs.into_iter().for_each(|job| job());
        count
    }
}

/// Sends one request for each exchange, all at once, and waits until each has begun.
async fn burst(handler: &Arc<dyn Handler>, exchanges: Vec<Exchange>) -> JoinSet<(Flow, Exchange)> {
    let begun = Arc::new(AtomicUsize::new(0));
    let (mut requests, count) = (JoinSet::new(), exchanges.len());
    for mut exchange in exchanges {
        let (handler, begun) = (Arc::clone(handler), Arc::clone(&begun));
        requests.spawn(async move {
            begun.fetch_add(1, Relaxed);
            (exchange.run(&handler).await, exchange)
        });
    }
    until(|| begun.load(Relaxed) == count).await;
    requests
}

async fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to that");
        yield_now().await;
    }
}

fn tokens(answers: Vec<(Flow, Exchange)>) -> BTreeSet<String> {
    let token = |(flow, exchange): (Flow, Exchange)| match flow {
        Flow::Continue => exchange.upstream("x-custom-jwt").expect("a token").to_owned(),
        Flow::Respond(response) => panic!("answered {response:?}"),
    };
    answers.into_iter().map(token).collect()
}

#[tokio::test]
async fn a_burst_of_one_caller_signs_once() {
    let queue = Arc::new(Held::default());
    let process = Process::signing_on(&queue);
    process.set.replace(keys(Some(RS256)));
    let handler = process.load(json!({}));
    let requests = burst(&handler, (0..1000).map(|_| verified(password("u"))).collect()).await;
    queue.waits_for(1).await;
    assert_eq!(queue.release(), 1);
    assert_eq!(tokens(requests.join_all().await).len(), 1);
    assert_eq!((process.signatures(), process.hits_and_misses()), (1.0, (999.0, 1.0)));
    assert_eq!(process.count("signet_jwt_reuse_entries", ""), 1.0);
}

#[tokio::test]
async fn callers_of_a_burst_wait_for_nobody_elses_token() {
    let queue = Arc::new(Held::default());
    let process = Process::signing_on(&queue);
    process.set.replace(keys(Some(RS256)));
    let handler = process.load(json!({}));
    let exchanges = (0..40).map(|at| verified(password(&format!("user-{}", at % 4)))).collect();
    let requests = burst(&handler, exchanges).await;
    queue.waits_for(4).await;
    assert_eq!(queue.release(), 4);
    for (_, exchange) in requests.join_all().await {
        assert!(exchange.upstream("x-custom-jwt").is_some());
    }
    assert_eq!((process.signatures(), process.hits_and_misses()), (4.0, (36.0, 4.0)));
}

#[tokio::test]
async fn who_goes_away_takes_nobodys_token_along() {
    let queue = Arc::new(Held::default());
    let process = Process::signing_on(&queue);
    process.set.replace(keys(Some(RS256)));
    let handler = process.load(json!({}));
    let mut first = burst(&handler, vec![verified(password("u"))]).await;
    queue.waits_for(1).await;
    let others = burst(&handler, (0..3).map(|_| verified(password("u"))).collect()).await;
    first.shutdown().await;
    queue.waits_for(2).await;
    assert_eq!(queue.release(), 2, "that of the first is skipped");
    assert_eq!(tokens(others.join_all().await).len(), 1);
    assert_eq!(process.signatures(), 1.0);
}

#[tokio::test]
async fn a_full_queue_is_told_to_all_who_wait_and_forgotten() {
    let queue = Arc::new(Held::default());
    let process = Process::signing_on(&queue);
    process.set.replace(keys(Some(RS256)));
    let handler = process.load(json!({}));
    queue.is_full.store(1, Relaxed);
    for (flow, _) in burst(&handler, vec![verified(password("u")), verified(password("u"))]).await.join_all().await {
        let Flow::Respond(response) = flow else { panic!("passed") };
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answered(&response, "retry-after"), Some("1"));
    }
    queue.is_full.store(0, Relaxed);
    let again = burst(&handler, vec![verified(password("u"))]).await;
    queue.waits_for(1).await;
    queue.release();
    assert_eq!(tokens(again.join_all().await).len(), 1);
    assert_eq!(process.count("signet_jwt_reuse_entries", ""), 1.0);
}

#[tokio::test]
async fn a_key_that_breaks_breaks_its_requests_and_is_not_remembered() {
    struct Broken;
    impl signet_plugin_api::Signer for Broken {
        fn alg(&self) -> &'static str {
            "HS256"
        }
        fn is_slow(&self) -> bool {
            false
        }
        fn signature_len(&self) -> usize {
            32
        }
        fn sign(&self, _: &[u8], _: &mut Vec<u8>) -> Result<(), SigningFailed> {
            Err(SigningFailed)
        }
    }
    let process = Process::new();
    process.set.replace(signet_plugin_api::Keys {
        active: Some(Arc::new(SigningKey { kid: None, signer: Arc::new(Broken) })),
        ..keys(None)
    });
    let handler = process.load(json!({}));
    for _ in 0..2 {
        let mut exchange = verified(password("u"));
        let client = signet_plugin_api::Client::plain(std::net::Ipv4Addr::LOCALHOST, 8000);
        let mut request = Request::new(&mut exchange.head, &client, &mut exchange.body);
        assert!(handler.on_request(&mut request, &mut exchange.cx).await.is_err());
    }
    assert_eq!(process.signatures(), 0.0);
    assert_eq!((process.hits_and_misses(), process.count("signet_jwt_reuse_entries", "")), ((0.0, 0.0), 0.0));
}

#[tokio::test]
async fn without_reuse_every_request_has_a_token_of_its_own() {
    let process = Process::new();
    let handler = process.load(json!({ "reuse_for": 0 }));
    assert_ne!(token(&handler, verified(password("u"))).await, token(&handler, verified(password("u"))).await);
    assert_eq!(process.hits_and_misses(), (0.0, 0.0));
}

#[tokio::test]
async fn whatever_enters_the_token_makes_it_another_one() {
    let process = Process::new();
    let handler = process.load(json!({ "apikey_client_id": "credential_id", "claims": { "amr": true, "cnf": true } }));
    let base = || identity(password("u"));
    let other_consumer = |id, custom_id| {
        let consumer = Consumer::new(id, Some("other"), custom_id, Vec::new()).expect("a consumer");
        Identity { consumer: Some(Arc::new(consumer)), ..base() }
    };
    let certificate = |fingerprint| Proof::Certificate { subject: "u".into(), fingerprint: [fingerprint; 32] };
    let with = |proof| Identity { proof, ..base() };
    let credential = |id: &str| Identity { credential_id: Some(id.into()), ..with(Proof::Key) };
    let identities = [
        base(),
        with(password("u2")),
        with(password("u\",\"x\":\"")),
        other_consumer("22222222-2222-4222-8222-222222222222", None),
        other_consumer("22222222-2222-4222-8222-222222222222", Some("a")),
        credential("a"),
        credential("b"),
        with(certificate(1)),
        with(certificate(2)),
        with(Proof::Other { subject: "u".into() }),
        with(bearer(r#"{"clientId":"u"}"#)),
        with(bearer(r#"{"clientId":"u2"}"#)),
        with(bearer(r#"{"clientId":"u","groups":["a"]}"#)),
        with(bearer(r#"{"clientId":"u","groups":["b"]}"#)),
        with(bearer(r#"{"clientId":"u","nbf":5}"#)),
        with(bearer(r#"{"clientId":"u","act":{"sub":"a"}}"#)),
    ];
    let mut all = BTreeSet::new();
    for identity in &identities {
        for (host, path) in [("a.test", None), ("a.test", Some("/x")), ("b.test", None)] {
            let request = || {
                let service = Service { path: path.map(ToOwned::to_owned), ..Service::new("s", host) };
                let mut exchange = Exchange::get("/demo");
                exchange.cx = Context::new(RequestId::default(), Some(Arc::new(route())), Some(Arc::new(service)));
                exchange.cx.authenticate(identity.clone());
                exchange
            };
            let first = token(&handler, request()).await;
            assert_eq!(first, token(&handler, request()).await);
            assert!(all.insert(first), "{identity:?} {host} {path:?}");
        }
    }
    assert_eq!(process.signatures(), all.len() as f64);
}

#[tokio::test]
async fn another_group_or_route_makes_it_another_token_where_it_says_them() {
    let process = Process::new();
    let add = json!({ "groups": "${identity.groups}", "route": "${route.name}", "by": "for ${consumer.username}" });
    let handler = process.load(json!({ "claims": { "add": add } }));
    let mut all = BTreeSet::new();
    for groups in [&["a"][..], &["a", "b"], &["b"], &[]] {
        for name in ["one", "two"] {
            let request = || {
                let route = Route { name: Some(name.into()), ..route() };
                let mut exchange = Exchange::get("/demo");
                exchange.cx = Context::new(RequestId::default(), Some(Arc::new(route)), Some(Arc::new(service())));
                let groups = Some(groups.iter().map(|name| Arc::from(*name)).collect());
                exchange.cx.authenticate(Identity { groups, ..identity(password("u")) });
                exchange
            };
            let first = token(&handler, request()).await;
            assert_eq!(first, token(&handler, request()).await);
            assert!(all.insert(first), "{groups:?} {name}");
        }
    }
    assert_eq!(process.signatures(), 8.0);
}

#[tokio::test]
async fn what_is_replaced_in_a_clients_token_makes_no_difference() {
    let process = Process::new();
    let handler = process.load(json!({}));
    let request = |times: &str| verified(bearer(&format!(r#"{{"clientId":"u",{times}}}"#)));
    let first = token(&handler, request(r#""iat":1,"exp":2,"jti":"a","aud":"b""#)).await;
    assert_eq!(first, token(&handler, request(r#""iat":3,"exp":4,"jti":"c","aud":"d""#)).await);
}

#[tokio::test]
async fn another_key_signs_anew_even_under_the_same_kid() {
    let process = Process::new();
    let handler = process.load(json!({}));
    let with_key = async |key: Option<&str>| {
        if let Some(key) = key {
            process.set.replace(keys(Some(key)));
        }
        token(&handler, verified(password("u"))).await
    };
    let first = with_key(None).await;
    assert_eq!(first, with_key(None).await);
    let same_kid = HS256.replace("\"k\"", "\"k\":\"another-secret-of-the-length-that-it-takes\",\"was\"");
    let other = with_key(Some(&same_kid)).await;
    assert_eq!(json_part(&first, 0), json_part(&other, 0), "the kid is the same");
    assert_ne!(first, other);
    let rotated = with_key(Some(HS512)).await;
    assert_eq!(json_part(&rotated, 0)["kid"], "signet-hs512");
    assert_eq!(process.count("signet_jwt_reuse_entries", ""), 3.0);
}

#[tokio::test]
async fn a_set_that_moves_on_with_the_same_active_key_costs_nothing() {
    let process = Process::new();
    let handler = process.load(json!({}));
    let first = token(&handler, verified(password("u"))).await;
    let key = process.set.active().expect("a key");
    let same = Arc::new(SigningKey { kid: key.kid.clone(), signer: Arc::clone(&key.signer) });
    process.set.replace(signet_plugin_api::Keys { active: Some(same), ..keys(None) });
    assert_eq!(first, token(&handler, verified(password("u"))).await);
}

#[tokio::test]
async fn a_reload_keeps_tokens_and_a_changed_configuration_does_not() {
    let process = Process::new();
    let before = process.load(json!({}));
    let first = token(&before, verified(password("u"))).await;
    let after = process.load(json!({}));
    drop(before);
    assert_eq!(first, token(&after, verified(password("u"))).await);
    for change in [
        json!({ "expires_in": 600 }),
        json!({ "iss": "https://other.test" }),
        json!({ "jku": "https://other.test" }),
        json!({ "upstream_custom_jwt_header": "X-Custom-JWT" }),
        json!({ "reuse_for": 61 }),
    ] {
        let changed = process.load(change);
        assert_ne!(first, token(&changed, verified(password("u"))).await);
    }
    assert_eq!(first, token(&after, verified(password("u"))).await, "two configurations stand beside each other");
}

#[tokio::test]
async fn a_key_in_the_configuration_is_a_part_of_it() {
    let process = Process::new();
    let before = process.load_with(HS256);
    let first = token(&before, verified(password("u"))).await;
    let same_kid = HS256.replace("\"k\"", "\"k\":\"another-secret-of-the-length-that-it-takes\",\"was\"");
    assert_ne!(first, token(&process.load_with(&same_kid), verified(password("u"))).await);
    assert_eq!(first, token(&before, verified(password("u"))).await);
}

#[tokio::test]
async fn a_token_that_is_kept_is_for_nobody_who_is_not_verified() {
    let process = Process::new();
    let handler = process.load(json!({}));
    token(&handler, verified(password("u"))).await;
    assert_eq!(Exchange::get("/demo").answer(&handler).await.status, StatusCode::UNAUTHORIZED);
    let mut anonymous = Exchange::get("/demo").header("authorization", "Basic dTpw");
    anonymous.cx.authenticate(Identity::anonymous("basic-auth", consumer()));
    assert_eq!(anonymous.answer(&handler).await.status, StatusCode::UNAUTHORIZED);
    process.set.replace(keys(None));
    let status = verified(password("u")).answer(&handler).await.status;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "nor is it sent when its key may not sign");
}

#[tokio::test]
async fn believed_headers_are_what_their_token_is_known_by() {
    let process = Process::new();
    let handler = process.load(json!({ "identity_source": "request" }));
    let request = |key: &str| {
        let mut exchange = Exchange::get("/demo").header("apikey", key);
        exchange.cx.authenticate(Identity::anonymous("key-auth", consumer()));
        exchange
    };
    let first = token(&handler, request("a")).await;
    assert_eq!(first, token(&handler, request("a")).await);
    assert_ne!(first, token(&handler, request("b")).await);
}

#[test]
fn reuse_that_makes_no_sense_is_a_mistake() {
    let cases = [
        (
            json!({ "reuse_for": 1800 }),
            "reuse_for: must be less than `expires_in` (1800): a token cannot be sent when it has expired",
        ),
        (
            json!({ "reuse_for": 60, "expires_in": 30 }),
            "reuse_for: must be less than `expires_in` (30): a token cannot be sent when it has expired",
        ),
        (
            json!({ "reuse_for": 60, "claims": { "add": { "rid": "${request.id}" } } }),
            "reuse_for: `claims.add` reads `${request…}`, which differs from request to request: tokens would be kept and \
             hardly sent again",
        ),
        (
            json!({ "reuse_for": 60, "claims": { "add": { "p": "at ${request.path}" }, "unverified": true } }),
            "reuse_for: `claims.add` reads `${request…}`, which differs from request to request: tokens would be kept and \
             hardly sent again",
        ),
        (json!({ "reuse_for": -1 }), "reuse_for: whole seconds are needed, 0 or more"),
        (json!({ "reuse_for": 0.5 }), "reuse_for: whole seconds are needed, 0 or more"),
    ];
    for (fields, expected) in cases {
        assert_eq!(mistakes(HS256, fields), [expected]);
    }
}
