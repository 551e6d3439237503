//! The token that a request would get, without its signature.

use http::HeaderValue;
use signet_plugin_api::{Context, Flow, PluginError, Rehearsal, Request, Response, StatusCode};

use super::{
    XCustomJwt,
    caller::{ClientId, NoCaller},
    claims::Facts,
};
use crate::shared::names::remove_lookalikes;

/// In place of an API key: claims are shown, and people copy what is shown.
const HIDDEN: &str = "***";
/// In place of the token.
const TOKEN: HeaderValue = HeaderValue::from_static("(a token)");

impl XCustomJwt {
    /// As the plugin would take the request, up to the signature.
    pub(super) fn rehearsed(&self, request: &mut Request<'_>, cx: &Context) -> Result<Rehearsal, PluginError> {
        let mut caller = match self.callers.find(request, cx) {
            Ok(caller) => caller,
            Err(NoCaller::Broken(error)) => return Err(error),
            Err(NoCaller::Refused(refusal)) => return Ok(Flow::Respond(refusal.respond(self.verbose)).into()),
        };
        let Some(issuing) = self.issuer.current()? else {
            return Ok(Flow::Respond(Response::new(StatusCode::SERVICE_UNAVAILABLE)).into());
        };
        if self.callers.tells_the_key(request, cx) {
            caller.client_id = ClientId::Text(HIDDEN.into());
        }
        let service = cx.service().ok_or_else(|| PluginError::new("the route has no service"))?;
        let facts = Facts { caller: &caller, service, cx, head: request.head(), client: request.client() };
        let mut claims = Vec::new();
        self.mint
            .write_lasting(&mut claims, &facts)
            .map_err(|error| PluginError::with_source("the claims cannot be written", error))?;
        claims.push(b'}');
        let head = request.head_mut();
        remove_lookalikes(head, &self.upstream);
        head.insert_header(self.upstream.clone(), TOKEN)?;
        Ok(Rehearsal::from(Flow::Continue)
            .showing("header", issuing.jose_header())
            .showing("claims", String::from_utf8(claims).unwrap_or_default())
            .showing("at_signing", self.mint.at_signing()))
    }
}
