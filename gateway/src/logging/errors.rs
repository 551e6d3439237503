//! The error log: each line is written at once, so that a crash loses none.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parking_lot::Mutex;
use signet_plugin_api::CounterMeter;

use super::output::Output;

/// Where the lines of `tracing` go.
pub(super) struct ErrorLog {
    output: Mutex<Output>,
    dropped: Option<CounterMeter>,
}

/// Writes one line.
pub(super) struct Writer(Arc<ErrorLog>);

impl ErrorLog {
    /// To this output.
    pub(super) fn new(output: Output, dropped: Option<CounterMeter>) -> Self {
        Self { output: Mutex::new(output), dropped }
    }

    /// Opens it again.
    pub(super) fn reopen(&self) -> io::Result<()> {
        self.output.lock().reopen()
    }

    /// For one line.
    pub(super) fn writer(self: &Arc<Self>) -> Writer {
        Writer(Arc::clone(self))
    }
}

impl Write for Writer {
    /// A full disk is no reason to do anything else than to count.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let (Err(unwritten), Some(dropped)) = (self.0.output.lock().write(line), self.0.dropped.as_deref()) {
            dropped.inc_by(unwritten.lines);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
