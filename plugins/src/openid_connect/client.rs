//! How the gateway proves to an identity provider who it is (OpenID Connect Core, 9).

use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::byte_serialize;
use http::HeaderValue;
use signet_keys::{Algorithm, PrivateKey};
use signet_plugin_api::{ConfigError, Scope, SigningFailed, SigningKey, WorkPool};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    config::{Config, kinds::ClientAuth},
    form::Form,
};
use crate::shared::{clock, jose::append_part};

/// How long an assertion is good, in seconds: it is made for one question.
const ASSERTION_LIFETIME: u64 = 60;

/// The client that the gateway is at the identity provider.
pub(super) struct GatewayClient {
    id: String,
    secret: Option<Zeroizing<String>>,
    /// Signs assertions.
    key: Option<SigningKey>,
    pool: WorkPool,
}

/// No assertion could be signed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the assertion of the client cannot be signed")]
pub(super) struct NoAssertion;

impl GatewayClient {
    /// From `client_id` and its kin; nothing without an id.
    pub(super) fn new(config: &Config, scope: &Scope<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(id) = config.client_id.as_ref().and_then(|ids| ids.first()) else { return Ok(None) };
        let secret = config.client_secret.as_ref().and_then(|secrets| secrets.first());
        let key = config.client_jwk.as_ref().and_then(|keys| keys.first());
        let alg = config.client_alg.as_ref().and_then(|algs| algs.first()).map(String::as_str);
        let uses = |method| {
            [config.client_auth.as_ref().and_then(|list| list.first()).copied()]
                .into_iter()
                .chain([config.token_endpoint_auth_method, config.introspection_endpoint_auth_method])
                .any(|used| used == Some(method))
        };
        let key = match (key, secret) {
            (_, Some(secret)) if uses(ClientAuth::SecretJwt) => {
                Some(shared_secret(alg, secret.expose().as_bytes(), scope)?)
            }
            (Some(key), _) => {
                let key = key.key.signing_key("client_jwk[0]", scope)?;
                if alg.is_some_and(|alg| alg != key.signer.alg()) {
                    return Err(ConfigError::new("client_alg", "is not the algorithm (`alg`) of `client_jwk`"));
                }
                Some(key)
            }
            _ => None,
        };
        let secret = secret.map(|secret| Zeroizing::new(secret.expose().to_owned()));
        Ok(Some(Self { id: id.expose().to_owned(), secret, key, pool: scope.signing_pool() }))
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Adds the proof to a form, or gives the header that is one. `audience` is the endpoint that is asked.
    pub(super) async fn prove(
        &self,
        method: Option<ClientAuth>,
        basic: bool,
        audience: &str,
        form: &mut Form,
    ) -> Result<Option<HeaderValue>, NoAssertion> {
        match (method.unwrap_or_else(|| self.usual(basic)), &self.secret) {
            (ClientAuth::SecretBasic, Some(secret)) => return Ok(basic_header(&self.id, secret)),
            (ClientAuth::SecretPost, Some(secret)) => {
                form.append("client_id", &self.id).append("client_secret", secret);
            }
            (ClientAuth::SecretJwt | ClientAuth::PrivateKeyJwt, _) => {
                form.append("client_id", &self.id)
                    .append("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .append("client_assertion", &self.assertion(audience).await?);
            }
            (ClientAuth::None | ClientAuth::SecretBasic | ClientAuth::SecretPost, _) => {
                form.append("client_id", &self.id);
            }
        }
        Ok(None)
    }

    fn usual(&self, basic: bool) -> ClientAuth {
        match (&self.secret, &self.key) {
            (Some(_), _) if basic => ClientAuth::SecretBasic,
            (Some(_), _) => ClientAuth::SecretPost,
            (None, Some(_)) => ClientAuth::PrivateKeyJwt,
            (None, None) => ClientAuth::None,
        }
    }

    async fn assertion(&self, audience: &str) -> Result<String, NoAssertion> {
        let SigningKey { signer, kid } = self.key.clone().ok_or(NoAssertion)?;
        let now = clock::now();
        let kid = kid.map_or_else(String::new, |kid| format!(",\"kid\":{kid}"));
        let header = format!("{{\"typ\":\"JWT\",\"alg\":\"{}\"{kid}}}", signer.alg());
        let claims = serde_json::json!({
            "iss": self.id, "sub": self.id, "aud": audience, "jti": Uuid::new_v4().to_string(),
            "iat": now, "exp": now.saturating_add(ASSERTION_LIFETIME),
        });
        let mut token = Vec::new();
        append_part(header.as_bytes(), &mut token);
        token.push(b'.');
        append_part(claims.to_string().as_bytes(), &mut token);
        let sign = move || {
            let mut signature = Vec::new();
            signer.sign(&token, &mut signature)?;
            token.push(b'.');
            append_part(&signature, &mut token);
            Ok::<_, SigningFailed>(token)
        };
        let token = self.pool.run(sign).await.map_err(|_| NoAssertion)?.map_err(|_| NoAssertion)?;
        String::from_utf8(token).map_err(|_| NoAssertion)
    }
}

/// `client_secret_basic`: both parts are form-encoded before they are joined (RFC 6749, 2.3.1). Nothing if that is no header.
pub(super) fn basic_header(id: &str, secret: &str) -> Option<HeaderValue> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(id), encode(secret)));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn shared_secret(alg: Option<&str>, secret: &[u8], scope: &Scope<'_>) -> Result<SigningKey, ConfigError> {
    let alg = alg.unwrap_or("HS256");
    let Some(algorithm) = Algorithm::parse(alg).filter(|algorithm| algorithm.is_symmetric()) else {
        let reason = format!("`{alg}` does not go with `client_secret_jwt`; HS256, HS384 or HS512");
        return Err(ConfigError::new("client_alg", reason));
    };
    let signer = PrivateKey::from_secret(algorithm, secret)
        .and_then(|key| key.signer(scope.signing_backend()))
        .map_err(|error| ConfigError::new("client_secret", error.to_string()))?;
    Ok(SigningKey { kid: None, signer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_a_basic_header_are_encoded() {
        let header = basic_header("a:b", "p@ss w%rd").expect("a header");
        let encoded = header.to_str().expect("ASCII").strip_prefix("Basic ").expect("Basic").to_owned();
        assert_eq!(STANDARD.decode(encoded).expect("base64"), b"a%3Ab:p%40ss+w%25rd");
        assert!(header.is_sensitive());
    }
}
