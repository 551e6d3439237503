//! Notices to systemd (sd_notify(3)); nothing where `NOTIFY_SOCKET` is not set.

use sd_notify::NotifyState;
use tracing::warn;

/// The process serves; after a reload, too.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being loaded again. With the time, for units of `Type=notify-reload`.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The process drains.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process is the service now. Only the one that systemd knows may say so.
pub(super) fn taken_over_by(process: u32) {
    tell(&[NotifyState::MainPid(process)]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "systemd cannot be told");
    }
}
