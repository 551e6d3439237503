//! `key-auth`: an API key in a header, in the query or in the body.

mod config;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use http::{Method, StatusCode, header::WWW_AUTHENTICATE};
use signet_plugin_api::{
    ConfigError, Context, CredentialKind, Flow, Handler, Phase, Plugin, PluginError, Rehearsal, Request, Response,
    Scope,
};

use self::config::{ApiKey, Config, KeyName, Keys};
use crate::shared::{
    body::{Fields, Presented},
    refusal::{Fallback, challenge},
    secret::PresentedKey,
};

const NAME: &str = "key-auth";

/// The compiled plugin.
pub(crate) struct KeyAuth {
    keys: Arc<Keys>,
    names: Vec<KeyName>,
    in_header: bool,
    in_query: bool,
    in_body: bool,
    hide_credentials: bool,
    run_on_preflight: bool,
    fallback: Fallback,
    missing: Response,
    duplicate: Response,
    unknown: Response,
}

impl Plugin for KeyAuth {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 1250;
    const PHASES: &'static [Phase] = &[Phase::Request];
    const CREDENTIALS: &'static [CredentialKind] = &[CredentialKind::of::<Keys>()];
    const CONSUMER_SCOPE: bool = false;
    const AUTHENTICATES: bool = true;
    // Konnect writes it into its dumps: the consumers of the file itself.
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[("identity_realms", "[{scope: cp}]")];
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let challenge = challenge("Key", config.realm.as_deref())?;
        let refusal = |message: &'static str| {
            Response::error(StatusCode::UNAUTHORIZED, message).with_header(WWW_AUTHENTICATE, challenge.clone())
        };
        if !(config.key_in_header || config.key_in_query || config.key_in_body) {
            scope.warn("key_in_header", "neither header nor query nor body is searched: no key is ever accepted");
        }
        let names = config.names()?;
        for name in &names {
            scope.conceal(&name.field);
            name.headers.iter().for_each(|header| scope.conceal(header.as_str()));
        }
        Ok(Self {
            keys: scope.credentials()?,
            names,
            in_header: config.key_in_header,
            in_query: config.key_in_query,
            in_body: config.key_in_body,
            hide_credentials: config.hide_credentials,
            run_on_preflight: config.run_on_preflight,
            fallback: Fallback::new(NAME, scope.anonymous(config.anonymous.as_deref())?),
            missing: refusal("No API key found in request"),
            duplicate: refusal("Duplicate API key found"),
            unknown: refusal("Unauthorized"),
        })
    }
}

#[async_trait]
impl Handler for KeyAuth {
    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        let is_exempt = !self.run_on_preflight && request.method() == Method::OPTIONS;
        if is_exempt || self.fallback.is_settled(cx) {
            return Ok(Flow::Continue);
        }
        match self.authenticate(request).await? {
            Ok((key, presented)) => {
                cx.authenticate(key.identity.clone());
                cx.insert(presented);
                Ok(Flow::Continue)
            }
            Err(refusal) => Ok(self.fallback.refuse(refusal, cx)),
        }
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        Ok(self.on_request(request, cx).await?.into())
    }
}

impl KeyAuth {
    /// The first name that is there decides, even when its value is empty or wrong.
    async fn authenticate(&self, request: &mut Request<'_>) -> Result<Verdict<'_>, PluginError> {
        let mut body = None;
        for name in &self.names {
            let mut verdict = self.judge(self.in_head(name, request));
            if verdict.is_none() && self.in_body {
                verdict = self.judge(fields(&mut body, request).await.get(&name.field));
            }
            if let Some(verdict) = verdict {
                if self.hide_credentials {
                    self.hide(name, request, &mut body).await?;
                }
                return Ok(verdict);
            }
        }
        Ok(Err(&self.missing))
    }

    fn in_head<'r>(&self, name: &KeyName, request: &'r Request<'_>) -> Presented<'r> {
        if self.in_header {
            for header in &name.headers {
                let values = request.head().headers.get_all(header).iter();
                match Presented::of(values.map(|value| Cow::Borrowed(value.as_bytes()))) {
                    Presented::Absent => {}
                    presented => return presented,
                }
            }
        }
        if !self.in_query {
            return Presented::Absent;
        }
        Presented::of(request.query_pairs().filter(|(key, _)| *key == name.field).map(|(_, value)| match value {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }))
    }

    fn judge(&self, presented: Presented<'_>) -> Option<Verdict<'_>> {
        match presented {
            Presented::Absent => None,
            Presented::Twice => Some(Err(&self.duplicate)),
            Presented::Once(key) if key.is_empty() => Some(Err(&self.missing)),
            Presented::Once(key) => Some(self.find(key).ok_or(&self.unknown)),
        }
    }

    /// The keys of a file are UTF-8, and so is what equals one.
    fn find(&self, key: Cow<'_, [u8]>) -> Option<(&ApiKey, PresentedKey)> {
        let known = self.keys.find(&key)?;
        let text = String::from_utf8(key.into_owned()).ok()?;
        Some((known, PresentedKey::new(text)))
    }

    /// Takes the name away wherever the plugin might have read it, so that a second copy does not go upstream either.
    async fn hide(
        &self,
        name: &KeyName,
        request: &mut Request<'_>,
        body: &mut Option<Fields>,
    ) -> Result<(), PluginError> {
        for header in &name.headers {
            request.head_mut().remove_header(header);
        }
        request.remove_query(&name.field)?;
        if self.in_body
            && let Some(rest) = fields(body, request).await.without(&[&name.field])
        {
            request.set_body(rest);
        }
        Ok(())
    }
}

/// An accepted key with its text, or the answer.
type Verdict<'a> = Result<(&'a ApiKey, PresentedKey), &'a Response>;

/// The fields of the body, read when they are first asked for.
async fn fields<'f>(body: &'f mut Option<Fields>, request: &mut Request<'_>) -> &'f Fields {
    match body {
        Some(fields) => fields,
        None => body.insert(Fields::of(request).await),
    }
}
