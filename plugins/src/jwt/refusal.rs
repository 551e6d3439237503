//! Kong's answers to who has no right token.

use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;
use signet_plugin_api::{Busy, ConfigError, Response};

use crate::shared::{jws::Malformed, refusal::challenge, verification::BadSignature};

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no token.
    Nothing,
    /// There are different ones.
    Several,
    Malformed(Malformed),
    /// The claim that names the credential is not there.
    NoKey,
    /// It is empty, or no string.
    InvalidKey,
    UnknownKey,
    /// The token's is not the credential's.
    Algorithm,
    /// The credential's secret is not what the plugin expects.
    Secret,
    Signature,
    /// What is wrong with these claims.
    Times {
        exp: Option<&'static str>,
        nbf: Option<&'static str>,
    },
    /// The threads that verify have too much to do.
    Busy,
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<BadSignature> for Refusal {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// Makes the answers of one configuration.
pub(super) struct Refusals {
    /// `WWW-Authenticate` where there was no token, and where there was a wrong one.
    challenges: [HeaderValue; 2],
    key_claim_name: String,
}

impl Refusals {
    pub(super) fn new(realm: Option<&str>, key_claim_name: String) -> Result<Self, ConfigError> {
        let plain = challenge("Bearer", realm)?;
        // Kong 3.9 writes no comma behind the realm.
        let with_error = HeaderValue::from_bytes(&[plain.as_bytes(), br#" error="invalid_token""#].concat())
            .map_err(|_| ConfigError::new("realm", "cannot stand in a header"))?;
        Ok(Self { challenges: [plain, with_error], key_claim_name })
    }

    /// 401 with a compact body that is always JSON and has no request id.
    pub(super) fn respond(&self, refusal: &Refusal) -> Response {
        let [plain, with_error] = &self.challenges;
        let challenge = if *refusal == Refusal::Nothing { plain } else { with_error };
        Response::new(StatusCode::UNAUTHORIZED)
            .with_header(WWW_AUTHENTICATE, challenge.clone())
            .with_header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
            .with_body(Bytes::from(self.body(refusal)))
    }

    fn body(&self, refusal: &Refusal) -> String {
        let claim = &self.key_claim_name;
        let message = match refusal {
            Refusal::Times { exp, nbf } => {
                let wrong = [("exp", exp), ("nbf", nbf)].into_iter().filter_map(|(name, text)| Some((name, (*text)?)));
                return json!(wrong.collect::<std::collections::BTreeMap<_, _>>()).to_string();
            }
            Refusal::Nothing => "Unauthorized".to_owned(),
            Refusal::Several => "Multiple tokens provided".to_owned(),
            Refusal::Malformed(malformed) => format!("Bad token; {malformed}"),
            Refusal::NoKey => format!("No mandatory '{claim}' in claims"),
            Refusal::InvalidKey => format!("Invalid '{claim}' in claims"),
            Refusal::UnknownKey => format!("No credentials found for given '{claim}'"),
            Refusal::Algorithm => "Invalid algorithm".to_owned(),
            Refusal::Secret => "Invalid key/secret".to_owned(),
            Refusal::Signature => "Invalid signature".to_owned(),
            Refusal::Busy => "Service Unavailable".to_owned(),
        };
        json!({ "message": message }).to_string()
    }
}
