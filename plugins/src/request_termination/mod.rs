//! `request-termination`: an answer of the gateway's own, for all requests or for those with a trigger.

mod config;
mod echo;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use signet_plugin_api::{
    ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Rehearsal, Request, Response, Scope,
};

use self::{config::Config, echo::Echo};
use crate::shared::names::header_name;

const NAME: &str = "request-termination";
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The compiled plugin.
pub(crate) struct RequestTermination {
    trigger: Option<Trigger>,
    answer: Answer,
}

/// What a request must have, as a header or as a parameter of the query; its value does not matter.
struct Trigger {
    header: HeaderName,
    query: String,
}

enum Answer {
    /// Made once, when the configuration is compiled.
    Fixed(Response),
    Echo(StatusCode, Echo),
}

impl Plugin for RequestTermination {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 2;
    const PHASES: &'static [Phase] = &[Phase::Request];
    type Config = Config;

    fn compile(config: Config, _: &Scope<'_>) -> Result<Self, ConfigError> {
        config.check()?;
        let trigger = config.trigger.as_deref().map(Trigger::new).transpose()?;
        let status = config.status()?;
        let answer = if config.echo {
            Answer::Echo(status, Echo::new(config.message()))
        } else {
            Answer::Fixed(fixed(status, &config)?)
        };
        Ok(Self { trigger, answer })
    }
}

#[async_trait]
impl Handler for RequestTermination {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        if self.trigger.as_ref().is_some_and(|trigger| !trigger.is_in(request)) {
            return Ok(Flow::Continue);
        }
        Ok(Flow::Respond(match &self.answer {
            Answer::Fixed(response) => response.clone(),
            Answer::Echo(status, echo) => {
                let body = echo.body(request, cx).await?;
                Response::new(*status).with_header(CONTENT_TYPE, JSON).with_body(body)
            }
        }))
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        Ok(self.on_request(request, cx).await?.into())
    }
}

impl Trigger {
    fn new(name: &str) -> Result<Self, ConfigError> {
        let header = header_name(name).map_err(|reason| ConfigError::new("trigger", reason))?;
        Ok(Self { header, query: name.to_owned() })
    }

    fn is_in(&self, request: &Request<'_>) -> bool {
        request.header(&self.header).is_some() || request.query_value(&self.query).is_some()
    }
}

fn fixed(status: StatusCode, config: &Config) -> Result<Response, ConfigError> {
    let response = Response::new(status);
    // HTTP has no body for these, whatever the configuration says.
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(response);
    }
    if let Some(body) = &config.body {
        let response = response.with_body(body.clone());
        let Some(content_type) = &config.content_type else { return Ok(response) };
        let value = HeaderValue::from_bytes(content_type.as_bytes())
            .map_err(|_| ConfigError::new("content_type", "control characters cannot stand in a header"))?;
        return Ok(response.with_header(CONTENT_TYPE, value));
    }
    Ok(match config.message() {
        Some(message) => {
            let body = serde_json::json!({ "message": message }).to_string();
            response.with_header(CONTENT_TYPE, JSON).with_body(body)
        }
        None => response,
    })
}
