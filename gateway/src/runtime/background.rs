//! Runs what plugins do besides requests, as long as a configuration holds it.

use std::{sync::Weak, time::Duration};

use futures_util::future::join_all;
use signet_plugin_api::{Background, Backgrounds};

/// Starts what was asked for since the last time. Must be called on the runtime.
pub fn start(backgrounds: &Backgrounds) {
    for work in backgrounds.take_pending() {
        tokio::spawn(repeat(work));
    }
}

/// Lets what was started do what must not be lost, for at most so long. Must be called on the runtime.
pub async fn finish(backgrounds: &Backgrounds, limit: Duration) {
    let last = backgrounds.started().into_iter().map(|work| async move { work.finish().await });
    if tokio::time::timeout(limit, join_all(last)).await.is_err() {
        tracing::warn!("the last work of plugins was not waited for any longer");
    }
}

/// Nothing is held over a pause: the work ends with the last configuration that names it.
async fn repeat(work: Weak<dyn Background>) {
    while let Some(alive) = work.upgrade() {
        let pause = alive.tick().await;
        drop(alive);
        tokio::time::sleep(pause).await;
    }
}
