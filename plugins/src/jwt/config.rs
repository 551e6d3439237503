//! The configuration of `jwt`.

use serde::Deserialize;
use signet_plugin_api::{ConfigError, Scope};

use super::{checks::Checks, presented::Places, secrets::Secrets};
use crate::shared::names::header_name;

/// Kong's upper bound of `maximum_expiration`: a year, in seconds.
const YEAR: f64 = 31_536_000.0;

/// `config` of the plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    uri_param_names: Vec<String>,
    cookie_names: Vec<String>,
    header_names: Vec<String>,
    pub(super) key_claim_name: String,
    pub(super) secret_is_base64: bool,
    claims_to_verify: Vec<Claim>,
    pub(super) anonymous: Option<String>,
    pub(super) run_on_preflight: bool,
    /// Seconds; 0 is no bound.
    maximum_expiration: f64,
    pub(super) realm: Option<String>,
}

/// A claim that can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Claim {
    Exp,
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
