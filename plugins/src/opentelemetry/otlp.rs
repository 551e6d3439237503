//! The messages of OTLP's traces that we write and read (opentelemetry-proto 1), and how a batch of them is put together.
//!
//! Spans wait as the bytes that they are sent as: what they take is known, and nothing is copied twice.

use bytes::Bytes;
use prost::{
    Message,
    encoding::{self, WireType},
};

/// `opentelemetry.proto.trace.v1.Span`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(int32, tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(super) flags: u32,
}

/// `SpanKind`
pub(super) mod kind {
    pub(in super::super) const INTERNAL: i32 = 1;
    pub(in super::super) const SERVER: i32 = 2;
    pub(in super::super) const CLIENT: i32 = 3;
}

/// `Status`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(int32, tag = "3")]
    pub(super) code: i32,
}

/// `STATUS_CODE_ERROR`
pub(super) const ERROR: i32 = 2;

/// `opentelemetry.proto.common.v1.KeyValue`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// `AnyValue`
#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    value: Option<Value>,
}

/// The kinds of value that we write.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// `opentelemetry.proto.resource.v1.Resource`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
}

/// `InstrumentationScope`
#[derive(Clone, PartialEq, Message)]
struct InstrumentationScope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

/// `ExportTraceServiceResponse`
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess`
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// Spans as they are sent.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    /// How many.
    pub(super) spans: usize,
    /// Each with its tag and its length.
    pub(super) bytes: Vec<u8>,
}

/// What is the same in all batches of one resource.
#[derive(Debug)]
pub(super) struct Frame {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl KeyValue {
    pub(super) fn text(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::of(key.into(), Value::Text(value.into()))
    }

    pub(super) fn number(key: &str, value: impl TryInto<i64>) -> Self {
        Self::of(key.to_owned(), Value::Number(value.try_into().unwrap_or(i64::MAX)))
    }

    fn of(key: String, value: Value) -> Self {
        Self { key, value: Some(AnyValue { value: Some(value) }) }
    }
}

impl Encoded {
    /// One more.
    pub(super) fn push(&mut self, span: &Span) {
        self.spans += 1;
        // `ScopeSpans.spans`
        encoding::message::encode(2, span, &mut self.bytes);
    }
}

impl Frame {
    /// Of the spans of this resource.
    pub(super) fn new(resource: &Resource) -> Self {
        let scope = InstrumentationScope { name: "signet".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let mut frame = Self { resource: Vec::new(), scope: Vec::new() };
        // `ResourceSpans.resource` and `ScopeSpans.scope`
        encoding::message::encode(1, resource, &mut frame.resource);
        encoding::message::encode(1, &scope, &mut frame.scope);
        frame
    }

    /// An `ExportTraceServiceRequest` with one `ResourceSpans` with one `ScopeSpans`.
    pub(super) fn request(&self, batch: &[Bytes]) -> Vec<u8> {
        let spans: usize = batch.iter().map(Bytes::len).sum();
        let scope_spans = self.scope.len() + spans;
        let resource_spans = self.resource.len() + 1 + encoding::encoded_len_varint(scope_spans as u64) + scope_spans;
        let mut request = Vec::with_capacity(resource_spans + 16);
        encoding::encode_key(1, WireType::LengthDelimited, &mut request);
        encoding::encode_varint(resource_spans as u64, &mut request);
        request.extend_from_slice(&self.resource);
        encoding::encode_key(2, WireType::LengthDelimited, &mut request);
        encoding::encode_varint(scope_spans as u64, &mut request);
        request.extend_from_slice(&self.scope);
        batch.iter().for_each(|part| request.extend_from_slice(part));
        request
    }
}
