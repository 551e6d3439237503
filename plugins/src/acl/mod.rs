//! `acl`: who may use a service or route, by the groups that the caller is in.

mod config;
mod roster;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, StatusCode};
use signet_plugin_api::{
    ConfigError, Context, CredentialKind, Flow, Handler, Identity, Phase, Plugin, PluginError, Rehearsal, Request,
    RequestHeader, Response, Scope,
};

use self::{
    config::{Config, Rule},
    roster::{Acls, Listed, Roster},
};
use crate::shared::refusal::Challenges;

const NAME: &str = "acl";

/// The groups of the consumer, for the upstream.
const CONSUMER_GROUPS: &str = "X-Consumer-Groups";

/// The groups that the credential proves, for the upstream.
const AUTHENTICATED_GROUPS: &str = "X-Authenticated-Groups";

/// The compiled plugin.
pub(crate) struct Acl {
    rule: Rule,
    listed: Listed,
    roster: Arc<Roster>,
    hides_groups: bool,
    prefers_authenticated_groups: bool,
    unauthenticated: Response,
    forbidden: Response,
}

/// What a caller gets.
enum Verdict {
    /// Passage, with its groups for the upstream, if it has any.
    Passes(Option<Groups>),
    /// 401: nobody has proven who calls.
    Unauthenticated,
    /// 403
    Forbidden,
}

/// A header of the upstream request.
#[derive(Clone)]
struct Groups {
    name: &'static str,
    value: HeaderValue,
}

impl Plugin for Acl {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 950;
    const PHASES: &'static [Phase] = &[Phase::Request, Phase::UpstreamRequest];
    const CREDENTIALS: &'static [CredentialKind] = &[CredentialKind::of::<Acls>()];
    const CONSUMER_SCOPE: bool = false;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let (rule, names) = config.list()?;
        let acls: Arc<Acls> = scope.credentials()?;
        let roster = acls.roster(&scope.consumers(), config.include_consumer_groups);
        Ok(Self {
            rule,
            listed: Listed::new(names, &roster),
            roster,
            hides_groups: config.hide_groups_header,
            prefers_authenticated_groups: config.always_use_authenticated_groups,
            unauthenticated: Response::error(StatusCode::UNAUTHORIZED, "Unauthorized"),
            forbidden: Response::error(StatusCode::FORBIDDEN, "You cannot consume this service"),
        })
    }
}

#[async_trait]
impl Handler for Acl {
    async fn on_request(&self, _: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        match self.judge(cx.identity()) {
            Verdict::Unauthenticated => {
                return Ok(Flow::Respond(Challenges::added_to(self.unauthenticated.clone(), cx)));
            }
            Verdict::Forbidden => return Ok(Flow::Respond(self.forbidden.clone())),
            Verdict::Passes(None) => {}
            Verdict::Passes(Some(groups)) => cx.insert(groups),
        }
        Ok(Flow::Continue)
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        Ok(self.on_request(request, cx).await?.into())
    }

    /// Only now: a client's own headers of these names have just been removed.
    async fn on_upstream_request(&self, head: &mut RequestHeader, cx: &mut Context) -> Result<(), PluginError> {
        if let Some(Groups { name, value }) = cx.get::<Groups>() {
            head.insert_header(*name, value.clone())?;
        }
        Ok(())
    }
}

impl Acl {
    fn judge(&self, identity: Option<&Identity>) -> Verdict {
        let Some(identity) = identity else { return Verdict::Unauthenticated };
        if let Some(groups) = self.authenticated_groups(identity) {
            return match self.lets_in(self.listed.has_any(groups)) {
                true => Verdict::Passes(self.header(AUTHENTICATED_GROUPS, || joined(groups))),
                false => Verdict::Forbidden,
            };
        }
        let member = identity.consumer.as_ref().and_then(|consumer| self.roster.member(consumer));
        match member {
            Some(member) if self.lets_in(self.listed.has(member)) => {
                Verdict::Passes(self.header(CONSUMER_GROUPS, || member.header.clone()))
            }
            Some(_) => Verdict::Forbidden,
            // Who is in no group is in none that is denied; but it takes a consumer to be in none.
            None if identity.consumer.is_some() && self.rule == Rule::Deny => Verdict::Passes(None),
            None if identity.is_authenticated() => Verdict::Forbidden,
            None => Verdict::Unauthenticated,
        }
    }

    /// The groups that a credential proves count where no consumer has proven who it is, or where they always do.
    fn authenticated_groups<'i>(&self, identity: &'i Identity) -> Option<&'i [Arc<str>]> {
        let by_consumer = identity.consumer.is_some() && identity.is_authenticated();
        identity.groups.as_deref().filter(|_| !by_consumer || self.prefers_authenticated_groups)
    }

    fn lets_in(&self, is_listed: bool) -> bool {
        match self.rule {
            Rule::Allow => is_listed,
            Rule::Deny => !is_listed,
        }
    }

    fn header(&self, name: &'static str, value: impl FnOnce() -> Option<HeaderValue>) -> Option<Groups> {
        if self.hides_groups {
            return None;
        }
        value().map(|value| Groups { name, value })
    }
}

/// A group whose name has a comma would be several to the upstream, and one with control characters cannot be sent.
fn joined(groups: &[Arc<str>]) -> Option<HeaderValue> {
    let mut text = String::new();
    for group in groups.iter().filter(|group| !group.contains(|c: char| c == ',' || c.is_control())) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(group);
    }
    if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}
