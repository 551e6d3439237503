//! One question to the server of an authority, over HTTP.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use signet_plugin_api::Names;
use tokio::{net::TcpStream, time::timeout};
use url::{Position, Url};

/// Why there is no answer, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("only http:// is asked")]
    Scheme,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(#[from] http::Error),
    #[error("the body: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("no answer in time")]
    Late,
}

/// A request to `url`: a GET, or a POST of an OCSP request.
pub(super) struct Question<'a> {
    pub(super) url: &'a str,
    pub(super) ocsp: Option<Vec<u8>>,
    /// The longest body that is read.
    pub(super) limit: usize,
}

impl Question<'_> {
    /// Asks, and waits for the whole answer. Redirects are not followed: the certificate vouches for its own address only.
    pub(super) async fn ask(self, names: &dyn Names, patience: Duration) -> Result<Bytes, NoAnswer> {
        timeout(patience, self.exchange(names)).await.map_err(|_| NoAnswer::Late)?
    }

    async fn exchange(self, names: &dyn Names) -> Result<Bytes, NoAnswer> {
        let url = Url::parse(self.url).ok().filter(|url| url.scheme() == "http").ok_or(NoAnswer::Scheme)?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(NoAnswer::Scheme);
        };
        let addresses = names.addresses(host, port).await?;
        let stream = TcpStream::connect(addresses.as_slice()).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let answer = self.send(&url, sender);
        // Both in this task: when it is given up, so is the connection.
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }

    async fn send(self, url: &Url, mut sender: SendRequest<Full<Bytes>>) -> Result<Bytes, NoAnswer> {
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let mut request = Request::builder().uri(target).header(header::HOST, authority);
        if self.ocsp.is_some() {
            let kind = HeaderValue::from_static("application/ocsp-request");
            request = request.method(Method::POST).header(header::CONTENT_TYPE, kind);
        }
        let response = sender.send_request(request.body(Full::from(self.ocsp.unwrap_or_default()))?).await?;
        if response.status() != StatusCode::OK {
            return Err(NoAnswer::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), self.limit).collect().await.map_err(NoAnswer::Body)?;
        Ok(body.to_bytes())
    }
}
