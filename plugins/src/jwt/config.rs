//! The configuration of `jwt`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signet_plugin_api::{ConfigError, Scope};

use super::{checks::Checks, presented::Places, secrets::Secrets};
use crate::shared::names::header_name;

/// Kong's upper bound of `maximum_expiration`: a year, in seconds.
const YEAR: f64 = 31_536_000.0;

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Parameters of the query in which a token is looked for.
    uri_param_names: Vec<String>,
    /// Cookies in which a token is looked for.
    cookie_names: Vec<String>,
    /// Headers in which a token is looked for, after `Bearer`.
    header_names: Vec<String>,
    /// The claim (or member of the JOSE header) that names the credential.
    #[schemars(length(min = 1))]
    pub(super) key_claim_name: String,
    /// Whether the secrets of the credentials are base64.
    pub(super) secret_is_base64: bool,
    /// The claims that have to be there and right.
    claims_to_verify: Vec<Claim>,
    /// The consumer, by id or user name, that a request without a credential is taken for. Without one it is refused.
    pub(super) anonymous: Option<String>,
    /// Whether requests with the method OPTIONS need a credential, too.
    pub(super) run_on_preflight: bool,
    /// How many seconds ahead a token may expire; 0 is no bound.
    #[schemars(range(min = 0.0, max = YEAR))]
    maximum_expiration: f64,
    /// The realm in `WWW-Authenticate`; none by default.
    pub(super) realm: Option<String>,
}

/// A claim that can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Claim {
    /// The token has not expired.
    Exp,
    /// The token counts already.
    Nbf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            uri_param_names: vec!["jwt".to_owned()],
            cookie_names: Vec::new(),
            header_names: vec!["authorization".to_owned()],
            key_claim_name: "iss".to_owned(),
            secret_is_base64: false,
            claims_to_verify: Vec::new(),
            anonymous: None,
            run_on_preflight: true,
            maximum_expiration: 0.0,
            realm: None,
        }
    }
}

impl Config {
    /// What serde cannot tell, and what is legal but unwise.
    pub(super) fn review(&self, secrets: &Secrets, scope: &Scope<'_>) -> Result<(), ConfigError> {
        if self.key_claim_name.is_empty() {
            return Err(ConfigError::new("key_claim_name", "must not be empty"));
        }
        if !(0.0..=YEAR).contains(&self.maximum_expiration) {
            return Err(ConfigError::new("maximum_expiration", "must be a number of seconds from 0 to 31536000"));
        }
        if self.maximum_expiration > 0.0 && !self.verifies(Claim::Exp) {
            return Err(ConfigError::new("claims_to_verify", "must contain `exp` where `maximum_expiration` is set"));
        }
        if !self.verifies(Claim::Exp) {
            scope.warn("claims_to_verify", "without `exp` in it a token is accepted for ever");
        }
        if self.uri_param_names.is_empty() && self.cookie_names.is_empty() && self.header_names.is_empty() {
            scope.warn("header_names", "neither header nor query nor cookies are searched: no token is ever accepted");
        }
        if self.secret_is_base64 && secrets.not_base64() > 0 {
            let reason = format!("secrets that are not base64: {}; their tokens are refused", secrets.not_base64());
            scope.warn("secret_is_base64", reason);
        }
        Ok(())
    }

    /// Where tokens are looked for.
    pub(super) fn places(&self) -> Result<Places, ConfigError> {
        let headers = self.header_names.iter().enumerate().map(|(at, name)| {
            header_name(name).map_err(|reason| ConfigError::new(format!("header_names[{at}]"), reason))
        });
        for (at, name) in self.cookie_names.iter().enumerate() {
            if name.is_empty() || name.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '=' | ';' | ',' | '"')) {
                let reason = format!("`{name}` is not the name of a cookie");
                return Err(ConfigError::new(format!("cookie_names[{at}]"), reason));
            }
        }
        Ok(Places {
            parameters: self.uri_param_names.clone(),
            cookies: self.cookie_names.clone(),
            headers: headers.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn checks(&self) -> Checks {
        Checks {
            exp: self.verifies(Claim::Exp),
            nbf: self.verifies(Claim::Nbf),
            maximum: (self.maximum_expiration > 0.0).then_some(self.maximum_expiration),
        }
    }

    fn verifies(&self, claim: Claim) -> bool {
        self.claims_to_verify.contains(&claim)
    }
}
