//! HTTP on a listener of operators: one request, one answer, each within bounds.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::{
    apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream},
    protocols::http::{
        ServerSession,
        v2::server::{H2Options, default_h2_options},
    },
    server::ShutdownWatch,
};
use pingora_http::ResponseHeader;

use super::{Answer, Call, Node, guard::Guard, routes};
use crate::proxy::head_is_here;

/// How long an idle connection is kept, in seconds.
const KEEP_ALIVE: u64 = 60;

/// How long a client may leave an answer unread.
const WRITE: Duration = Duration::from_secs(60);

/// What is answered on a listener.
pub(super) struct Listener {
    /// About whom.
    pub node: Arc<Node>,
    /// Who may use the admin listener; None for the status listener.
    pub guard: Option<Guard>,
}

#[async_trait]
impl HttpServerApp for Listener {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        let plain_on_tls = session.take_connection_user_context().is_some_and(|passenger| head_is_here(&*passenger));
        session.set_keepalive((!*shutdown.borrow()).then_some(KEEP_ALIVE));
        session.set_write_timeout(Some(WRITE));
        let answer = match plain_on_tls {
            true => Answer::last(StatusCode::BAD_REQUEST, "The plain HTTP request was sent to HTTPS port"),
            false => self.answer(&mut session).await,
        };
        send(&mut session, answer).await.ok()?;
        let persistent = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, persistent))
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(default_h2_options())
    }
}

impl Listener {
    async fn answer(&self, session: &mut ServerSession) -> Answer {
        if let Some(Err(refused)) = self.guard.as_ref().map(|guard| guard.admit(session.req_header())) {
            return refused;
        }
        let Some(mut call) = Call::new(session) else { return Answer::not_found() };
        let answered = match self.guard {
            Some(_) => routes::admin(&self.node, &mut call).await,
            None => routes::status(&self.node, &mut call).await,
        };
        answered.unwrap_or_else(|refused| refused)
    }
}

async fn send(session: &mut ServerSession, answer: Answer) -> pingora::Result<()> {
    if answer.is_last() {
        session.set_keepalive(None);
    }
    let (mut parts, body) = answer.response().into_parts();
    // What is shown is of this moment, and never a page.
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    parts.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let head: ResponseHeader = parts.into();
    session.write_response_header(Box::new(head)).await?;
    if !body.is_empty() && session.req_header().method != Method::HEAD {
        session.write_response_body(body.into(), true).await?;
    }
    Ok(())
}
