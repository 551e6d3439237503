//! The configuration of `openid-connect`, with Kong's names and defaults.

mod at_default;
pub(super) mod kinds;
pub(super) mod review;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::at_default::AT_DEFAULT;
use self::kinds::{AuthMethod, ClientAuth, ClientKey, ConsumerBy, Endpoint, Number, Place, Switch, TokenHeader};
use crate::shared::secret::Secret;

/// `config` of the plugin. A list that is a path leads to a claim inside of claims.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Who issues the tokens: the URL whose discovery document is read, or that of the document itself.
    pub(super) issuer: Option<String>,
    /// The kinds of credential that may be sent.
    pub(super) auth_methods: Option<Vec<AuthMethod>>,

    // Where credentials stand.
    /// Where an access token may stand.
    pub(super) bearer_token_param_type: Option<Vec<Place>>,
    /// The cookie of an access token.
    pub(super) bearer_token_cookie_name: Option<String>,
    /// Where a client's id and secret may stand.
    pub(super) client_credentials_param_type: Option<Vec<Place>>,
    /// Where a user name and password may stand.
    pub(super) password_param_type: Option<Vec<Place>>,
    /// Whether the credential is taken out of the request before it goes upstream.
    pub(super) hide_credentials: bool,

    // Who the gateway is at the identity provider: lists of one.
    /// Who the gateway is at the identity provider: a list of one.
    pub(super) client_id: Option<Vec<Secret>>,
    /// The gateway's secret at the identity provider: a list of one.
    pub(super) client_secret: Option<Vec<Secret>>,
    /// How the gateway proves who it is: a list of one.
    pub(super) client_auth: Option<Vec<ClientAuth>>,
    /// The algorithm of the gateway's assertions: a list of one.
    pub(super) client_alg: Option<Vec<String>>,
    /// The private key of the gateway's assertions: a list of one.
    pub(super) client_jwk: Option<Vec<ClientKey>>,

    // What is asked, and where.
    /// The scopes that are asked for when a credential is exchanged for a token.
    pub(super) scopes: Option<Vec<String>>,
    /// The audiences that are asked for when a credential is exchanged for a token.
    pub(super) audience: Option<Vec<String>>,
    /// Further places of keys.
    pub(super) extra_jwks_uris: Option<Vec<Endpoint>>,
    /// Where credentials are exchanged; without it, the discovery document says.
    pub(super) token_endpoint: Option<Endpoint>,
    /// How the gateway proves who it is there.
    pub(super) token_endpoint_auth_method: Option<ClientAuth>,
    /// Names of further arguments of that request.
    pub(super) token_post_args_names: Option<Vec<String>>,
    /// Their values, in the same order.
    pub(super) token_post_args_values: Option<Vec<Secret>>,
    /// Where is asked about tokens; without it, the discovery document says.
    pub(super) introspection_endpoint: Option<Endpoint>,
    /// How the gateway proves who it is there.
    pub(super) introspection_endpoint_auth_method: Option<ClientAuth>,
    /// `token_type_hint` of that request.
    pub(super) introspection_hint: Option<String>,
    /// The name of the argument with the token.
    pub(super) introspection_token_param_name: Option<String>,
    /// Names of further arguments of that request.
    pub(super) introspection_post_args_names: Option<Vec<String>>,
    /// Their values, in the same order.
    pub(super) introspection_post_args_values: Option<Vec<Secret>>,
    /// Whether a token has to be `active`.
    pub(super) introspection_check_active: Switch<true>,
    /// Whether it is also asked about JWTs that were verified here.
    pub(super) introspect_jwt_tokens: bool,
    /// Where the caller's claims are fetched; without it, the discovery document says.
    pub(super) userinfo_endpoint: Option<Endpoint>,
    /// How many milliseconds the identity provider may take.
    pub(super) timeout: Number<10_000>,
    /// Whether connections to the identity provider are kept.
    pub(super) keepalive: Switch<true>,
    /// Whether the certificate of the identity provider is verified.
    pub(super) ssl_verify: bool,
    /// For how many seconds the discovery document is not read again.
    pub(super) rediscovery_lifetime: Number<30>,

    // Which tokens are good.
    /// Whether signatures are verified.
    pub(super) verify_signature: Switch<true>,
    /// Whether `iss`, `exp`, `nbf` and the like are verified.
    pub(super) verify_claims: Switch<true>,
    /// Kong's switch for the parameters of its own flows.
    pub(super) verify_parameters: bool,
    /// The kinds of credential whose tokens are taken without a signature.
    pub(super) ignore_signature: Vec<String>,
    /// Whether tokens signed with the gateway's secret are taken.
    pub(super) enable_hs_signatures: bool,
    /// Issuers that tokens may have; without it, that of the discovery document.
    pub(super) issuers_allowed: Option<Vec<String>>,
    /// By how many seconds clocks may differ.
    pub(super) leeway: u64,

    // Who may pass. Of each list one item is enough; the words of an item are needed together.
    /// Scopes of which one item is needed; the words of an item are needed together.
    pub(super) scopes_required: Option<Vec<String>>,
    /// The path to the claim with the scopes.
    pub(super) scopes_claim: Option<Vec<String>>,
    /// Audiences of which one item is needed; the words of an item are needed together.
    pub(super) audience_required: Option<Vec<String>>,
    /// The path to the claim with the audiences.
    pub(super) audience_claim: Option<Vec<String>>,
    /// Roles of which one item is needed; the words of an item are needed together.
    pub(super) roles_required: Option<Vec<String>>,
    /// The path to the claim with the roles.
    pub(super) roles_claim: Option<Vec<String>>,
    /// Groups of which one item is needed; the words of an item are needed together.
    pub(super) groups_required: Option<Vec<String>>,
    /// The path to the claim with the groups.
    pub(super) groups_claim: Option<Vec<String>>,

    // Who the caller is.
    /// The path to the claim that names the consumer.
    pub(super) consumer_claim: Option<Vec<String>>,
    /// The fields of a consumer in which that name is looked for.
    pub(super) consumer_by: Option<Vec<ConsumerBy>>,
    /// Whether a caller who is no consumer passes, too.
    pub(super) consumer_optional: bool,
    /// Whether user names are compared without case.
    pub(super) by_username_ignore_case: bool,
    /// The path to the claim that identifies the credential.
    pub(super) credential_claim: Option<Vec<String>>,
    /// The path to the claim with the groups of the caller.
    pub(super) authenticated_groups_claim: Option<Vec<String>>,
    /// The consumer, by id or user name, that a request without a credential is taken for. Without one it is refused.
    pub(super) anonymous: Option<String>,

    // What is remembered; seconds.
    /// For how many seconds something is remembered whose own end is not known.
    pub(super) cache_ttl: Number<3600>,
    /// The longest, in seconds, that anything is remembered.
    pub(super) cache_ttl_max: Option<u64>,
    /// The shortest, in seconds, that anything is remembered.
    pub(super) cache_ttl_min: Option<u64>,
    /// For how many seconds a refusal is remembered.
    pub(super) cache_ttl_neg: Option<u64>,
    /// Whether tokens that were exchanged are remembered.
    pub(super) cache_tokens: Switch<true>,
    /// Kong's salt of its keys in the cache.
    pub(super) cache_tokens_salt: Option<Secret>,
    /// Whether what was said of tokens is remembered.
    pub(super) cache_introspection: Switch<true>,
    /// Whether claims that were fetched are remembered.
    pub(super) cache_user_info: Switch<true>,

    // What others are told.
    /// The header in which the upstream gets the token; after a colon, the word before it.
    pub(super) upstream_access_token_header: TokenHeader,
    /// Claims that become headers of the request.
    pub(super) upstream_headers_claims: Option<Vec<String>>,
    /// The names of these headers, in the same order.
    pub(super) upstream_headers_names: Option<Vec<String>>,
    /// Claims that become headers of the answer.
    pub(super) downstream_headers_claims: Option<Vec<String>>,
    /// The names of these headers, in the same order.
    pub(super) downstream_headers_names: Option<Vec<String>>,
    /// The message of an answer 401.
    pub(super) unauthorized_error_message: Option<String>,
    /// The message of an answer 403.
    pub(super) forbidden_error_message: Option<String>,
    /// Whether answers say why.
    pub(super) display_errors: bool,
    /// Whether `WWW-Authenticate` has the code of the error.
    pub(super) expose_error_code: Switch<true>,
    /// Whether requests with the method OPTIONS need a credential, too.
    pub(super) run_on_preflight: Switch<true>,
}
