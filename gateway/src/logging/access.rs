//! The access log: one line for each request.

use std::{net::IpAddr, sync::Arc};

use signet_plugin_api::{Context, LogFile, Record};

use super::{entry::Entry, escape::Line, sink::Sink};
use crate::settings::LogFormat;

/// Writes requests down in the form that the settings name.
pub(crate) struct AccessLog {
    sink: Arc<Sink>,
    format: LogFormat,
}

impl AccessLog {
    /// Into this sink.
    pub(super) fn new(sink: Arc<Sink>, format: LogFormat) -> Self {
        Self { sink, format }
    }

    /// Where it goes.
    pub(super) fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    /// Writes a request down. `peer` is the other end of the connection, for a request that was refused before anybody
    /// asked who sent it.
    pub(crate) fn write(&self, cx: &Context, record: &Record<'_>, peer: Option<IpAddr>) {
        let entry = Entry::of(cx, record, peer);
        let mut line = Line::new();
        match self.format {
            LogFormat::Text => entry.text(&mut line),
            LogFormat::Json => entry.json(&mut line),
        }
        line.push(b'\n');
        self.sink.append(&line);
    }
}
