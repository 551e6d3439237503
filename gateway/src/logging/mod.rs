//! What the program writes down: the error log, the access log, and the files of plugins that log.

mod access;
mod entry;
mod errors;
mod escape;
mod level;
mod output;
mod sink;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use signet_plugin_api::{LogFile, LogFiles, Meters};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub(crate) use access::AccessLog;
pub(crate) use level::Level;

use self::{errors::ErrorLog, output::Output, sink::Sink};
use crate::settings::{LogFormat, LogTarget, Settings};

/// The logs of the process.
pub(crate) struct Logs {
    meters: Arc<Meters>,
    errors: Arc<ErrorLog>,
    level: Arc<Level>,
    access: Option<Arc<AccessLog>>,
    files: Mutex<HashMap<(PathBuf, bool), Weak<Sink>>>,
}

/// A log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: cannot open {target}: {source}")]
pub(crate) struct NotOpened {
    setting: &'static str,
    target: LogTarget,
    source: io::Error,
}

impl Logs {
    /// Opens what the settings name, and starts the error log for the whole process.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub(crate) fn start(settings: &Settings, meters: Arc<Meters>) -> Result<Arc<Self>, NotOpened> {
        let open = |setting, target: &LogTarget| {
            Output::open(target.clone()).map_err(|source| NotOpened { setting, target: target.clone(), source })
        };
        let output = open("proxy_error_log", &settings.proxy_error_log)?;
        let errors = Arc::new(ErrorLog::new(output, sink::dropped(&meters, "error")));
        let level = start_errors(settings, &errors);
        let access = match &settings.proxy_access_log {
            Some(target) => {
                let output = open("proxy_access_log", target)?;
                let sink = Sink::start("access", output, false, sink::dropped(&meters, "access"));
                Some(Arc::new(AccessLog::new(sink, settings.log_format)))
            }
            None => None,
        };
        Ok(Arc::new(Self { meters, errors, level, access, files: Mutex::default() }))
    }

    /// The access log, unless it is off.
    pub(crate) fn access(&self) -> Option<Arc<AccessLog>> {
        self.access.clone()
    }

    /// How much the error log says.
    pub(crate) fn level(&self) -> &Arc<Level> {
        &self.level
    }

    /// Opens all files again, which somebody has moved away (USR1). One that cannot be opened goes on as it was.
    pub(crate) fn reopen(&self) {
        if let Err(error) = self.errors.reopen() {
            tracing::error!(log = "error", %error, "the log cannot be opened again: the old file is written on");
        }
        self.sinks().iter().for_each(|sink| sink.reopen());
        tracing::info!("the log files were opened again");
    }

    /// Waits until everything is written, at most this long.
    pub(crate) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        self.sinks().iter().for_each(|sink| sink.flush(end));
    }

    fn sinks(&self) -> Vec<Arc<Sink>> {
        let files = self.files.lock();
        let access = self.access.iter().map(|access| Arc::clone(access.sink()));
        access.chain(files.values().filter_map(Weak::upgrade)).collect()
    }
}

impl LogFiles for Logs {
    fn file(&self, path: &Path, reopen: bool) -> Arc<dyn LogFile> {
        let mut files = self.files.lock();
        files.retain(|_, sink| sink.strong_count() > 0);
        let key = (path.to_owned(), reopen);
        if let Some(known) = files.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let output = Output::later(LogTarget::of(path));
        let sink = Sink::start("file", output, reopen, sink::dropped(&self.meters, "file"));
        files.insert(key, Arc::downgrade(&sink));
        sink
    }
}

fn start_errors(settings: &Settings, errors: &Arc<ErrorLog>) -> Arc<Level> {
    let (level, filter) = Level::new(settings.log_level);
    let writer = Arc::clone(errors);
    // What cannot be written is counted; told on standard error it would end the process where that is closed.
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).log_internal_errors(false);
    let lines = match settings.log_format {
        LogFormat::Json => lines.json().with_writer(move || writer.writer()).boxed(),
        LogFormat::Text => lines.with_writer(move || writer.writer()).boxed(),
    };
    // Only where two gateways were started in one process: the first one's log is then both's.
    drop(tracing_subscriber::registry().with(filter).with(lines).try_init());
    std::panic::set_hook(Box::new(|panic| {
        // Only where: the message of a panic may quote what a client sent.
        let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        tracing::error!(place, "panicked");
    }));
    Arc::new(level)
}

#[cfg(test)]
mod tests;
