//! From the configuration to what is asked of the provider.

use std::{fmt::Write, sync::Arc, time::Duration};

use signet_plugin_api::{ConfigError, Scope};

use super::{
    answers::{Answers, Digester, Lifetimes},
    client::GatewayClient,
    config::{
        Config,
        kinds::{AuthMethod, ClientAuth},
        review::arguments,
    },
    exchange::{Asking, Exchange},
    issuer::{Demands, Issuer, IssuerSettings},
};
use crate::shared::{
    http::HttpSettings,
    secret::{Secret, fingerprint},
};

/// What is asked of the provider, shared with the configurations before and after this one.
pub(super) fn exchange(config: &Config, scope: &Scope<'_>) -> Result<Arc<Exchange>, ConfigError> {
    let settings = issuer_settings(config)?;
    let client = GatewayClient::new(config, scope)?;
    let token = Asking {
        endpoint: config.token_endpoint.as_ref().map(|endpoint| endpoint.0.clone()),
        auth: config.proof(config.token_endpoint_auth_method)?,
        arguments: arguments(
            "token_post_args",
            config.token_post_args_names.as_deref(),
            config.token_post_args_values.as_deref(),
        )?,
        keep: config.cache_tokens.0,
    };
    let introspection = Asking {
        endpoint: config.introspection_endpoint.as_ref().map(|endpoint| endpoint.0.clone()),
        auth: config.proof(config.introspection_endpoint_auth_method)?,
        arguments: arguments(
            "introspection_post_args",
            config.introspection_post_args_names.as_deref(),
            config.introspection_post_args_values.as_deref(),
        )?,
        keep: config.cache_introspection.0,
    };
    let userinfo = Asking {
        endpoint: config.userinfo_endpoint.as_ref().map(|endpoint| endpoint.0.clone()),
        keep: config.cache_user_info.0,
        ..Asking::default()
    };
    let text = |text: &Option<String>, default: &str| text.clone().unwrap_or_else(|| default.to_owned());
    let scopes = config.scopes.as_ref().map_or_else(|| "openid".to_owned(), |scopes| scopes.join(" "));
    let names = scope.names();
    let issuer = scope.background(&format!("{settings:?}"), || Issuer::new(settings, names));
    let exchange = Exchange {
        issuer,
        client,
        token,
        introspection,
        userinfo,
        scope: scopes,
        audience: config.audience.as_ref().map(|audience| audience.join(" ")),
        token_param: text(&config.introspection_token_param_name, "token"),
        hint: text(&config.introspection_hint, "access_token"),
        active_optional: !config.introspection_check_active.0,
        lifetimes: Lifetimes::new(config),
        digester: Digester::new()?,
        answers: scope.shared("", Answers::new),
    };
    Ok(scope.shared(&content(config, &exchange), || exchange))
}

fn issuer_settings(config: &Config) -> Result<IssuerSettings, ConfigError> {
    let issuer = config.issuer()?;
    let keys = config.extra_jwks_uris.as_deref().unwrap_or_default();
    Ok(IssuerSettings {
        name: issuer.name,
        document: issuer.document,
        extra_keys: keys.iter().map(|endpoint| endpoint.0.clone()).collect(),
        rediscovery: Duration::from_secs(config.rediscovery_lifetime.0),
        demands: demands(config),
        http: HttpSettings {
            verify: config.ssl_verify,
            timeout: Duration::from_millis(config.timeout.0),
            keepalive: config.keepalive.0,
        },
    })
}

/// What `verify_parameters` compares.
fn demands(config: &Config) -> Demands {
    if !config.verify_parameters {
        return Demands::default();
    }
    let has = |method| config.auth_methods.iter().flatten().any(|enabled| *enabled == method);
    let named =
        |list: &[(bool, &'static str)]| list.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| *name).collect();
    let proofs = [config.token_endpoint_auth_method, config.introspection_endpoint_auth_method];
    let usual = config.client_auth.iter().flatten().copied();
    let grants = [(has(AuthMethod::Password), "password"), (has(AuthMethod::ClientCredentials), "client_credentials")];
    let granted = grants.iter().any(|(wanted, _)| *wanted);
    Demands {
        scopes: if granted { config.scopes.clone().unwrap_or_default() } else { Vec::new() },
        grants: named(&grants),
        proofs: proofs.into_iter().flatten().chain(usual).map(ClientAuth::name).collect(),
        endpoints: named(&[
            (has(AuthMethod::Bearer), "jwks_uri"),
            (granted && config.token_endpoint.is_none(), "token_endpoint"),
            (has(AuthMethod::Introspection) && config.introspection_endpoint.is_none(), "introspection_endpoint"),
            (has(AuthMethod::Userinfo) && config.userinfo_endpoint.is_none(), "userinfo_endpoint"),
        ]),
    }
}

/// All that answers depend on, without a secret in it.
fn content(config: &Config, exchange: &Exchange) -> String {
    let secrets = |list: &Option<Vec<Secret>>| {
        let list = list.iter().flatten().map(|secret| fingerprint(secret.expose().as_bytes()));
        list.collect::<Vec<_>>()
    };
    let asking = |asking: &Asking| {
        let arguments = asking.arguments.iter();
        let arguments =
            arguments.map(|(name, value)| (name.clone(), fingerprint(value.as_bytes()))).collect::<Vec<_>>();
        format!("{:?}", (&asking.endpoint, asking.auth, arguments, asking.keep))
    };
    let keys: Vec<_> = config.client_jwk.iter().flatten().map(|key| key.fingerprint).collect();
    let salt = config.cache_tokens_salt.as_ref().map(|salt| fingerprint(salt.expose().as_bytes()));
    let mut text = format!("{:p}", Arc::as_ptr(&exchange.issuer));
    for asked in [&exchange.token, &exchange.introspection, &exchange.userinfo] {
        text += &asking(asked);
    }
    // Writing into a string does not fail.
    let _ = write!(
        text,
        "{:?}{:?}{:?}",
        (secrets(&config.client_id), secrets(&config.client_secret), &config.client_auth, &config.client_alg, keys),
        (&exchange.scope, &exchange.audience, &exchange.token_param, &exchange.hint, exchange.active_optional),
        (exchange.lifetimes, salt),
    );
    text
}
