//! The trace of one request, from its arrival to its end.

use http::HeaderMap;
use signet_plugin_api::{PluginError, RequestHeader};
use smallvec::SmallVec;

use super::{
    extract::{Caller, extract},
    ids::{SpanId, TraceId},
    inject::{Outgoing, inject},
    propagation::{Format, Headers},
    sampling::Sampler,
    tracestate,
};

/// What is decided when a request arrives; what is told goes by it.
#[derive(Debug)]
pub(super) struct Trace {
    /// The caller's, or a new one.
    pub(super) id: TraceId,
    /// The span of the request.
    pub(super) server: SpanId,
    /// What the caller said.
    pub(super) caller: Caller,
    /// How it said that.
    pub(super) format: Option<Format>,
    /// Whether the spans are exported.
    pub(super) sampled: bool,
    /// The spans of the attempts that were sent, in their order.
    pub(super) attempts: SmallVec<[SpanId; 1]>,
}

impl Trace {
    /// Goes on with the caller's trace, in the first format in which there is one, or begins another.
    pub(super) fn begin(headers: &HeaderMap, rules: &Headers, sampler: &Sampler) -> Self {
        let found = rules.extract.iter().find_map(|format| extract(*format, headers));
        let (format, caller) = found.map_or((None, Caller::default()), |(format, caller)| (Some(format), caller));
        let id = caller.trace.unwrap_or_else(TraceId::random);
        Self {
            sampled: sampler.decide(&id, &caller),
            id,
            server: SpanId::random(),
            caller,
            format,
            attempts: SmallVec::new(),
        }
    }

    /// Tells the upstream of one more attempt.
    ///
    /// # Errors
    /// When there are too many headers.
    pub(super) fn tell(&mut self, head: &mut RequestHeader, rules: &Headers) -> Result<(), PluginError> {
        for name in &rules.clear {
            head.remove_header(name);
        }
        let span = SpanId::random();
        self.attempts.push(span);
        let out = Outgoing {
            trace: self.id,
            bytes: self.caller.trace.map(|_| if self.caller.is_short { 8 } else { 16 }),
            span,
            parent: self.server,
            sampled: self.sampled,
            debug: self.caller.debug && self.sampled,
        };
        for injected in &rules.inject {
            let format = injected.format().or(self.format).unwrap_or(rules.default_format);
            if format == Format::W3c {
                tracestate::pass_on(head, self.format == Some(Format::W3c))?;
            }
            inject(format, head, &out)?;
        }
        Ok(())
    }
}
