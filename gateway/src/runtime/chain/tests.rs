//! The order, the short cuts and the accidents of a chain.

use std::{
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use signet_plugin_api::{BufferedBody, Client, Identity, Proof, RequestId, StatusCode};

use super::*;

const ALL: [Phase; 5] = [Phase::Request, Phase::UpstreamRequest, Phase::Response, Phase::ResponseBody, Phase::Log];

/// What the handlers of a test did, in order: `name phase`.
type Diary = Arc<Mutex<Vec<String>>>;

/// What a handler does in its phase, besides writing it down.
#[derive(Clone)]
enum Deed {
    Nothing,
    Answer(u16),
    Authenticate(Arc<Consumer>),
    Fail,
    Panic,
}

struct Probe {
    name: String,
    diary: Diary,
    phase: Phase,
    deed: Deed,
}

impl Probe {
    fn note(&self, phase: Phase) -> Result<(), PluginError> {
        let mut diary = self.diary.lock().unwrap_or_else(PoisonError::into_inner);
        diary.push(format!("{} {phase:?}", self.name));
        drop(diary);
        match &self.deed {
            Deed::Fail if phase == self.phase => Err(PluginError::new("no disk")),
            Deed::Panic if phase == self.phase => panic!("a plugin panics in a test"),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Handler for Probe {
    async fn on_request(&self, _: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        self.note(Phase::Request)?;
        match &self.deed {
            Deed::Answer(status) => {
                let status = StatusCode::from_u16(*status).expect("a status code");
                return Ok(Flow::Respond(Response::new(status)));
            }
            Deed::Authenticate(consumer) => cx.authenticate(identity(consumer)),
            _ => {}
        }
        Ok(Flow::Continue)
    }

    async fn on_upstream_request(&self, _: &mut RequestHeader, _: &mut Context) -> Result<(), PluginError> {
        self.note(Phase::UpstreamRequest)
    }

    async fn on_response(&self, _: &mut ResponseHeader, _: &mut Context) -> Result<(), PluginError> {
        self.note(Phase::Response)
    }

    fn on_response_body(&self, _: &mut Option<Bytes>, _: bool, _: &mut Context) -> Result<(), PluginError> {
        self.note(Phase::ResponseBody)
    }

    async fn on_log(&self, _: &Context, _: &Record<'_>) {
        if self.note(Phase::Log).is_err() {
            panic!("this phase cannot fail otherwise");
        }
    }
}

fn consumer(id: &str) -> Arc<Consumer> {
    Arc::new(Consumer::new(id, None, None, Vec::new()).expect("a consumer"))
}

fn identity(consumer: &Arc<Consumer>) -> Identity {
    let proof = Proof::Other { subject: Arc::clone(&consumer.id) };
    Identity::new("probe", Some(Arc::clone(consumer)), proof)
}

/// One request through all phases of a chain.
struct Ride {
    diary: Diary,
    slots: Vec<Slot>,
    cx: Context,
}

impl Ride {
    fn new() -> Self {
        Self { diary: Diary::default(), slots: Vec::new(), cx: Context::new(RequestId::default(), None, None) }
    }

    /// Adds a plugin that runs in every phase.
    fn slot(self, name: &'static str, deed: Deed) -> Self {
        self.slot_in(name, &ALL, Phase::Request, deed)
    }

    fn slot_in(mut self, name: &'static str, phases: &[Phase], phase: Phase, deed: Deed) -> Self {
        let base = Some(self.probe(name, phase, deed));
        let phases = phases.iter().fold(0, |all, phase| all | *phase as u8);
        self.slots.push(Slot { name, phases, timed: false, stats: None, base, by_consumer: Box::default() });
        self
    }

    /// Gives the last plugin a handler of its own for a consumer, less specific than those before.
    fn for_consumer(mut self, id: &str, name: &str) -> Self {
        let handler = self.probe(name, Phase::Request, Deed::Nothing);
        let slot = self.slots.last_mut().expect("a slot");
        let mut all = std::mem::take(&mut slot.by_consumer).into_vec();
        all.push(ConsumerScope::Consumer(Arc::new(HashMap::from([(id.into(), handler)]))));
        slot.by_consumer = all.into();
        self
    }

    fn without_base(mut self) -> Self {
        self.slots.last_mut().expect("a slot").base = None;
        self
    }

    fn probe(&self, name: &str, phase: Phase, deed: Deed) -> Arc<dyn Handler> {
        Arc::new(Probe { name: name.to_owned(), diary: Arc::clone(&self.diary), phase, deed })
    }

    async fn request(&mut self) -> (Chain, Progress, Outcome) {
        let chain = Chain::new(std::mem::take(&mut self.slots));
        let mut head = RequestHeader::build("GET", b"/", None).expect("a request line");
        let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
        let (mut body, mut progress) = (BufferedBody::default(), Progress::default());
        let mut request = Request::new(&mut head, &client, &mut body);
        let outcome = chain.on_request(&mut request, &mut self.cx, &mut progress).await;
        (chain, progress, outcome)
    }

    /// The phases after the request; the first failure of each.
    async fn rest(&mut self, chain: &Chain, progress: &mut Progress) -> Vec<Failure> {
        let mut head = RequestHeader::build("GET", b"/", None).expect("a request line");
        let over = head.clone();
        let mut answer = ResponseHeader::build(200, None).expect("a status line");
        let results = [
            chain.on_upstream_request(&mut head, &mut self.cx, progress).await,
            chain.on_response(&mut answer, &mut self.cx, progress).await,
            chain.on_response_body(&mut None, true, &mut self.cx, progress),
            chain.on_log(&self.cx, progress, &Record::of(&over, 200)).await,
        ];
        results.into_iter().filter_map(Result::err).collect()
    }

    /// All phases, none of which fails; gives the diary.
    async fn whole(mut self) -> Vec<String> {
        let (chain, mut progress, outcome) = self.request().await;
        assert!(!matches!(outcome, Outcome::Broken(_)));
        assert!(self.rest(&chain, &mut progress).await.is_empty());
        self.diary()
    }

    fn diary(&self) -> Vec<String> {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a plugin wrote in each phase: the names before the phases, once each.
fn names_of<'d>(diary: &'d [String], phase: &str) -> Vec<&'d str> {
    diary.iter().filter_map(|entry| entry.strip_suffix(phase)?.strip_suffix(' ')).collect()
}

#[tokio::test]
async fn plugins_run_in_the_order_of_their_slots_in_every_phase() {
    let ride = Ride::new().slot("a", Deed::Nothing).slot("b", Deed::Nothing).slot("c", Deed::Nothing);
    let diary = ride.whole().await;
    for phase in ["Request", "UpstreamRequest", "Response", "ResponseBody", "Log"] {
        assert_eq!(names_of(&diary, phase), ["a", "b", "c"], "{phase}");
    }
    assert_eq!(diary.len(), 15);
}

#[tokio::test]
async fn a_plugin_is_not_called_in_a_phase_that_it_does_not_list() {
    let ride = Ride::new().slot_in("a", &[Phase::Response], Phase::Response, Deed::Nothing).slot_in(
        "b",
        &[Phase::Request, Phase::Log],
        Phase::Request,
        Deed::Nothing,
    );
    assert_eq!(ride.whole().await, ["b Request", "a Response", "b Log"]);
}

#[tokio::test]
async fn an_empty_chain_lets_everything_pass() {
    let mut ride = Ride::new();
    let (chain, mut progress, outcome) = ride.request().await;
    assert!(matches!(outcome, Outcome::Continue));
    assert!(ALL.iter().all(|phase| !chain.runs_in(*phase)));
    assert!(ride.rest(&chain, &mut progress).await.is_empty());
}

#[tokio::test]
async fn an_answer_ends_the_request_phase_and_all_see_the_response() {
    let mut ride = Ride::new().slot("a", Deed::Nothing).slot("b", Deed::Answer(401)).slot("c", Deed::Nothing);
    let (chain, mut progress, outcome) = ride.request().await;
    assert!(matches!(outcome, Outcome::Respond(response) if response.status == 401));
    assert_eq!(ride.diary(), ["a Request", "b Request"]);
    assert!(ride.rest(&chain, &mut progress).await.is_empty());
    assert_eq!(names_of(&ride.diary(), "Response"), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_failure_in_the_request_phase_names_the_plugin_and_stops_the_chain() {
    for (deed, said) in [(Deed::Fail, Some("no disk")), (Deed::Panic, None)] {
        let mut ride = Ride::new().slot("a", Deed::Nothing).slot("b", deed).slot("c", Deed::Nothing);
        let (_, _, outcome) = ride.request().await;
        let Outcome::Broken(Failure { plugin, error }) = outcome else { panic!("the chain went on") };
        assert_eq!((plugin, error.map(|error| error.to_string()).as_deref()), ("b", said));
        assert_eq!(ride.diary(), ["a Request", "b Request"]);
    }
}

#[tokio::test]
async fn a_failure_in_a_later_phase_names_the_plugin_and_does_not_spread() {
    for phase in [Phase::UpstreamRequest, Phase::Response, Phase::ResponseBody, Phase::Log] {
        for deed in [Deed::Fail, Deed::Panic] {
            let panics = matches!(deed, Deed::Panic) || phase == Phase::Log;
            let mut ride =
                Ride::new().slot("a", Deed::Nothing).slot_in("b", &ALL, phase, deed).slot("c", Deed::Nothing);
            let (chain, mut progress, outcome) = ride.request().await;
            assert!(matches!(outcome, Outcome::Continue));
            let failures = ride.rest(&chain, &mut progress).await;
            let told: Vec<_> = failures.iter().map(|failure| (failure.plugin, failure.error.is_none())).collect();
            assert_eq!(told, [("b", panics)], "{phase:?}");
            let diary = ride.diary();
            let name = format!("{phase:?}");
            assert_eq!(names_of(&diary, &name), ["a", "b"]);
            assert!(
                ALL.iter()
                    .filter(|other| **other != phase)
                    .all(|other| names_of(&diary, &format!("{other:?}")).len() == 3)
            );
        }
    }
}

#[tokio::test]
async fn the_most_specific_handler_of_the_consumer_runs_in_place_of_the_base() {
    for (who, runs) in [("1", "on-route"), ("2", "anywhere"), ("3", "base")] {
        let ride = Ride::new()
            .slot("auth", Deed::Authenticate(consumer(who)))
            .slot("base", Deed::Nothing)
            .for_consumer("1", "on-route")
            .for_consumer("1", "less-specific")
            .for_consumer("2", "anywhere");
        let diary = ride.whole().await;
        for phase in ["Request", "UpstreamRequest", "Response", "ResponseBody", "Log"] {
            assert_eq!(names_of(&diary, phase), ["auth", runs], "{who} {phase}");
        }
    }
}

#[tokio::test]
async fn a_plugin_of_a_consumer_alone_runs_for_nobody_else() {
    for (who, runs) in [("1", vec!["auth", "own"]), ("2", vec!["auth"])] {
        let ride = Ride::new()
            .slot("auth", Deed::Authenticate(consumer(who)))
            .slot("none", Deed::Nothing)
            .for_consumer("1", "own")
            .without_base();
        assert_eq!(names_of(&ride.whole().await, "Request"), runs);
    }
}

#[tokio::test]
async fn what_ran_before_the_consumer_was_known_stays_the_same_handler_in_later_phases() {
    let ride = Ride::new()
        .slot("early", Deed::Nothing)
        .for_consumer("1", "early-own")
        .slot("auth", Deed::Authenticate(consumer("1")))
        .for_consumer("1", "auth-own")
        .slot("late", Deed::Nothing)
        .for_consumer("1", "late-own");
    let diary = ride.whole().await;
    for phase in ["Request", "UpstreamRequest", "Response", "ResponseBody", "Log"] {
        assert_eq!(names_of(&diary, phase), ["early", "auth", "late-own"], "{phase}");
    }
}

#[tokio::test]
async fn an_early_answer_hides_the_consumer_from_what_ran_before_it_only() {
    let mut ride = Ride::new()
        .slot("early", Deed::Nothing)
        .for_consumer("1", "early-own")
        .slot("auth", Deed::Authenticate(consumer("1")))
        .slot("stop", Deed::Answer(403))
        .slot("late", Deed::Nothing)
        .for_consumer("1", "late-own");
    let (chain, mut progress, _) = ride.request().await;
    assert!(ride.rest(&chain, &mut progress).await.is_empty());
    assert_eq!(names_of(&ride.diary(), "Response"), ["early", "auth", "stop", "late-own"]);
}

#[tokio::test]
async fn the_last_of_two_authentications_decides() {
    let ride = Ride::new()
        .slot("first", Deed::Authenticate(consumer("1")))
        .slot("second", Deed::Authenticate(consumer("2")))
        .slot("base", Deed::Nothing)
        .for_consumer("1", "of-first")
        .for_consumer("2", "of-second");
    assert_eq!(names_of(&ride.whole().await, "Request"), ["first", "second", "of-second"]);
}
