//! `opentelemetry`: takes part in distributed traces, and exports the spans of requests over OTLP.

mod config;
mod delivery;
mod extract;
mod ids;
mod inject;
mod otlp;
mod propagation;
mod sampling;
mod spans;
#[cfg(test)]
mod tests;
mod trace;
mod tracestate;

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use signet_plugin_api::{
    ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Record, Rehearsal, Request, RequestHeader,
    ResponseHeader, Scope,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use self::{
    config::{AT_DEFAULT, Config, Endpoint},
    delivery::Delivery,
    otlp::{Encoded, Frame, KeyValue, Resource},
    propagation::Headers,
    sampling::Sampler,
    trace::Trace,
};
use crate::shared::{
    queue::{Entry, Feeder, Limits, Queue},
    secret::fingerprint,
};

const NAME: &str = "opentelemetry";

/// The compiled plugin.
pub(crate) struct Opentelemetry {
    headers: Headers,
    sampler: Sampler,
    response_header: Option<HeaderName>,
    feeder: Feeder<Delivery>,
    /// What names this process, as long as some configuration has it.
    _instance: Arc<Instance>,
}

/// `service.instance.id`
struct Instance(String);

impl Plugin for Opentelemetry {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 14;
    const PHASES: &'static [Phase] = &[Phase::Request, Phase::UpstreamRequest, Phase::Response, Phase::Log];
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = AT_DEFAULT;
    const TIMED: bool = true;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let (endpoint, limits) = (config.endpoint()?, config.limits()?);
        let instance = scope.shared("instance", || Instance(Uuid::new_v4().to_string()));
        let resource = resource(config.resource_attributes()?, &instance.0);
        let counters = delivery::counters(scope.meters()).map_err(|error| ConfigError::new("", error.to_string()))?;
        let key = key(&endpoint, &limits, &resource);
        let delivery = || Delivery::new(endpoint, Frame::new(&resource), scope.names());
        let queue = scope.background(&key, || Queue::new(delivery(), limits, counters));
        Ok(Self {
            headers: config.propagation()?,
            sampler: config.sampler(scope)?,
            response_header: config.response_header()?,
            feeder: Feeder::new(queue),
            _instance: instance,
        })
    }
}

#[async_trait]
impl Handler for Opentelemetry {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        cx.insert(Trace::begin(&request.head().headers, &self.headers, &self.sampler));
        Ok(Flow::Continue)
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        let rehearsal: Rehearsal = self.on_request(request, cx).await?.into();
        let is_recorded = cx.get::<Trace>().is_some_and(|trace| trace.sampled);
        Ok(rehearsal.showing("sampled", is_recorded.to_string()))
    }

    async fn on_upstream_request(&self, head: &mut RequestHeader, cx: &mut Context) -> Result<(), PluginError> {
        match cx.get_mut::<Trace>() {
            Some(trace) => trace.tell(head, &self.headers),
            None => Ok(()),
        }
    }

    async fn on_response(&self, head: &mut ResponseHeader, cx: &mut Context) -> Result<(), PluginError> {
        let Some((name, trace)) = self.response_header.as_ref().zip(cx.get::<Trace>()) else { return Ok(()) };
        let mut id = Vec::with_capacity(32);
        trace.id.write_hex(16, &mut id);
        let id = HeaderValue::from_maybe_shared(Bytes::from(id));
        let id = id.map_err(|error| PluginError::with_source("the id of a trace", error))?;
        let added = head.append_header(name, id);
        added.map(drop).map_err(|error| PluginError::with_source("the id of a trace", error))
    }

    /// A request that another plugin answered has not been here before: it went nowhere, and its headers are the client's.
    async fn on_log(&self, cx: &Context, record: &Record<'_>) {
        let known = cx.get::<Trace>();
        let begun = known.is_none().then(|| Trace::begin(record.request_headers, &self.headers, &self.sampler));
        if let Some(trace) = known.or(begun.as_ref()).filter(|trace| trace.sampled) {
            let Encoded { spans, bytes } = spans::encode(trace, cx, record);
            self.feeder.push(Entry { units: spans, bytes: bytes.into() });
        }
    }
}

/// What the spans are of: the file beats what is said of itself.
fn resource(configured: &BTreeMap<String, String>, instance: &str) -> Resource {
    let mut attributes = BTreeMap::from([
        ("service.name", "signet"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", instance),
    ]);
    attributes.extend(configured.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    Resource { attributes: attributes.into_iter().map(|(name, value)| KeyValue::text(name, value)).collect() }
}

/// All that a queue is made from, so that it outlives a reload that changes nothing of that. Its digest: there are
/// secrets in it.
fn key(endpoint: &Endpoint, limits: &Limits, resource: &Resource) -> String {
    let mut text = format!("{}\n{:?}\n{limits:?}\n{resource:?}", endpoint.uri, endpoint.timeout);
    for (name, value) in &endpoint.headers {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let digest = fingerprint(Zeroizing::new(text).as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
