//! What operators see of this process, and may change in it.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::{SystemTime, UNIX_EPOCH},
};

use signet_plugin_api::Registry;
use tokio::{
    sync::{Mutex, Semaphore},
    task::spawn_blocking,
};

use super::{config, explain, inventory::Inventory};
use crate::{
    config::{Known, as_written},
    logging::Level,
    metrics::Metrics,
    proxy::Policy,
    reload::Reloader,
    runtime::Current,
    server::Leaving,
    settings::Settings,
};

/// One for all listeners of operators.
#[derive(Debug)]
pub(crate) struct Node {
    /// What is served.
    pub current: Arc<Current>,
    /// What loads it.
    pub reloader: Arc<Reloader>,
    /// What the settings say about every request.
    pub policy: Policy,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Requests that are being served.
    pub in_flight: Arc<AtomicUsize>,
    /// When the process began to serve.
    pub since: SystemTime,
    /// Whether the process is about to end.
    pub leaving: Arc<Leaving>,
    /// How much the error log says.
    pub log_level: Arc<Level>,
    /// The plugins that there are.
    pub registry: Arc<Registry>,
    /// How the process was set up.
    pub settings: Arc<Settings>,
    /// Turns at what takes memory or time.
    pub turns: Turns,
    /// The entities of what serves, once somebody has asked for them, with the number of the configuration.
    pub entities: Mutex<Option<(u64, Arc<Inventory>)>>,
}

/// How many may do something at a time.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Post a configuration.
    pub posting: Semaphore,
    /// Have a request explained.
    pub explaining: Semaphore,
}

/// None taken.
impl Default for Turns {
    fn default() -> Self {
        Self { posting: Semaphore::new(config::AT_ONCE), explaining: Semaphore::new(explain::AT_ONCE) }
    }
}

impl Node {
    /// The entities of what serves. They are made once for each configuration, when somebody asks, on a thread that serves no
    /// requests. None only when that thread is broken.
    pub(crate) async fn inventory(&self) -> Option<Arc<Inventory>> {
        let mut kept = self.entities.lock().await;
        let served = self.reloader.served();
        let generation = served.as_ref().map_or(0, |served| served.generation);
        if let Some((_, inventory)) = kept.as_ref().filter(|(known, _)| *known == generation) {
            return Some(Arc::clone(inventory));
        }
        // The one before is of no use to anybody.
        *kept = None;
        let (registry, loaded) = (Arc::clone(&self.registry), self.reloader.status().success.at);
        let loaded = loaded.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let make = move || {
            let model = served.map(|served| as_written(&served.text, &Known::of(&registry))).unwrap_or_default();
            Inventory::of(model, &registry, loaded)
        };
        let inventory = Arc::new(spawn_blocking(make).await.ok()?);
        *kept = Some((generation, Arc::clone(&inventory)));
        Some(inventory)
    }
}
