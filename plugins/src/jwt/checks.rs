//! The times that a verified token names.

use signet_plugin_api::Claims;

use super::refusal::Refusal;
use crate::shared::{claims::numeric_date, clock::now};

/// `claims_to_verify` and `maximum_expiration`.
pub(super) struct Checks {
    pub(super) exp: bool,
    pub(super) nbf: bool,
    /// Seconds that a token may be valid from now on.
    pub(super) maximum: Option<f64>,
}

impl Checks {
    /// Compares with the clock, whole seconds as in Kong.
    pub(super) fn apply(&self, claims: &Claims) -> Result<(), Refusal> {
        self.apply_at(claims, now() as f64)
    }

    pub(super) fn apply_at(&self, claims: &Claims, now: f64) -> Result<(), Refusal> {
        let not_a_number = Some("must be a number");
        let exp = match numeric_date(claims, "exp") {
            _ if !self.exp => None,
            None => not_a_number,
            Some(exp) => (exp <= now).then_some("token expired"),
        };
        let nbf = match numeric_date(claims, "nbf") {
            _ if !self.nbf => None,
            None => not_a_number,
            Some(nbf) => (nbf > now).then_some("token not valid yet"),
        };
        if exp.is_some() || nbf.is_some() {
            return Err(Refusal::Times { exp, nbf });
        }
        let is_within = |maximum: f64| numeric_date(claims, "exp").is_some_and(|exp| exp - now <= maximum);
        if self.maximum.is_none_or(is_within) {
            Ok(())
        } else {
            Err(Refusal::Times { exp: Some("exceeds maximum allowed expiration"), nbf: None })
        }
    }
}
