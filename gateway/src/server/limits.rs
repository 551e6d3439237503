//! How many files and sockets the process may open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// What a gateway needs at the very least: a client connection and one upstream for each of two thousand (Kong warns below it, too).
const ENOUGH: u64 = 4096;

/// Raises the soft limit to the hard one; too low a limit is a warning. Go, nginx and Java do so, too: soft limits are
/// low for programs that use select(2).
pub(crate) fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            warn!(%error, soft, hard, "the limit of open files cannot be raised");
            soft
        }
    };
    if limit < ENOUGH {
        warn!(limit, "few files may be open (ulimit -n): each request needs two; allow at least {ENOUGH}");
    }
}
