//! A request that nobody sent, taken through everything up to the upstream, for `explain`: the same steps as [`super::admit`].

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use pingora_http::RequestHeader;
use signet_plugin_api::{BufferedBody, Client, Request, Response, TlsConnection};

use super::{Exchange, Policy, admit, forward, hop, respond::UNEXPECTED};
use crate::runtime::{
    Snapshot,
    chain::{Assumed, Came, Run},
    router::{Candidate, Captures},
};

/// A request, and the connection that it would come over.
pub(crate) struct Imagined {
    /// As the client sends it.
    pub head: RequestHeader,
    /// The whole body.
    pub body: Bytes,
    /// The address of the connection.
    pub peer: IpAddr,
    /// The port of the listener.
    pub port: u16,
    /// The handshake, if it comes over TLS.
    pub tls: Option<Arc<TlsConnection>>,
}

/// What would become of a request.
#[derive(Default)]
pub(crate) struct Course {
    /// Who the client is taken for; none when the request is refused as it stands.
    pub client: Option<Client>,
    /// What becomes of every route, the winner first.
    pub candidates: Vec<Candidate>,
    /// The route.
    pub position: Option<u32>,
    /// What the groups of its path matched: the name, if it has one, and the text.
    pub captures: Vec<(Option<String>, String)>,
    /// The plugins in their order.
    pub runs: Vec<Run>,
    /// The gateway's own answer, if it is not a plugin that gives it.
    pub answer: Option<Response>,
    /// The head that would go upstream.
    pub upstream: Option<RequestHeader>,
}

/// Finds out; `traced`: with what becomes of every route.
pub(crate) async fn rehearse(
    policy: &Policy,
    snapshot: &Arc<Snapshot>,
    imagined: Imagined,
    assumed: Option<&Assumed<'_>>,
    traced: bool,
) -> Course {
    let Imagined { mut head, body, peer, port, tls } = imagined;
    let mut course = Course::default();
    let mut ex = Exchange::begin(Arc::default());
    ex.pin(Arc::clone(snapshot));
    course.answer = admit::refuse(&head, admit::listed_length(&head.headers), policy.limits);
    if course.answer.is_some() {
        return course;
    }
    hop::strip_request(&mut head);
    let caller = policy.trust.caller_of(&head.headers, peer, port, tls);
    if !caller.trusted {
        forward::remove_certificate_claims(&mut head);
    }
    course.client = Some(caller.client.clone());
    let query = admit::query(&head, &caller);
    if traced {
        let routes: Vec<_> = snapshot.routes.iter().map(|entry| Arc::clone(&entry.route)).collect();
        course.candidates = snapshot.router.trace(&routes, &query);
    }
    if let Some(found) = snapshot.router.find(&query) {
        course.captures = snapshot.router.captures(&found).iter().flat_map(captured).collect();
    }
    let routed = admit::route(&head, &mut ex, &caller);
    course.position = ex.position();
    if let Err(answer) = routed {
        course.answer = Some(answer);
        return course;
    }
    let Some(entry) = ex.position().and_then(|position| snapshot.entry(position)) else { return course };
    let mut body = BufferedBody { body, replaced: None };
    let mut request = Request::new(&mut head, &caller.client, &mut body);
    course.runs = entry.chain.rehearse(&mut request, &mut ex.cx, &mut ex.progress, assumed).await;
    if course.runs.iter().any(|run| matches!(run.came, Came::Answers(_) | Came::Breaks(_))) {
        return course;
    }
    let Some(upstream) = &entry.upstream else {
        course.answer = Some(admit::no_service());
        return course;
    };
    let forwarded = forward::rewrite(policy, &mut head, &mut ex, &caller, upstream).is_ok()
        && entry.chain.rehearse_upstream(&mut head, &mut ex.cx, &course.runs).await.is_ok();
    match forwarded {
        true => course.upstream = Some(head),
        false => course.answer = Some(Response::error(StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED)),
    }
    course
}

fn captured(captures: &Captures<'_>) -> Vec<(Option<String>, String)> {
    let matched = captures.iter().filter_map(|(name, text)| Some((name.map(str::to_owned), text?.to_owned())));
    matched.collect()
}
