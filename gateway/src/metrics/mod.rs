//! Every series of the program, in a registry of its own.

mod certificates;
mod configuration;
mod family;
mod process;
mod queues;
mod routes;
mod serving;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use prometheus::{Encoder, IntGaugeVec, Opts, Registry, TextEncoder};
use signet_plugin_api::Meters;
use tokio::sync::Mutex;

use self::{
    certificates::Certificates,
    configuration::Configuration,
    process::Process,
    queues::{HASHING, Queue, SIGNING},
    serving::Serving,
};
use crate::{
    proxy::Connections,
    runtime::{Counters, Current, WorkThreads},
};

/// The registries, and the parts of the process that they read when it is scraped.
pub(crate) struct Metrics {
    /// What is ours alone: `signet_*`.
    own: Registry,
    /// What every program has: `process_*`.
    common: Registry,
    plugins: Arc<Meters>,
    current: Arc<Current>,
    /// How long the last page was, so that the next one is written without growing.
    length: AtomicUsize,
    turn: Mutex<()>,
}

/// What is counted where connections and requests are served.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    /// Of clients.
    pub connections: Arc<Connections>,
    /// Requests that are being served.
    pub in_flight: Arc<AtomicUsize>,
}

impl Metrics {
    /// Registers every series.
    ///
    /// # Errors
    /// When two series have one name: a mistake of the build.
    pub(crate) fn new(
        current: Arc<Current>,
        loads: Arc<Counters>,
        served: Served,
        [signing, hashing]: [Arc<WorkThreads>; 2],
        plugins: Arc<Meters>,
    ) -> prometheus::Result<Self> {
        let own = Registry::new_custom(Some("signet".into()), None)?;
        let common = Registry::new();
        let build = IntGaugeVec::new(Opts::new("build_info", "The version of the program; always 1."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        own.register(Box::new(build))?;
        own.register(Box::new(Configuration::new(Arc::clone(&current), loads)?))?;
        own.register(Box::new(Certificates::new(Arc::clone(&current))?))?;
        own.register(Box::new(Serving::new(served)?))?;
        for (pool, series) in [(signing, &SIGNING), (hashing, &HASHING)] {
            own.register(Box::new(Queue::new(pool, series)?))?;
        }
        common.register(Box::new(Process::new()?))?;
        Ok(Self { own, common, plugins, current, length: AtomicUsize::new(0), turn: Mutex::const_new(()) })
    }

    /// The text that Prometheus scrapes. With many routes it takes a while: one at a time, and not on a thread that serves
    /// requests.
    ///
    /// # Errors
    /// When a series cannot be written as text.
    pub(crate) async fn page(self: &Arc<Self>) -> prometheus::Result<Vec<u8>> {
        let _turn = self.turn.lock().await;
        let metrics = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || metrics.render()).await;
        written.unwrap_or_else(|gone| Err(prometheus::Error::Msg(gone.to_string())))
    }

    fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut families = self.own.gather();
        families.extend(self.plugins.gather());
        families.extend(self.common.gather());
        let mut page = Vec::with_capacity(self.length.load(Relaxed));
        TextEncoder::new().encode(&families, &mut page)?;
        routes::write(&self.current.pin(), &mut page);
        self.length.store(page.len() + page.len() / 8, Relaxed);
        Ok(page)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
