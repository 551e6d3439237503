//! Why a request gets no token, and what its client is told.

use http::{HeaderValue, StatusCode, header};
use signet_plugin_api::Response;

/// The texts are those of Kong's plugin: operators search for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("No suitable Authentication method is found: no Bearer token, no Basic Auth, no mTLS, no Key Auth")]
    NothingPresented,
    #[error("Issue with 'client_id' claim retrieval or Kong Consumer. There is no Kong consumer credential")]
    NothingVerified,
    #[error("Issue with 'client_id' claim retrieval or Kong Consumer")]
    NoClientId,
    #[error(
        "Issue with 'client_id' claim retrieval or Kong Consumer. Unable to get '{claim}' claim from the Bearer token"
    )]
    NoClaim { claim: String },
    #[error(
        "Issue with 'client_id' claim retrieval or Kong Consumer. Unable to get the 'Auth token' payload: \
         Inconsistent JWT: unable to get the typical structure Header.Payload.Signature"
    )]
    NotThreeParts,
    #[error(
        "Issue with 'client_id' claim retrieval or Kong Consumer. Unable to get the 'Auth token' payload: \
         Unable to decode JSON from JWT: '{reason}'"
    )]
    NotJson { reason: String },
    #[error(
        "Issue with 'client_id' claim retrieval or Kong Consumer. Unable to decode correctly in base64 the 'Basic Auth'"
    )]
    NotBase64,
}

const MESSAGE: &str = "You are not authorized to access to this service";

impl Refusal {
    /// The 401; only a verbose one says why.
    pub(super) fn respond(&self, verbose: bool) -> Response {
        let body = if verbose {
            serde_json::json!({ "ErrorMessage": MESSAGE, "VerboseMessage": self.to_string() })
        } else {
            serde_json::json!({ "ErrorMessage": MESSAGE })
        };
        Response::new(StatusCode::UNAUTHORIZED)
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .with_body(body.to_string())
    }
}
