//! The error log: what the program has to say, where the settings want it.

use std::{fs::OpenOptions, io, sync::Mutex};

use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan, util::SubscriberInitExt};

use crate::settings::{LogFormat, LogTarget, Settings};

/// Starts logging for the whole process.
///
/// # Errors
/// When the log file cannot be opened.
pub(super) fn start(settings: &Settings) -> io::Result<()> {
    // Below warnings, Pingora's lines show raw requests, and with them credentials; h2 has one for each frame.
    let filter =
        EnvFilter::new(format!("{},pingora_core=warn,pingora_proxy=warn,h2=warn", settings.log_level.as_tracing()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE).with_ansi(false);
    let json = settings.log_format == LogFormat::Json;
    let result = match &settings.proxy_error_log {
        LogTarget::File(path) => {
            let file = Mutex::new(OpenOptions::new().create(true).append(true).open(path)?);
            if json {
                builder.json().with_writer(file).finish().try_init()
            } else {
                builder.with_writer(file).finish().try_init()
            }
        }
        LogTarget::Stdout if json => builder.json().finish().try_init(),
        LogTarget::Stdout => builder.finish().try_init(),
        _ if json => builder.json().with_writer(io::stderr).finish().try_init(),
        _ => builder.with_writer(io::stderr).finish().try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        // Only where: the message of a panic may quote what a client sent.
        let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        tracing::error!(place, "panicked");
    }));
    result.map_err(io::Error::other)
}
