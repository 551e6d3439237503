//! `cors`: lets scripts of other origins use a resource, and answers their preflights.

mod config;
mod origins;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use signet_plugin_api::{
    ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Rehearsal, Request, Response, ResponseHeader,
    Scope,
};

use self::{
    config::Config,
    origins::{Allowed, Origins},
};

const NAME: &str = "cors";
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ALL: HeaderValue = HeaderValue::from_static("*");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The compiled plugin.
pub(crate) struct Cors {
    origins: Origins,
    credentials: bool,
    private_network: bool,
    preflight_continue: bool,
    allow_origin_absent: bool,
    headers: Option<HeaderValue>,
    exposed_headers: Option<HeaderValue>,
    methods: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// What the request's side leaves for the response's.
enum Seen {
    /// The response is finished, or the upstream's own affair.
    Preflight,
    Origin(HeaderValue),
}

impl Plugin for Cors {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 2000;
    const PHASES: &'static [Phase] = &[Phase::Request, Phase::Response];
    const CONSUMER_SCOPE: bool = false;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let origins = Origins::compile(&config.origins)?;
        if config.credentials && matches!(origins, Origins::Any | Origins::List { any: true, .. }) {
            scope.warn("credentials", "every site may read the answers that its visitors get with their own cookies");
        }
        Ok(Self {
            origins,
            credentials: config.credentials,
            private_network: config.private_network,
            preflight_continue: config.preflight_continue,
            allow_origin_absent: config.allow_origin_absent,
            headers: config.headers()?,
            exposed_headers: config.exposed_headers()?,
            methods: config.methods()?,
            max_age: config.max_age()?,
        })
    }
}

#[async_trait]
impl Handler for Cors {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let Some(origin) = request.header(&ORIGIN).filter(|origin| !origin.is_empty()) else {
            return Ok(Flow::Continue);
        };
        if request.method() == Method::OPTIONS && request.header(&ACCESS_CONTROL_REQUEST_METHOD).is_some() {
            cx.insert(Seen::Preflight);
            if self.preflight_continue {
                return Ok(Flow::Continue);
            }
            return Ok(Flow::Respond(self.preflight(origin, &request.head().headers)));
        }
        if self.depends_on_origin() {
            cx.insert(Seen::Origin(origin.clone()));
        }
        Ok(Flow::Continue)
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        Ok(self.on_request(request, cx).await?.into())
    }

    async fn on_response(&self, head: &mut ResponseHeader, cx: &mut Context) -> Result<(), PluginError> {
        let origin = match cx.get() {
            Some(Seen::Preflight) => return Ok(()),
            Some(Seen::Origin(origin)) => Some(origin),
            None => None,
        };
        if origin.is_none() && !self.allow_origin_absent {
            return Ok(());
        }
        let grant = self.grant(origin);
        match grant.origin {
            Some(value) => head.insert_header(ACCESS_CONTROL_ALLOW_ORIGIN, value)?,
            None => drop(head.remove_header(&ACCESS_CONTROL_ALLOW_ORIGIN)),
        }
        if grant.varies {
            head.append_header(VARY, VARY_ORIGIN)?;
        }
        if grant.credentials {
            head.insert_header(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE)?;
        }
        if let Some(exposed) = &self.exposed_headers {
            head.insert_header(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone())?;
        }
        Ok(())
    }
}

/// What the caller is told in answers of both kinds.
struct Grant {
    origin: Option<HeaderValue>,
    varies: bool,
    credentials: bool,
}

impl Cors {
    fn depends_on_origin(&self) -> bool {
        match &self.origins {
            Origins::List { .. } => true,
            Origins::Any => self.credentials || !self.allow_origin_absent,
            Origins::One(_) => !self.allow_origin_absent,
        }
    }

    /// `*` and credentials exclude each other: a caller with an origin then gets its own.
    fn grant(&self, origin: Option<&HeaderValue>) -> Grant {
        let varies = self.origins.varies();
        match (self.origins.allow(origin), origin) {
            (Allowed::All, Some(origin)) if self.credentials => {
                Grant { origin: Some(origin.clone()), varies: true, credentials: true }
            }
            (Allowed::All, _) => Grant { origin: Some(ALL), varies, credentials: false },
            (Allowed::Only(value), _) => Grant { origin: Some(value), varies, credentials: self.credentials },
            (Allowed::Nobody, _) => Grant { origin: None, varies, credentials: self.credentials },
        }
    }

    fn preflight(&self, origin: &HeaderValue, request: &HeaderMap) -> Response {
        let grant = self.grant(Some(origin));
        let headers = self.headers.as_ref().or_else(|| request.get(ACCESS_CONTROL_REQUEST_HEADERS));
        let private = self.private_network && request.get(REQUEST_PRIVATE_NETWORK).is_some_and(|asked| asked == TRUE);
        let present = [
            (VARY, grant.varies.then_some(VARY_ORIGIN)),
            (ACCESS_CONTROL_ALLOW_ORIGIN, grant.origin),
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, grant.credentials.then_some(TRUE)),
            (ACCESS_CONTROL_ALLOW_HEADERS, headers.cloned()),
            (ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone()),
            (ACCESS_CONTROL_MAX_AGE, self.max_age.clone()),
            (ALLOW_PRIVATE_NETWORK, private.then_some(TRUE)),
        ];
        let mut response = Response::new(StatusCode::OK);
        response.headers.extend(present.into_iter().filter_map(|(name, value)| Some((name, value?))));
        response
    }
}
