//! `mtls-auth`: a client certificate whose chain leads to a trusted authority.

mod config;
mod mapping;
mod revocation;
mod subject;
#[cfg(test)]
mod tests;
mod trust;
mod verdict;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, StatusCode};
use signet_plugin_api::{
    CaCertificate, CertificateRequest, ClientCertificate, ConfigError, Context, CredentialKind, Flow, Handler, Phase,
    Plugin, PluginError, Rehearsal, Request, RequestHeader, Response, Scope,
};

use self::{
    config::Config,
    mapping::Mappings,
    revocation::Revocations,
    trust::Trust,
    verdict::{Callers, Judge, Proven},
};
use crate::shared::{names::remove_lookalikes, refusal::Fallback};

const NAME: &str = "mtls-auth";

const CERTIFICATE_SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-dn");
const CERTIFICATE_ALTERNATIVES: HeaderName = HeaderName::from_static("x-client-cert-san");

/// The compiled plugin.
pub(crate) struct MtlsAuth {
    judge: Judge,
    request: CertificateRequest,
    fallback: Fallback,
    missing: Response,
    untrusted: Response,
    misdirected: Response,
}

impl Plugin for MtlsAuth {
    const NAME: &'static str = NAME;
    const PRIORITY: u32 = 1600;
    const PHASES: &'static [Phase] = &[Phase::Request];
    const CREDENTIALS: &'static [CredentialKind] = &[CredentialKind::of::<Mappings>()];
    const AT_DEFAULT: &'static [(&'static str, &'static str)] = &[
        ("http_proxy_host", "null"),
        ("http_proxy_port", "null"),
        ("https_proxy_host", "null"),
        ("https_proxy_port", "null"),
        ("san_dirname_matcher", "null"),
        ("ssl_verify", "false"),
    ];
    const NULL_IS_MEANT: &'static [&'static str] = &["authenticated_group_by", "consumer_by"];
    const CONSUMER_SCOPE: bool = false;
    const AUTHENTICATES: bool = true;
    type Config = Config;

    fn compile(config: Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        config.review(scope);
        let trust = Trust::new(authorities(&config.ca_certificates, scope)?, config.allow_partial_chain)?;
        let authorities = if config.send_ca_dn { trust.names().to_vec() } else { Vec::new() };
        let mappings: Arc<Mappings> = scope.credentials()?;
        mappings.review(scope)?;
        let (mode, lifetime) = (config.revocation_check_mode, config.verdict_lifetime());
        let revocations = Revocations::new(scope, mode, config.patience(), lifetime, trust.any_purpose());
        let callers = Callers {
            mappings,
            consumers: scope.consumers(),
            consumer_by: config.consumer_by(),
            default_consumer: scope.consumer("default_consumer", config.default_consumer.as_deref())?,
            skip_lookup: config.skip_consumer_lookup,
            group_by: config.authenticated_group_by,
        };
        let unauthorized = |message| Response::error(StatusCode::UNAUTHORIZED, message);
        Ok(Self {
            request: CertificateRequest { authorities },
            fallback: Fallback::new(NAME, scope.anonymous(config.anonymous.as_deref())?),
            judge: Judge::new(trust, revocations, callers, lifetime),
            missing: unauthorized("No required TLS certificate was sent"),
            untrusted: unauthorized("TLS certificate failed verification"),
            misdirected: Response::error(
                StatusCode::MISDIRECTED_REQUEST,
                "This connection was made without a client certificate; make another one for this host",
            ),
        })
    }
}

#[async_trait]
impl Handler for MtlsAuth {
    fn certificate_request(&self) -> Option<&CertificateRequest> {
        Some(&self.request)
    }

    async fn on_request(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Flow, PluginError> {
        remove_claims(request.head_mut());
        if self.fallback.is_settled(cx) {
            return Ok(Flow::Continue);
        }
        let refusal = match request.client().tls.as_deref().map(|connection| &connection.certificate) {
            Some(ClientCertificate::Sent(chain)) => {
                let verdict = self.judge.verdict(chain).await;
                if let Some(proven) = &verdict.caller {
                    accept(proven, request.head_mut(), cx)?;
                    return Ok(Flow::Continue);
                }
                &self.untrusted
            }
            // Also where `anonymous` would do: a browser that shares one connection between hosts tries again on another
            // one, and its user is who the certificate says instead of nobody.
            Some(ClientCertificate::NotAsked) => return Ok(Flow::Respond(self.misdirected.clone())),
            Some(ClientCertificate::None) | None => &self.missing,
        };
        Ok(self.fallback.refuse(refusal, cx))
    }

    async fn rehearse(&self, request: &mut Request<'_>, cx: &mut Context) -> Result<Rehearsal, PluginError> {
        let sent = request.client().tls.as_deref().map(|connection| &connection.certificate);
        if matches!(sent, Some(ClientCertificate::Sent(_))) && self.judge.asks_others() && !self.fallback.is_settled(cx)
        {
            return Ok(Rehearsal::unknown("whether the certificate was revoked, its authority's servers say"));
        }
        Ok(self.on_request(request, cx).await?.into())
    }
}

fn authorities(ids: &[String], scope: &Scope<'_>) -> Result<Vec<Arc<CaCertificate>>, ConfigError> {
    if ids.is_empty() {
        return Err(ConfigError::new("ca_certificates", "without an authority no certificate could be trusted"));
    }
    let authority = |(at, id): (usize, &String)| {
        let reason = || format!("no CA certificate has the id `{id}`; the file's `ca_certificates` must have it");
        scope.ca_certificate(id).ok_or_else(|| ConfigError::new(format!("ca_certificates[{at}]"), reason()))
    };
    ids.iter().enumerate().map(authority).collect()
}

/// What only this plugin may say about a certificate.
fn remove_claims(head: &mut RequestHeader) {
    for name in [&CERTIFICATE_SUBJECT, &CERTIFICATE_ALTERNATIVES] {
        head.remove_header(name);
        remove_lookalikes(head, name.as_ref());
    }
}

fn accept(proven: &Proven, head: &mut RequestHeader, cx: &mut Context) -> Result<(), PluginError> {
    cx.authenticate(proven.identity.clone());
    for (name, value) in [(CERTIFICATE_SUBJECT, &proven.subject), (CERTIFICATE_ALTERNATIVES, &proven.alternatives)] {
        if let Some(value) = value {
            head.insert_header(name, value.clone())?;
        }
    }
    Ok(())
}
