//! `jwks`: publishes the public keys of key sets, and the metadata by which verifiers find them.

mod condition;
mod config;
mod documents;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use http::{
    HeaderValue, Method, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use signet_plugin_api::{
    ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Rehearsal, Request, Response, Scope,
};

use self::{
    config::{Config, Issuer},
    documents::{Document, Documents},
};

const NAME: &str = "jwks";
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// Below this every path is somebody's well-known one (RFC 8615).
const WELL_KNOWN: &str = "/.well-known/";
/// OpenID Connect Discovery 1.0, 4; RFC 8414, 3.
const METADATA: [&str; 2] = ["openid-configuration", "oauth-authorization-server"];

/// The compiled plugin.
pub(crate) struct Jwks {
    documents: Documents,
    issuer: Option<Issuer>,
    cache_control: HeaderValue,
}

/// What a path asks for.
enum Asked {
    Keys,
    Metadata,
    /// Metadata that is not ours to give.
    Nothing,
}

impl Plugin for Jwks {
    const NAME: &'static str = NAME;
    /// Above `request-termination`, below all that lets requests in, counts or logs them.
    const PRIORITY: u32 = 3;
    const PHASES: &'static [Phase] = &[Phase::Request];
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let sets = config.sets(scope)?;
        let max_age = config.max_age(&sets)?;
        let cache_control = HeaderValue::from_str(&format!("public, max-age={max_age}"))
            .map_err(|error| ConfigError::new("max_age", error.to_string()))?;
        let issuer = config.issuer(scope)?;
        let documents = Documents::new(sets, issuer.as_ref())?;
        Ok(Self { documents, issuer, cache_control })
    }
}

#[async_trait]
impl Handler for Jwks {
    async fn on_request(&self, request: &mut Request<'_>, _: &mut Context) -> Result<Flow, PluginError> {
        let edition = self.documents.current()?;
        let document = match self.asked(request.path()) {
            Asked::Keys => Some(&edition.keys),
            Asked::Metadata => edition.metadata.as_ref(),
            Asked::Nothing => None,
        };
        let Some(document) = document else {
            return Ok(Flow::Respond(Response::error(StatusCode::NOT_FOUND, "Not found")));
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let refused = Response::error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
            return Ok(Flow::Respond(refused.with_header(ALLOW, METHODS)));
        }
        Ok(Flow::Respond(self.answer(request, document)))
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        Ok(self.on_request(request, cx).await?.into())
    }
}

impl Jwks {
    /// RFC 8414 has the path of the issuer behind the well-known one, OpenID before it. What stands before is not compared:
    /// a proxy in front may have taken a part of it away.
    fn asked(&self, path: &str) -> Asked {
        let Some((_, rest)) = path.rsplit_once(WELL_KNOWN) else { return Asked::Keys };
        let Some(of) = METADATA.iter().find_map(|name| rest.strip_prefix(name)) else {
            return Asked::Keys;
        };
        match &self.issuer {
            _ if !of.is_empty() && !of.starts_with('/') => Asked::Keys,
            Some(issuer) if of.is_empty() || of == issuer.path() => Asked::Metadata,
            _ => Asked::Nothing,
        }
    }

    fn answer(&self, request: &Request<'_>, document: &Document) -> Response {
        let known = request.head().headers.get_all(IF_NONE_MATCH);
        let response = match condition::holds(known, &document.etag) {
            true => Response::new(StatusCode::NOT_MODIFIED),
            false => Response::new(StatusCode::OK)
                .with_header(CONTENT_TYPE, document.content_type.clone())
                .with_body(document.body.clone()),
        };
        response.with_header(CACHE_CONTROL, self.cache_control.clone()).with_header(ETAG, document.etag.clone())
    }
}
