//! Sends spans to one endpoint: a bounded queue that no request waits for, and one task that empties it in batches.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use signet_plugin_api::{Background, CounterMeter, Meters};
use tokio::{
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    time::{Instant, sleep, timeout_at},
};
use tracing::{info, warn};

use super::{
    config::Queue,
    delivery::{Delivery, Verdict},
    ids::SpanId,
    otlp::{Encoded, Frame},
};

/// How long a batch is sent again when its configuration is gone or the process ends.
const LAST_TRIES: Duration = Duration::from_secs(5);

/// Where requests leave their spans. When the last configuration that has it is gone, what waits is still sent.
pub(super) struct Exporter {
    sender: UnboundedSender<Left>,
    room: Arc<Room>,
    meters: ExportMeters,
    /// Until the configuration is published.
    worker: Mutex<Option<Worker>>,
}

/// What is left for the task.
enum Left {
    Spans(Encoded),
    /// Somebody waits until all before this is sent.
    Mark(oneshot::Sender<()>),
}

/// What may wait.
struct Room {
    is_ending: AtomicBool,
    spans: AtomicUsize,
    bytes: AtomicUsize,
    max_spans: usize,
    max_bytes: usize,
}

/// What became of spans, on `/metrics`.
#[derive(Clone)]
pub(super) struct ExportMeters {
    exported: CounterMeter,
    /// The queue had no room.
    no_room: CounterMeter,
    /// The endpoint did not want them.
    refused: CounterMeter,
    /// It was not there for too long.
    given_up: CounterMeter,
}

/// The task.
struct Worker {
    receiver: UnboundedReceiver<Left>,
    room: Arc<Room>,
    queue: Queue,
    frame: Frame,
    delivery: Delivery,
    meters: ExportMeters,
    /// The last batch was not taken: it was said once.
    is_failing: bool,
}

impl Exporter {
    /// Nothing is sent before it is published.
    pub(super) fn new(queue: Queue, frame: Frame, delivery: Delivery, meters: ExportMeters) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let room = Arc::new(Room {
            is_ending: AtomicBool::new(false),
            spans: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_spans: queue.max_entries,
            max_bytes: queue.max_bytes.unwrap_or(usize::MAX),
        });
        let worker = Worker {
            receiver,
            room: Arc::clone(&room),
            queue,
            frame,
            delivery,
            meters: meters.clone(),
            is_failing: false,
        };
        Self { sender, room, meters, worker: Mutex::new(Some(worker)) }
    }

    /// Takes the spans of a request, or drops and counts them: nobody waits.
    pub(super) fn offer(&self, spans: Encoded) {
        if !self.room.take(&spans) {
            self.meters.no_room.inc_by(spans.spans as u64);
        } else {
            // The task ends after this.
            let _ = self.sender.send(Left::Spans(spans));
        }
    }
}

/// The task is not the engine's, which would end it together with the configuration.
#[async_trait]
impl Background for Exporter {
    async fn tick(&self) -> Duration {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            tokio::spawn(worker.run());
        }
        Duration::from_secs(60)
    }

    async fn finish(&self) {
        self.room.is_ending.store(true, Relaxed);
        let (mark, sent) = oneshot::channel();
        let _ = self.sender.send(Left::Mark(mark));
        let _ = sent.await;
    }
}

impl Room {
    fn take(&self, spans: &Encoded) -> bool {
        let fits = self.spans.fetch_add(spans.spans, Relaxed) + spans.spans <= self.max_spans;
        let fits = (self.bytes.fetch_add(spans.bytes.len(), Relaxed) + spans.bytes.len() <= self.max_bytes) && fits;
        if !fits {
            self.leave(spans);
        }
        fits
    }

    fn leave(&self, spans: &Encoded) {
        self.spans.fetch_sub(spans.spans, Relaxed);
        self.bytes.fetch_sub(spans.bytes.len(), Relaxed);
    }
}

impl ExportMeters {
    /// The series, which live as long as an exporter.
    ///
    /// # Errors
    /// When a name is not one (a mistake of ours).
    pub(super) fn new(meters: &Meters) -> prometheus::Result<Self> {
        let dropped =
            |reason| meters.counter("otlp_dropped_spans_total", "Spans that no collector has.", &[("reason", reason)]);
        Ok(Self {
            exported: meters.counter("otlp_exported_spans_total", "Spans that a collector has taken.", &[])?,
            no_room: dropped("queue_full")?,
            refused: dropped("refused")?,
            given_up: dropped("unreachable")?,
        })
    }
}

impl Worker {
    /// Until nobody can leave anything any more, and nothing is left.
    async fn run(mut self) {
        while let Some(left) = self.receiver.recv().await {
            let (batch, mark) = match left {
                Left::Spans(first) => self.gather(first).await,
                Left::Mark(mark) => (Vec::new(), Some(mark)),
            };
            if !batch.is_empty() {
                self.deliver(&batch).await;
            }
            if let Some(mark) = mark {
                let _ = mark.send(());
            }
        }
    }

    /// The spans of a request stay together, so that a batch may be greater by those of one.
    async fn gather(&mut self, first: Encoded) -> (Vec<Encoded>, Option<oneshot::Sender<()>>) {
        let end = Instant::now() + Duration::from_secs_f64(self.queue.max_coalescing_delay);
        self.room.leave(&first);
        let mut count = first.spans;
        let mut batch = vec![first];
        while count < self.queue.max_batch_size {
            match timeout_at(end, self.receiver.recv()).await {
                Ok(Some(Left::Spans(next))) => {
                    self.room.leave(&next);
                    count += next.spans;
                    batch.push(next);
                }
                Ok(Some(Left::Mark(mark))) => return (batch, Some(mark)),
                Ok(None) | Err(_) => break,
            }
        }
        (batch, None)
    }

    async fn deliver(&mut self, batch: &[Encoded]) {
        let spans = batch.iter().map(|part| part.spans as u64).sum::<u64>();
        let request = Bytes::from(self.frame.request(batch));
        let begun = Instant::now();
        let mut pause = Duration::from_secs_f64(self.queue.initial_retry_delay);
        loop {
            let (why, after) = match self.delivery.send(request.clone()).await {
                Verdict::Taken { rejected, why } => return self.taken(spans, rejected.min(spans), &why),
                Verdict::Refused(why) => {
                    self.meters.refused.inc_by(spans);
                    self.is_failing = true;
                    return warn!(endpoint = %self.delivery, spans, why, "spans were refused, and are dropped");
                }
                Verdict::Later { why, after } => (why, after),
            };
            // However short, or long, the pause is that the collector asks for.
            let wait = jittered(pause).max(after.unwrap_or_default());
            if begun.elapsed().saturating_add(wait) > self.patience() {
                self.meters.given_up.inc_by(spans);
                return warn!(endpoint = %self.delivery, spans, why, "spans could not be sent, and are dropped");
            }
            if !std::mem::replace(&mut self.is_failing, true) {
                warn!(endpoint = %self.delivery, why, "spans cannot be sent now: trying again");
            }
            sleep(wait).await;
            pause = (pause * 2).min(Duration::from_secs_f64(self.queue.max_retry_delay));
        }
    }

    fn taken(&mut self, spans: u64, rejected: u64, why: &str) {
        self.meters.exported.inc_by(spans - rejected);
        self.meters.refused.inc_by(rejected);
        if rejected > 0 || !why.is_empty() {
            warn!(endpoint = %self.delivery, rejected, why, "the collector did not take all spans as they are");
        }
        if std::mem::take(&mut self.is_failing) {
            info!(endpoint = %self.delivery, "spans are sent again");
        }
    }

    fn patience(&self) -> Duration {
        let usual = Duration::from_secs_f64(self.queue.max_retry_time.max(0.0));
        if self.room.is_ending.load(Relaxed) || self.receiver.is_closed() { usual.min(LAST_TRIES) } else { usual }
    }
}

/// From half of it to all of it: gateways that fail together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(SpanId::random().number() >> 33).unwrap_or(0);
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(max_spans: usize, max_bytes: usize) -> Room {
        Room { is_ending: false.into(), spans: 0.into(), bytes: 0.into(), max_spans, max_bytes }
    }

    fn encoded(spans: usize, bytes: usize) -> Encoded {
        Encoded { spans, bytes: vec![0; bytes] }
    }

    #[test]
    fn a_queue_is_full_by_spans_or_by_bytes_and_has_room_again_when_some_leave() {
        let room = room(10, 100);
        assert!(room.take(&encoded(6, 50)));
        assert!(!room.take(&encoded(5, 10)), "11 spans");
        assert!(!room.take(&encoded(1, 51)), "101 bytes");
        assert!(room.take(&encoded(4, 50)));
        room.leave(&encoded(6, 50));
        assert!(room.take(&encoded(6, 50)));
    }

    #[test]
    fn pauses_differ_by_up_to_a_half() {
        let pauses: Vec<Duration> = (0..1000).map(|_| jittered(Duration::from_secs(10))).collect();
        assert!(pauses.iter().all(|pause| (5.0..=10.0).contains(&pause.as_secs_f64())), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause.as_secs_f64() < 6.0) && pauses.iter().any(|p| p.as_secs_f64() > 9.0));
    }
}
