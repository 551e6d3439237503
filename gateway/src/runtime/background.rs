//! Runs what plugins do besides requests, as long as a configuration holds it.

use std::sync::Weak;

use signet_plugin_api::{Background, Backgrounds};

/// Starts what was asked for since the last time. Must be called on the runtime.
pub fn start(backgrounds: &Backgrounds) {
    for work in backgrounds.take_pending() {
        tokio::spawn(repeat(work));
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
