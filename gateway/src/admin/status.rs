//! The status listener: health for load balancers, metrics for Prometheus.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora::{apps::http_app::ServeHttp, protocols::http::ServerSession};
use serde_json::json;
use tracing::error;

use crate::{metrics::Metrics, runtime::Current};

/// Answers `/status`, `/status/ready` and `/metrics`.
#[derive(Debug)]
pub(crate) struct Status {
    /// Whose health it is.
    pub current: Arc<Current>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Requests that are being served.
    pub in_flight: Arc<AtomicUsize>,
    /// When the process began to serve.
    pub since: SystemTime,
    /// Whether a configuration is served at all: without one the process is not ready.
    pub configured: bool,
}

#[async_trait]
impl ServeHttp for Status {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let is_head = head.method == Method::HEAD;
        if !is_head && head.method != Method::GET {
            return json_response(StatusCode::METHOD_NOT_ALLOWED, &json!({"message": "Method not allowed"}));
        }
        let mut response = match head.uri.path() {
            "/status" => json_response(StatusCode::OK, &self.report()),
            "/status/ready" => self.readiness(),
            "/metrics" => self.scrape(),
            _ => json_response(StatusCode::NOT_FOUND, &json!({"message": "Not found"})),
        };
        if is_head {
            response.body_mut().clear();
        }
        response
    }
}

impl Status {
    fn report(&self) -> serde_json::Value {
        let snapshot = self.current.pin();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "configuration_hash": snapshot.hash,
            "since": httpdate::fmt_http_date(self.since),
            "requests_in_flight": self.in_flight.load(Relaxed),
            "serving": {
                "services": snapshot.counts.services,
                "routes": snapshot.counts.routes,
                "plugins": snapshot.counts.plugins,
                "consumers": snapshot.counts.consumers,
            },
        })
    }

    fn readiness(&self) -> Response<Vec<u8>> {
        if self.configured {
            json_response(StatusCode::OK, &json!({"message": "ready"}))
        } else {
            json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({"message": "no configuration is served"}))
        }
    }

    fn scrape(&self) -> Response<Vec<u8>> {
        match self.metrics.render() {
            Ok(text) => response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
            Err(error) => {
                error!(%error, "the metrics cannot be rendered");
                json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({"message": "An unexpected error occurred"}))
            }
        }
    }
}

/// A JSON answer with its length.
pub(crate) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Vec<u8>> {
    response(status, "application/json; charset=utf-8", format!("{body:#}\n").into_bytes())
}

fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}
