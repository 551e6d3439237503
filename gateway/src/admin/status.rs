//! Health for load balancers, metrics for Prometheus.

use std::sync::atomic::Ordering::Relaxed;

use http::StatusCode;
use serde_json::json;
use tracing::error;

use super::{Answer, Node};

/// `/status`
pub(super) fn report(node: &Node) -> Answer {
    let snapshot = node.current.pin();
    Answer::ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "configuration_hash": snapshot.hash,
        "since": httpdate::fmt_http_date(node.since),
        "requests_in_flight": node.in_flight.load(Relaxed),
        "serving": {
            "services": snapshot.counts.services,
            "routes": snapshot.counts.routes,
            "plugins": snapshot.counts.plugins,
            "consumers": snapshot.counts.consumers,
        },
    }))
}

/// `/status/ready`
pub(super) fn readiness(node: &Node) -> Answer {
    if node.leaving.has_begun() {
        return Answer::message(StatusCode::SERVICE_UNAVAILABLE, "the process is about to end");
    }
    // Of the empty configuration there is no text.
    match node.current.pin().hash.is_empty() {
        false => Answer::message(StatusCode::OK, "ready"),
        true => Answer::message(StatusCode::SERVICE_UNAVAILABLE, "no configuration is served"),
    }
}

/// `/config/status`
pub(super) fn configuration(node: &Node) -> Answer {
    Answer::ok(node.reloader.status().to_json())
}

/// `/metrics`
pub(super) async fn scrape(node: &Node) -> Answer {
    match node.metrics.page().await {
        Ok(text) => Answer::Text("text/plain; version=0.0.4; charset=utf-8", text),
        Err(error) => {
            error!(%error, "the metrics cannot be rendered");
            Answer::unexpected()
        }
    }
}
