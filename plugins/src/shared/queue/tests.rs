//! The queue without a network: a courier that keeps what it is given, and answers as it is told.

use super::*;

fn limits(batch: usize) -> Limits {
    let usual = QueueConfig::of_batches(batch).limits().expect("limits");
    Limits { delay: Duration::from_secs(3600), ..usual }
}

fn entry(units: usize, text: &str) -> Entry {
    Entry { units, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

/// Answers with the verdicts from behind, then takes everything.
#[derive(Default)]
struct Kept {
    messages: Mutex<Vec<Bytes>>,
    verdicts: Mutex<Vec<Verdict>>,
}

impl Courier for Kept {
    const PLUGIN: &'static str = "test";

    fn endpoint(&self) -> &str {
        "nowhere"
    }

    fn pack(&self, entries: &[Bytes]) -> Bytes {
        entries.concat().into()
    }

    async fn send(&self, message: Bytes) -> Verdict {
        self.messages.lock().expect("a lock").push(message);
        let verdict = self.verdicts.lock().expect("a lock").pop();
        verdict.unwrap_or_else(|| Verdict::Taken { rejected: 0, why: String::new() })
    }
}

fn queue(limits: Limits, verdicts: Vec<Verdict>) -> Arc<Queue<Kept>> {
    let meters = signet_plugin_api::Meters::default();
    let counter = |name| meters.counter(name, "A test's.", &[]).expect("a counter");
    let counters = Counters {
        taken: Some(counter("taken_total")),
        no_room: counter("no_room_total"),
        refused: counter("refused_total"),
        given_up: counter("given_up_total"),
    };
    Arc::new(Queue::new(Kept { verdicts: Mutex::new(verdicts), ..Kept::default() }, limits, counters))
}

impl Queue<Kept> {
    fn sent(&self) -> Vec<Bytes> {
        self.courier.messages.lock().expect("a lock").clone()
    }

    /// Taken, no room, refused, given up.
    fn counted(&self) -> [u64; 4] {
        let Counters { taken, no_room, refused, given_up } = &self.counters;
        [taken.as_ref().expect("a counter"), no_room, refused, given_up].map(|counter| counter.get())
    }
}

fn later(after: u64) -> Verdict {
    Verdict::Later { why: "busy".to_owned(), after: Some(Duration::from_secs(after)) }
}

#[test]
fn a_queue_is_full_by_units_or_by_bytes_and_the_oldest_go_first() {
    let limits = Limits { entries: 10, bytes: 100, ..limits(1) };
    let mut waiting = Waiting::default();
    let text = |length| "x".repeat(length);
    assert_eq!(waiting.push(entry(6, &text(50)), &limits), 0);
    assert_eq!(waiting.push(entry(4, &text(50)), &limits), 0);
    assert_eq!(waiting.push(entry(1, &text(1)), &limits), 6, "11 units");
    assert_eq!(waiting.push(entry(2, &text(50)), &limits), 4, "101 bytes");
    assert_eq!(waiting.push(entry(11, &text(1)), &limits), 11, "there is never room for it, and nobody makes any");
    assert_eq!(waiting.push(entry(1, &text(101)), &limits), 1);
    assert_eq!(waiting.units(), 3);
}

#[test]
fn an_entry_is_not_parted() {
    let mut waiting = Waiting::default();
    for text in ["a", "b", "c"] {
        assert_eq!(waiting.push(entry(3, text), &limits(1)), 0);
    }
    let batch = waiting.batch(4);
    assert_eq!((batch.units, batch.entries.concat()), (6, b"ab".to_vec()));
    assert_eq!((waiting.batch(100).units, waiting.units()), (3, 0));
}

#[tokio::test]
async fn a_batch_is_sent_when_it_is_full_and_the_rest_when_the_last_feeder_goes() {
    let queue = queue(limits(2), Vec::new());
    let (feeder, other) = (Feeder::new(Arc::clone(&queue)), Feeder::new(Arc::clone(&queue)));
    for text in ["a", "b", "c"] {
        feeder.push(entry(1, text));
    }
    queue.turn().await;
    assert_eq!(queue.sent(), ["ab"]);
    drop(other);
    let rest = async {
        tokio::task::yield_now().await;
        assert_eq!(queue.sent(), ["ab"], "somebody may still feed");
        drop(feeder);
    };
    tokio::join!(queue.turn(), rest);
    assert_eq!(queue.sent(), ["ab", "c"]);
    assert_eq!(queue.counted(), [3, 0, 0, 0]);
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_for_a_while_and_never_without_a_pause() {
    let patient = Limits { patience: Duration::from_millis(100), first_pause: Duration::from_millis(20), ..limits(1) };
    let begun = Instant::now();
    let queue = queue(patient, vec![later(0)]);
    let feeder = Feeder::new(Arc::clone(&queue));
    feeder.push(entry(1, "a"));
    queue.turn().await;
    assert_eq!((queue.sent(), queue.counted()), (vec!["a".into(), Bytes::from("a")], [1, 0, 0, 0]));
    assert!(begun.elapsed() >= Duration::from_millis(10));
    *queue.courier.verdicts.lock().expect("a lock") = (0..100).map(|_| later(0)).collect();
    feeder.push(entry(2, "b"));
    queue.turn().await;
    assert_eq!(queue.counted(), [1, 0, 0, 2]);
    assert!(queue.sent().len() < 10, "{} messages", queue.sent().len());
}

#[tokio::test]
async fn a_pause_that_is_too_long_or_a_refusal_gives_a_batch_up_at_once() {
    let refused = Verdict::Refused("no".to_owned());
    let partly = Verdict::Taken { rejected: 9, why: "most of it".to_owned() };
    let queue = queue(limits(1), vec![partly, refused, later(u64::MAX)]);
    let feeder = Feeder::new(Arc::clone(&queue));
    for units in [2, 3, 5] {
        feeder.push(entry(units, "a"));
        queue.turn().await;
    }
    assert_eq!((queue.sent().len(), queue.counted()), (3, [0, 0, 3 + 5, 2]));
}

#[tokio::test]
async fn what_waits_is_sent_when_the_process_ends_and_a_pause_is_over_then() {
    let long = Limits { first_pause: Duration::from_secs(40), longest_pause: Duration::from_secs(40), ..limits(1) };
    let queue = queue(long, vec![later(30)]);
    let feeder = Feeder::new(Arc::clone(&queue));
    feeder.push(entry(1, "a"));
    feeder.push(entry(1, "b"));
    let (ticking, begun) = (Arc::clone(&queue), Instant::now());
    let ticks = tokio::spawn(async move { ticking.turn().await });
    while queue.sent().is_empty() {
        tokio::task::yield_now().await;
    }
    queue.finish().await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!((queue.sent(), queue.counted()), (["a", "a", "b"].map(Bytes::from).to_vec(), [2, 0, 0, 0]));
    ticks.await.expect("the work");
}

#[tokio::test]
async fn the_work_ends_with_its_last_feeder_and_begins_again_with_another() {
    let queue = queue(limits(2), Vec::new());
    for (at, text) in ["a", "b"].into_iter().enumerate() {
        let feeder = Feeder::new(Arc::clone(&queue));
        let last = async {
            tokio::task::yield_now().await;
            feeder.push(entry(1, text));
            drop(feeder);
        };
        tokio::join!(queue.tick(), last);
        assert_eq!(queue.sent().len(), at + 1);
    }
}

#[tokio::test]
async fn what_is_left_when_the_queue_goes_is_counted() {
    let queue = queue(limits(1), Vec::new());
    let given_up = queue.counters.given_up.clone();
    Feeder::new(Arc::clone(&queue)).push(entry(7, "a"));
    drop(queue);
    assert_eq!(given_up.get(), 7);
}

#[test]
fn pauses_differ_by_up_to_a_half() {
    let pauses: Vec<f64> = (0..1000).map(|_| jittered(Duration::from_secs(10)).as_secs_f64()).collect();
    assert!(pauses.iter().all(|pause| (5.0..=10.0).contains(pause)), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause < 6.0) && pauses.iter().any(|pause| *pause > 9.0));
}
