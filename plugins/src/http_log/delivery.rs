//! One message to the server, and what its answer means.

use bytes::Bytes;
use signet_plugin_api::{Names, Plugin};

use super::{HttpLog, config::Endpoint};
use crate::shared::{
    http::{Http, HttpSettings, Question},
    queue::{Courier, Verdict},
};

/// As much of an answer as is read.
const ANSWER: usize = 64 * 1024;

/// The way to a server.
pub(super) struct Delivery {
    http: Http,
    endpoint: Endpoint,
    is_array: bool,
}

impl Delivery {
    /// Nothing is connected yet. Messages are arrays where they may hold several entries.
    pub(super) fn new(endpoint: Endpoint, verify: bool, batch: usize, names: std::sync::Arc<dyn Names>) -> Self {
        let settings = HttpSettings { verify, timeout: endpoint.timeout, keepalive: endpoint.keepalive };
        Self { http: Http::new(&settings, names), endpoint, is_array: batch > 1 }
    }
}

impl Courier for Delivery {
    const PLUGIN: &'static str = HttpLog::NAME;

    fn endpoint(&self) -> &str {
        &self.endpoint.shown
    }

    fn pack(&self, entries: &[Bytes]) -> Bytes {
        match entries {
            [entry] if !self.is_array => entry.clone(),
            entries => [b"[", &*entries.join(&b','), b"]"].concat().into(),
        }
    }

    async fn send(&self, message: Bytes) -> Verdict {
        let Endpoint { uri, method, headers, content_type, .. } = &self.endpoint;
        let question = Question {
            method: Some(method.clone()),
            headers: headers.clone(),
            content: Some((content_type.clone(), message)),
            limit: ANSWER,
            ..Question::get(uri.clone())
        };
        // Kong: whatever is below 400 is good, and whatever is not may become so.
        match self.http.ask(question).await {
            Ok(answer) if answer.status.as_u16() < 400 => Verdict::Taken { rejected: 0, why: String::new() },
            Ok(answer) => Verdict::Later { why: format!("status {}", answer.status.as_u16()), after: None },
            Err(error) => Verdict::Later { why: error.to_string(), after: None },
        }
    }
}
