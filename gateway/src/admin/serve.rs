//! Puts the listeners of operators on their addresses.

use std::sync::Arc;

use pingora::services::listening::Service;

use super::{Node, guard::Guard, listener::Listener};
use crate::{
    proxy::Deadline,
    server::{Bound, Server},
    settings::{OwnTls, Settings},
    tls::{Acceptors, HTTP2_IDLE, OwnHandshakes, Terms, TlsEdge},
};

/// Adds both listeners to a server.
///
/// # Errors
/// `setting: what is wrong` with a certificate.
pub(crate) fn serve(
    server: &mut Server,
    node: &Arc<Node>,
    settings: &Settings,
    status: Vec<Bound>,
    admin: Vec<Bound>,
) -> Result<(), String> {
    add(server, "status", settings, &settings.status_tls, status, |_| Listener {
        node: Arc::clone(node),
        guard: None,
    })?;
    add(server, "admin", settings, &settings.admin.tls, admin, |tls| {
        let certified = tls && !settings.admin.tls.client_authorities.is_empty();
        let (token, open) = (settings.admin.token.clone(), settings.admin.allow_unprotected);
        Listener { node: Arc::clone(node), guard: Some(Guard { token, certified, open }) }
    })
}

fn add(
    server: &mut Server,
    name: &str,
    settings: &Settings,
    own: &OwnTls,
    bound: Vec<Bound>,
    listener: impl Fn(bool) -> Listener,
) -> Result<(), String> {
    let limit = settings.client_header_timeout;
    let (tls, plain): (Vec<_>, Vec<_>) = bound.into_iter().partition(|bound| bound.ssl);
    server.add(Service::new(name.into(), Deadline::new(Arc::new(listener(false)), limit)), plain);
    if tls.is_empty() {
        return Ok(());
    }
    let app = Arc::new(listener(true));
    let terms = Terms::load(&own.settings(&settings.tls)).map_err(|reason| format!("{name}_{reason}"))?;
    let handshakes =
        OwnHandshakes::new(&terms, &own.client_authorities).map_err(|reason| format!("{name}_{reason}"))?;
    let handshakes = Arc::new(handshakes);
    let (with_http2, without): (Vec<_>, Vec<_>) = tls.into_iter().partition(|bound| bound.http2);
    for (http2, bound) in [(true, with_http2), (false, without)] {
        let edge = TlsEdge {
            acceptors: Acceptors::Own(Arc::clone(&handshakes)),
            http2,
            limit,
            idle: HTTP2_IDLE,
            app: Arc::new(Deadline::new(Arc::clone(&app), limit)),
            plain: Arc::new(Deadline::plain_on_tls(Arc::clone(&app), limit)),
        };
        server.add(Service::new(format!("{name} over TLS"), edge), bound);
    }
    Ok(())
}
