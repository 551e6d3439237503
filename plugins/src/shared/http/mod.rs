//! HTTP towards other servers: every exchange has a deadline, every answer a bound, and nothing is followed.

mod connector;

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use signet_plugin_api::Names;
use tokio::sync::Semaphore;

use self::connector::Connector;

/// As much of an answer as is usually read. A key set with 100 certificates in it fits.
const USUAL_ANSWER: usize = 512 * 1024;
/// How many questions may be open at once: a server that is slow must not collect requests without end.
const MAX_OPEN: usize = 256;
/// Longer than that a connection is not kept: servers close theirs after a minute or so.
const IDLE: Duration = Duration::from_secs(20);

/// A client with its connections.
pub(crate) struct Http {
    client: Client<Connector, Full<Bytes>>,
    timeout: Duration,
    open: Semaphore,
}

/// What a client is made from.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    /// Whether certificates and their names are verified.
    pub(crate) verify: bool,
    /// For a whole exchange.
    pub(crate) timeout: Duration,
    /// Whether connections are used again.
    pub(crate) keepalive: bool,
}

/// A question. It may be asked twice.
pub(crate) struct Question {
    pub(crate) uri: Uri,
    pub(crate) authorization: Option<HeaderValue>,
    /// More headers, each in place of ours of that name.
    pub(crate) headers: HeaderMap,
    /// None is GET, or POST where there is content.
    pub(crate) method: Option<Method>,
    /// What is posted, with its type; none for GET.
    pub(crate) content: Option<(HeaderValue, Bytes)>,
    /// As much of the answer as is read, in bytes.
    pub(crate) limit: usize,
}

/// An answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// There is no answer. Contains nothing of the question.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("an answer of more than {0} bytes")]
    Long(usize),
    #[error("{MAX_OPEN} questions are open already")]
    Busy,
    #[error("{0}")]
    Broken(Arc<str>),
}

impl Http {
    /// A client that looks names up as the gateway does. Nothing is connected yet.
    pub(crate) fn new(settings: &HttpSettings, names: Arc<dyn Names>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(if settings.keepalive { 16 } else { 0 })
            .build(Connector::new(names, settings.verify));
        Self { client, timeout: settings.timeout, open: Semaphore::new(MAX_OPEN) }
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(&self, question: Question) -> Result<Answer, NoAnswer> {
        let _open = self.open.try_acquire().map_err(|_| NoAnswer::Busy)?;
        let limit = question.limit;
        let request = request(question)?;
        tokio::time::timeout(self.timeout, self.exchange(request, limit))
            .await
            .map_err(|_| NoAnswer::Late(self.timeout))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Answer, NoAnswer> {
        let response = match self.client.request(request.clone()).await {
            // The server closed an idle connection while the question was on its way.
            Err(error) if ended_unanswered(&error) => self.client.request(request).await,
            answered => answered,
        };
        let (head, body) = response.map_err(broken)?.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { NoAnswer::Long(limit) } else { NoAnswer::Broken(chain(&*error)) }
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

impl Question {
    /// A GET.
    pub(crate) fn get(uri: Uri) -> Self {
        Self { uri, authorization: None, headers: HeaderMap::new(), method: None, content: None, limit: USUAL_ANSWER }
    }

    /// A POST of this content.
    pub(crate) fn post(uri: Uri, kind: &'static str, content: impl Into<Bytes>) -> Self {
        Self { content: Some((HeaderValue::from_static(kind), content.into())), ..Self::get(uri) }
    }
}

fn request(question: Question) -> Result<Request<Full<Bytes>>, NoAnswer> {
    let mut request = Request::builder()
        .uri(question.uri)
        .header(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"))
        .header(header::USER_AGENT, HeaderValue::from_static(concat!("signet/", env!("CARGO_PKG_VERSION"))));
    if let Some(authorization) = question.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let mut body = Bytes::new();
    if let Some((kind, content)) = question.content {
        request = request.method(Method::POST).header(header::CONTENT_TYPE, kind);
        body = content;
    }
    let mut request = request.body(Full::new(body)).map_err(broken)?;
    request.headers_mut().extend(question.headers);
    if let Some(method) = question.method {
        *request.method_mut() = method;
    }
    Ok(request)
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
