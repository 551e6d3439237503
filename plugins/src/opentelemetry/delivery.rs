//! One batch to one endpoint over OTLP/HTTP with protobuf, and what its answer means (OTLP 1, "OTLP/HTTP Response").

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{StatusCode, header};
use prost::Message;
use signet_plugin_api::{Meters, Names, Plugin};

use super::{
    Opentelemetry,
    config::Endpoint,
    otlp::{ExportResponse, Frame},
};
use crate::shared::{
    http::{Answer, Http, HttpSettings, Question},
    queue::{Counters, Courier, Verdict},
};

/// As much of an answer as is read.
const LONGEST_ANSWER: usize = 64 * 1024;
/// As much of what a collector says as is logged, in characters.
const LONGEST_REASON: usize = 200;

/// The way to a collector.
pub(super) struct Delivery {
    http: Http,
    endpoint: Endpoint,
    frame: Frame,
    shown: String,
}

impl Delivery {
    /// Nothing is connected yet.
    pub(super) fn new(endpoint: Endpoint, frame: Frame, names: Arc<dyn Names>) -> Self {
        let settings = HttpSettings { verify: true, timeout: endpoint.timeout, keepalive: true };
        let uri = &endpoint.uri;
        // Without the query, which may be a secret.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let shown = format!("{}://{authority}{}", uri.scheme_str().unwrap_or(""), uri.path());
        Self { http: Http::new(&settings, names), endpoint, frame, shown }
    }
}

impl Courier for Delivery {
    const PLUGIN: &'static str = Opentelemetry::NAME;

    fn endpoint(&self) -> &str {
        &self.shown
    }

    fn pack(&self, entries: &[Bytes]) -> Bytes {
        self.frame.request(entries).into()
    }

    async fn send(&self, message: Bytes) -> Verdict {
        let question = Question {
            headers: self.endpoint.headers.clone(),
            limit: LONGEST_ANSWER,
            ..Question::post(self.endpoint.uri.clone(), "application/x-protobuf", message)
        };
        match self.http.ask(question).await {
            Ok(answer) => verdict(&answer),
            Err(error) => Verdict::Later { why: error.to_string(), after: None },
        }
    }
}

/// What becomes of spans, on `/metrics`.
///
/// # Errors
/// When a name is not one (a mistake of ours).
pub(super) fn counters(meters: &Meters) -> prometheus::Result<Counters> {
    let dropped =
        |reason| meters.counter("otlp_dropped_spans_total", "Spans that no collector has.", &[("reason", reason)]);
    Ok(Counters {
        taken: Some(meters.counter("otlp_exported_spans_total", "Spans that a collector has taken.", &[])?),
        no_room: dropped("queue_full")?,
        refused: dropped("refused")?,
        given_up: dropped("unreachable")?,
    })
}

fn verdict(answer: &Answer) -> Verdict {
    let status = answer.status;
    if status.is_success() {
        // Collectors that answer with nothing, or in JSON, have taken all of it.
        let partial = ExportResponse::decode(answer.body.clone()).ok().and_then(|said| said.partial_success);
        let partial = partial.unwrap_or_default();
        let rejected = usize::try_from(partial.rejected_spans).unwrap_or(0);
        return Verdict::Taken { rejected, why: printable(&partial.error_message) };
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Verdict::Later { why: status.to_string(), after: retry_after(answer) },
        _ => Verdict::Refused(status.to_string()),
    }
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What another says is logged in one line of a sensible length.
fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(LONGEST_REASON).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::opentelemetry::otlp::PartialSuccess;

    fn of(status: u16, body: Vec<u8>) -> Verdict {
        let status = StatusCode::from_u16(status).expect("a status");
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("7"))]);
        verdict(&Answer { status, headers, body: body.into() })
    }

    #[test]
    fn an_answer_means_what_the_protocol_says() {
        let all = || Verdict::Taken { rejected: 0, why: String::new() };
        assert_eq!((of(200, Vec::new()), of(202, b"{}".to_vec())), (all(), all()));
        let partial = PartialSuccess { rejected_spans: 3, error_message: "too\n old".to_owned() };
        let said = ExportResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(of(200, said), Verdict::Taken { rejected: 3, why: "too old".to_owned() });
        for status in [429, 502, 503, 504] {
            let Verdict::Later { after, .. } = of(status, Vec::new()) else { panic!("{status} is not for ever") };
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
        for status in [301, 400, 401, 403, 404, 413, 500, 501] {
            assert!(matches!(of(status, Vec::new()), Verdict::Refused(_)), "{status}");
        }
    }
}
