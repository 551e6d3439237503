//! The configuration of `openid-connect`, with Kong's names and defaults.

mod at_default;
pub(super) mod kinds;
pub(super) mod review;

use serde::Deserialize;

pub(super) use self::at_default::AT_DEFAULT;
use self::kinds::{AuthMethod, ClientAuth, ClientKey, ConsumerBy, Endpoint, Number, Place, Switch, TokenHeader};
use crate::shared::secret::Secret;

/// `config` of the plugin. A list that is a path leads to a claim inside of claims.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(super) issuer: Option<String>,
    pub(super) auth_methods: Option<Vec<AuthMethod>>,

    // Where credentials stand.
    pub(super) bearer_token_param_type: Option<Vec<Place>>,
    pub(super) bearer_token_cookie_name: Option<String>,
    pub(super) client_credentials_param_type: Option<Vec<Place>>,
    pub(super) password_param_type: Option<Vec<Place>>,
    pub(super) hide_credentials: bool,

    // Who the gateway is at the identity provider: lists of one.
    pub(super) client_id: Option<Vec<Secret>>,
    pub(super) client_secret: Option<Vec<Secret>>,
    pub(super) client_auth: Option<Vec<ClientAuth>>,
    pub(super) client_alg: Option<Vec<String>>,
    pub(super) client_jwk: Option<Vec<ClientKey>>,

    // What is asked, and where.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) audience: Option<Vec<String>>,
    pub(super) extra_jwks_uris: Option<Vec<Endpoint>>,
    pub(super) token_endpoint: Option<Endpoint>,
    pub(super) token_endpoint_auth_method: Option<ClientAuth>,
    pub(super) token_post_args_names: Option<Vec<String>>,
    pub(super) token_post_args_values: Option<Vec<Secret>>,
    pub(super) introspection_endpoint: Option<Endpoint>,
    pub(super) introspection_endpoint_auth_method: Option<ClientAuth>,
    pub(super) introspection_hint: Option<String>,
    pub(super) introspection_token_param_name: Option<String>,
    pub(super) introspection_post_args_names: Option<Vec<String>>,
    pub(super) introspection_post_args_values: Option<Vec<Secret>>,
    pub(super) introspection_check_active: Switch<true>,
    pub(super) introspect_jwt_tokens: bool,
    pub(super) userinfo_endpoint: Option<Endpoint>,
    /// Milliseconds.
    pub(super) timeout: Number<10_000>,
    pub(super) keepalive: Switch<true>,
    pub(super) ssl_verify: bool,
    /// Seconds.
    pub(super) rediscovery_lifetime: Number<30>,

    // Which tokens are good.
    pub(super) verify_signature: Switch<true>,
    pub(super) verify_claims: Switch<true>,
    pub(super) verify_parameters: bool,
    pub(super) ignore_signature: Vec<String>,
    pub(super) enable_hs_signatures: bool,
    pub(super) issuers_allowed: Option<Vec<String>>,
    /// Seconds.
    pub(super) leeway: u64,

    // Who may pass. Of each list one item is enough; the words of an item are needed together.
    pub(super) scopes_required: Option<Vec<String>>,
    pub(super) scopes_claim: Option<Vec<String>>,
    pub(super) audience_required: Option<Vec<String>>,
    pub(super) audience_claim: Option<Vec<String>>,
    pub(super) roles_required: Option<Vec<String>>,
    pub(super) roles_claim: Option<Vec<String>>,
    pub(super) groups_required: Option<Vec<String>>,
    pub(super) groups_claim: Option<Vec<String>>,

    // Who the caller is.
    pub(super) consumer_claim: Option<Vec<String>>,
    pub(super) consumer_by: Option<Vec<ConsumerBy>>,
    pub(super) consumer_optional: bool,
    pub(super) by_username_ignore_case: bool,
    pub(super) credential_claim: Option<Vec<String>>,
    pub(super) authenticated_groups_claim: Option<Vec<String>>,
    pub(super) anonymous: Option<String>,

    // What is remembered; seconds.
    pub(super) cache_ttl: Number<3600>,
    pub(super) cache_ttl_max: Option<u64>,
    pub(super) cache_ttl_min: Option<u64>,
    pub(super) cache_ttl_neg: Option<u64>,
    pub(super) cache_tokens: Switch<true>,
    pub(super) cache_tokens_salt: Option<Secret>,
    pub(super) cache_introspection: Switch<true>,
    pub(super) cache_user_info: Switch<true>,

    // What others are told.
    pub(super) upstream_access_token_header: TokenHeader,
    pub(super) upstream_headers_claims: Option<Vec<String>>,
    pub(super) upstream_headers_names: Option<Vec<String>>,
    pub(super) downstream_headers_claims: Option<Vec<String>>,
    pub(super) downstream_headers_names: Option<Vec<String>>,
    pub(super) unauthorized_error_message: Option<String>,
    pub(super) forbidden_error_message: Option<String>,
    pub(super) display_errors: bool,
    pub(super) expose_error_code: Switch<true>,
    pub(super) run_on_preflight: Switch<true>,
}
