//! Connections, requests in flight, and the threads that serve them.

use std::sync::atomic::Ordering::Relaxed;

use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};
use tokio::runtime::Handle;

use super::{
    Served,
    family::{Series, counted, counters, describe, float, gauged, gauges},
};

const CONNECTIONS: Series = ("connections", "Connections of clients that are open, with a request or without.");
const ACCEPTED: Series = ("connections_accepted_total", "Connections of clients that were accepted.");
const IN_FLIGHT: Series = ("requests_in_flight", "Requests whose head is here and whose response has not ended.");
const BUSY: Series = ("worker_busy_seconds_total", "Time in which a thread that serves requests was not waiting.");
const TASKS: Series = ("tasks", "Tasks that are alive: connections, upstream connections, work besides requests.");
const WAITING: Series = ("tasks_waiting", "Tasks that wait for a thread, besides those in the threads' own queues.");

/// What is going on, read when it is scraped.
pub(super) struct Serving {
    served: Served,
    descriptions: Vec<Desc>,
}

impl Serving {
    /// Of this process.
    ///
    /// # Errors
    /// When a name is none.
    pub(super) fn new(served: Served) -> prometheus::Result<Self> {
        let plain = [ACCEPTED, IN_FLIGHT, TASKS, WAITING].into_iter().map(|one| describe(one, &[]));
        let labelled = [describe(CONNECTIONS, &["state"]), describe(BUSY, &["worker"])];
        Ok(Self { served, descriptions: plain.chain(labelled).collect::<prometheus::Result<_>>()? })
    }
}

impl Collector for Serving {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Served { connections, in_flight } = &self.served;
        let mut families = vec![
            gauges(CONNECTIONS, vec![gauged(float(connections.open()), &[("state", "open")])]),
            counters(ACCEPTED, vec![counted(float(connections.accepted()), &[])]),
            gauges(IN_FLIGHT, vec![gauged(float(in_flight.load(Relaxed) as u64), &[])]),
        ];
        if let Ok(runtime) = Handle::try_current() {
            families.extend(threads(&runtime));
        }
        families
    }
}

fn threads(runtime: &Handle) -> [MetricFamily; 3] {
    let runtime = runtime.metrics();
    let busy = (0..runtime.num_workers()).map(|worker| -> Metric {
        counted(runtime.worker_total_busy_duration(worker).as_secs_f64(), &[("worker", &worker.to_string())])
    });
    [
        counters(BUSY, busy.collect()),
        gauges(TASKS, vec![gauged(float(runtime.num_alive_tasks() as u64), &[])]),
        gauges(WAITING, vec![gauged(float(runtime.global_queue_depth() as u64), &[])]),
    ]
}
