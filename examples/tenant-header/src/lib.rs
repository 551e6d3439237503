//! `tenant-header`: tells the upstream which tenant the verified consumer belongs to, as its tags say.

use std::{collections::HashMap, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;
use signet_plugin_api::{
    ConfigError, Consumer, Context, Flow, Handler, HeaderName, HeaderValue, Phase, Plugin, PluginError, Request,
    Response, Scope, StatusCode, async_trait, http::header,
};

#[cfg(test)]
mod tests;

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The header that the upstream reads.
    header: String,
    /// What the tag of a consumer begins with that names its tenant.
    #[schemars(length(min = 1))]
    tag_prefix: String,
    /// The tenant of those who have none; without it they are refused.
    default: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { header: "X-Tenant".to_owned(), tag_prefix: "tenant:".to_owned(), default: None }
    }
}

/// The compiled plugin: a request costs one look-up.
#[derive(Debug)]
pub struct TenantHeader {
    header: HeaderName,
    /// By consumer id.
    tenants: HashMap<Arc<str>, HeaderValue>,
    default: Option<HeaderValue>,
}

impl Plugin for TenantHeader {
    const NAME: &'static str = "tenant-header";
    /// Below every authentication plugin: the consumer has to be known.
    const PRIORITY: u32 = 940;
    const PHASES: &'static [Phase] = &[Phase::Request];
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let header = header_name(&config.header)?;
        let tenants = tenants(&config.tag_prefix, scope)?;
        let default = config.default.map(|tenant| header_value("default", &tenant)).transpose()?;
        if tenants.is_empty() && default.is_none() {
            let reason =
                format!("no consumer has a tag that begins with `{}`: every request is refused", config.tag_prefix);
            scope.warn("tag_prefix", reason);
        }
        Ok(Self { header, tenants, default })
    }
}

#[async_trait]
impl Handler for TenantHeader {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let Some(tenant) = self.tenant(cx) else {
            return Ok(Flow::Respond(Response::error(StatusCode::FORBIDDEN, "You belong to no tenant")));
        };
        // In place of all that the client sent under this name.
        request.head_mut().insert_header(self.header.clone(), tenant.clone())?;
        Ok(Flow::Continue)
    }
}

impl TenantHeader {
    /// An anonymous consumer is nobody's tenant: nothing was verified.
    fn tenant(&self, cx: &Context) -> Option<&HeaderValue> {
        let verified = cx.consumer().filter(|_| cx.is_authenticated());
        verified.and_then(|consumer| self.tenants.get(&consumer.id)).or(self.default.as_ref())
    }
}

fn header_name(name: &str) -> Result<HeaderName, ConfigError> {
    let wrong = |reason: String| ConfigError::new("header", reason);
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(format!("`{name}` is not a header name")))?;
    // A request whose framing or target a plugin overwrites is another request.
    if [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
        return Err(wrong(format!("`{name}` is the gateway's own")));
    }
    Ok(name)
}

fn header_value(field: &str, tenant: &str) -> Result<HeaderValue, ConfigError> {
    if tenant.trim().is_empty() {
        return Err(ConfigError::new(field, "a tenant needs a name"));
    }
    HeaderValue::from_str(tenant).map_err(|_| ConfigError::new(field, format!("`{tenant}` cannot stand in a header")))
}

/// The tenant of every consumer that has one.
fn tenants(prefix: &str, scope: &Scope<'_>) -> Result<HashMap<Arc<str>, HeaderValue>, ConfigError> {
    if prefix.is_empty() {
        return Err(ConfigError::new("tag_prefix", "must not be empty: every tag would be a tenant"));
    }
    let consumers = scope.consumers();
    let mut tenants = HashMap::new();
    for consumer in consumers.iter() {
        let mut tags = consumer.tags.iter().filter_map(|tag| tag.strip_prefix(prefix));
        match (tags.next(), tags.next()) {
            (None, _) => {}
            (Some(tenant), None) => {
                tenants.insert(Arc::clone(&consumer.id), header_value("tag_prefix", tenant)?);
            }
            (Some(_), Some(_)) => {
                let reason = format!("consumer `{}` has more than one tag that begins with `{prefix}`", name(consumer));
                return Err(ConfigError::new("tag_prefix", reason));
            }
        }
    }
    Ok(tenants)
}

fn name(consumer: &Consumer) -> &str {
    consumer.username.as_deref().or(consumer.custom_id.as_deref()).unwrap_or(&consumer.id)
}
