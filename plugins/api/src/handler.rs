//! What a compiled plugin does: the object-safe half of the contract.

use async_trait::async_trait;
use bytes::Bytes;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::{CertificateRequest, Context, Flow, HiddenSeries, PluginError, Record, Rehearsal, Request};

/// One plugin in one place of the configuration, compiled and shared by all requests. Every method has a no-op default;
/// the engine calls only those whose phase the plugin lists.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Whether the handshakes that can lead here ask the client for a certificate. Called once, when the configuration is
    /// compiled.
    fn certificate_request(&self) -> Option<&CertificateRequest> {
        None
    }

    /// Series of its routes that the operator does not want to see. Called once, when the configuration is compiled.
    fn hidden_series(&self) -> HiddenSeries {
        HiddenSeries::default()
    }

    /// The request has been routed (Kong: `access`). Edits of the head go upstream.
    ///
    /// # Errors
    /// When the plugin is broken; refusing the client is [`Flow::Respond`].
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let _ = (request, cx);
        Ok(Flow::Continue)
    }

    /// What [`Self::on_request`] would do, for `signet explain`. It may edit the request and leave facts as that does; it asks
    /// nobody, signs and counts nothing. A plugin whose `on_request` does none of these gives what that gives.
    ///
    /// # Errors
    /// When the plugin is broken.
    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        let _ = (request, cx);
        Ok(Rehearsal::unknown("the plugin does not say what it would do"))
    }

    /// The request as it will be sent upstream, once per attempt.
    ///
    /// # Errors
    /// When the plugin is broken.
    async fn on_upstream_request(&self, head: &mut RequestHeader, cx: &mut Context) -> Result<(), PluginError> {
        let _ = (head, cx);
        Ok(())
    }

    /// The response's head, of the upstream or of the gateway itself (Kong: `header_filter`).
    ///
    /// # Errors
    /// When the plugin is broken.
    async fn on_response(&self, head: &mut ResponseHeader, cx: &mut Context) -> Result<(), PluginError> {
        let _ = (head, cx);
        Ok(())
    }

    /// A part of the response's body (Kong: `body_filter`).
    ///
    /// # Errors
    /// When the plugin is broken.
    fn on_response_body(&self, body: &mut Option<Bytes>, end: bool, cx: &mut Context) -> Result<(), PluginError> {
        let _ = (body, end, cx);
        Ok(())
    }

    /// The request is over (Kong: `log`).
    async fn on_log(&self, cx: &Context, record: &Record<'_>) {
        let _ = (cx, record);
    }
}
