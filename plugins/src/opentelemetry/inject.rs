//! What the upstream is told of the trace, in each of the formats that Kong writes.

use http::{HeaderName, HeaderValue};
use signet_plugin_api::{PluginError, RequestHeader};
use smallvec::SmallVec;

use super::{
    ids::{SpanId, TraceId},
    propagation::Format,
};

/// The span of one attempt, as it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing {
    /// The trace.
    pub(super) trace: TraceId,
    /// How many bytes the id of the caller's trace has: it is told in as many where that may be.
    pub(super) bytes: Option<usize>,
    /// The span of the attempt.
    pub(super) span: SpanId,
    /// The span of the request.
    pub(super) parent: SpanId,
    /// Whether they are recorded.
    pub(super) sampled: bool,
    /// The caller asked everybody to record them (B3).
    pub(super) debug: bool,
}

/// Text that is being put together; it fits without memory of its own.
type Text = SmallVec<[u8; 96]>;

/// Sets the headers of one format in place of the caller's.
///
/// # Errors
/// When there are too many headers.
pub(super) fn inject(format: Format, head: &mut RequestHeader, out: &Outgoing) -> Result<(), PluginError> {
    let mut set = |name: &'static str, value: Text| set(head, name, &value);
    let flag = if out.sampled { "1" } else { "0" };
    let flags = if out.sampled { "01" } else { "00" };
    match format {
        Format::W3c => set("traceparent", text(&[&"00-", &long(out), &"-", &out.span, &"-", &flags])),
        Format::B3 => {
            set("x-b3-traceid", text(&[&sized(out)]))?;
            set("x-b3-spanid", text(&[&out.span]))?;
            set("x-b3-parentspanid", text(&[&out.parent]))?;
            if out.debug { set("x-b3-flags", text(&[&"1"])) } else { set("x-b3-sampled", text(&[&flag])) }
        }
        Format::B3Single => {
            let flag = if out.debug { "d" } else { flag };
            set("b3", text(&[&sized(out), &"-", &out.span, &"-", &flag, &"-", &out.parent]))
        }
        Format::Jaeger => set("uber-trace-id", text(&[&sized(out), &":", &out.span, &":", &out.parent, &":", &flags])),
        Format::Ot => {
            set("ot-tracer-traceid", text(&[&Hex(out.trace, out.bytes.unwrap_or(8))]))?;
            set("ot-tracer-spanid", text(&[&out.span]))?;
            set("ot-tracer-sampled", text(&[&flag]))
        }
        Format::Datadog => {
            set("x-datadog-trace-id", text(&[&out.trace.number()]))?;
            set("x-datadog-parent-id", text(&[&out.span.number()]))?;
            set("x-datadog-sampling-priority", text(&[&flag]))
        }
        Format::Aws => {
            let mut digits = text(&[&"Root=1-", &long(out), &";Parent=", &out.span, &";Sampled=", &flag]);
            // After the seconds of the time.
            digits.insert("Root=1-".len() + 8, b'-');
            set("x-amzn-trace-id", digits)
        }
        Format::Gcp => set("x-cloud-trace-context", text(&[&long(out), &"/", &out.span.number(), &";o=", &flag])),
        Format::Instana => {
            set("x-instana-t", text(&[&sized(out)]))?;
            set("x-instana-s", text(&[&out.span]))?;
            set("x-instana-l", text(&[&flag]))
        }
    }
}

fn set(head: &mut RequestHeader, name: &'static str, value: &[u8]) -> Result<(), PluginError> {
    let value = HeaderValue::from_bytes(value).map_err(|error| PluginError::with_source("a trace header", error))?;
    head.insert_header(HeaderName::from_static(name), value)
        .map_err(|error| PluginError::with_source("a trace header", error))
}

/// Something to write.
trait Piece {
    fn write(&self, to: &mut Text);
}

impl Piece for &str {
    fn write(&self, to: &mut Text) {
        to.extend_from_slice(self.as_bytes());
    }
}

impl Piece for u64 {
    fn write(&self, to: &mut Text) {
        to.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
    }
}

impl Piece for SpanId {
    fn write(&self, to: &mut Text) {
        self.write_hex(8, to);
    }
}

/// The last bytes of a trace's id.
struct Hex(TraceId, usize);

impl Piece for Hex {
    fn write(&self, to: &mut Text) {
        self.0.write_hex(self.1, to);
    }
}

fn long(out: &Outgoing) -> Hex {
    Hex(out.trace, 16)
}

fn sized(out: &Outgoing) -> Hex {
    Hex(out.trace, out.bytes.unwrap_or(16))
}

fn text(pieces: &[&dyn Piece]) -> Text {
    let mut text = Text::new();
    for piece in pieces {
        piece.write(&mut text);
    }
    text
}
