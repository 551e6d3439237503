//! HTTP towards an identity provider: every exchange has a deadline, every answer a bound, and nothing is followed.

mod connector;

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use signet_plugin_api::Names;
use tokio::sync::Semaphore;

use self::connector::Connector;

/// As much of an answer as is read. Key sets are the longest; one with 100 certificates in it fits.
const MAX_ANSWER: usize = 512 * 1024;
/// How many questions may be open at once: a provider that is slow must not collect requests without end.
const MAX_OPEN: usize = 256;
/// Longer than that a connection is not kept: providers close theirs after a minute or so.
const IDLE: Duration = Duration::from_secs(20);

/// A client with its connections.
pub(super) struct Http {
    client: Client<Connector, Full<Bytes>>,
    timeout: Duration,
    open: Semaphore,
}

/// What a client is made from.
#[derive(Debug, Clone)]
pub(super) struct HttpSettings {
    /// Whether certificates and their names are verified.
    pub(super) verify: bool,
    /// For a whole exchange.
    pub(super) timeout: Duration,
    /// Whether connections are used again.
    pub(super) keepalive: bool,
}

/// A question.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
    /// A form; none for GET.
    pub(super) form: Option<Form>,
}

/// The parameters of a question, as they are sent.
#[derive(Default)]
pub(super) struct Form(String);

impl Form {
    /// Adds a parameter.
    pub(super) fn append(&mut self, name: &str, value: &str) -> &mut Self {
        Serializer::new(&mut self.0).append_pair(name, value);
        self
    }
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// There is no answer. Contains nothing of the question.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("an answer of more than {MAX_ANSWER} bytes")]
    Long,
    #[error("{MAX_OPEN} questions are open already")]
    Busy,
    #[error("{0}")]
    Broken(Arc<str>),
}

impl Http {
    /// A client that looks names up as the gateway does. Nothing is connected yet.
    pub(super) fn new(settings: &HttpSettings, names: Arc<dyn Names>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(if settings.keepalive { 16 } else { 0 })
            .build(Connector::new(names, settings.verify));
        Self { client, timeout: settings.timeout, open: Semaphore::new(MAX_OPEN) }
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self, question: Question) -> Result<Answer, NoAnswer> {
        let _open = self.open.try_acquire().map_err(|_| NoAnswer::Busy)?;
        let request = request(question)?;
        tokio::time::timeout(self.timeout, self.exchange(request)).await.map_err(|_| NoAnswer::Late(self.timeout))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        let response = match self.client.request(request.clone()).await {
            // The provider closed an idle connection while the question was on its way. All questions can be asked again.
            Err(error) if ended_unanswered(&error) => self.client.request(request).await,
            answered => answered,
        };
        let (head, body) = response.map_err(broken)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { NoAnswer::Long } else { NoAnswer::Broken(chain(&*error)) }
        })?;
        Ok(Answer { status: head.status, body: body.to_bytes() })
    }
}

impl Question {
    /// A GET.
    pub(super) fn get(uri: Uri) -> Self {
        Self { method: Method::GET, uri, authorization: None, form: None }
    }
}

fn request(question: Question) -> Result<Request<Full<Bytes>>, NoAnswer> {
    let mut request = Request::builder()
        .method(question.method)
        .uri(question.uri)
        .header(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"))
        .header(header::USER_AGENT, HeaderValue::from_static(concat!("signet/", env!("CARGO_PKG_VERSION"))));
    if let Some(authorization) = question.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    if question.form.is_some() {
        const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
        request = request.header(header::CONTENT_TYPE, FORM);
    }
    let body = Full::new(question.form.map_or_else(Bytes::new, |Form(text)| text.into()));
    request.body(body).map_err(broken)
}

fn broken(error: impl Error) -> NoAnswer {
    NoAnswer::Broken(chain(&error))
}

fn ended_unanswered(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(|error: &hyper::Error| error.is_incomplete_message() || error.is_closed()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// hyper's errors say what happened in their causes only.
fn chain(error: &dyn Error) -> Arc<str> {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.into()
}
