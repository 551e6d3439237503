//! Waiting for what comes in its own time.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::DEADLINE;

/// Tries until it succeeds; until then each attempt gives the reason why not yet. Panics with the last one after [`DEADLINE`].
pub fn poll<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(reason) => assert!(Instant::now() < end, "not within {DEADLINE:?}: {reason}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The same for what is so or not.
pub fn wait_until(mut is_so: impl FnMut() -> bool, reason: impl Fn() -> String) {
    poll(|| if is_so() { Ok(()) } else { Err(reason()) });
}
