//! What an identity provider is asked about a credential: introspection, user info, and grants.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use signet_plugin_api::Claims;
use zeroize::Zeroizing;

use super::{
    answers::{Answer, Answers, Digest, Digester, Digestible, Lifetimes, Verdict},
    client::{GatewayClient, basic_header},
    config::kinds::ClientAuth,
    form::Form,
    issuer::{Issuer, Known},
    trouble::Trouble,
};
use crate::shared::{
    claims::numeric_date,
    clock::now,
    http::{Answer as HttpAnswer, Question},
};

/// How one of the provider's endpoints is asked.
#[derive(Default)]
pub(super) struct Asking {
    /// In place of the one of its document.
    pub(super) endpoint: Option<Uri>,
    pub(super) auth: Option<ClientAuth>,
    /// More parameters.
    pub(super) arguments: Vec<(String, String)>,
    /// Whether answers are remembered.
    pub(super) keep: bool,
}

/// Everything that is asked for one configuration. It survives a reload that leaves the configuration as it was.
pub(super) struct Exchange {
    pub(super) issuer: Arc<Issuer>,
    pub(super) client: Option<GatewayClient>,
    pub(super) token: Asking,
    pub(super) introspection: Asking,
    pub(super) userinfo: Asking,
    /// `scope` and `audience` of grants.
    pub(super) scope: String,
    pub(super) audience: Option<String>,
    pub(super) token_param: String,
    pub(super) hint: String,
    /// Whether `active` may be missing.
    pub(super) active_optional: bool,
    pub(super) lifetimes: Lifetimes,
    pub(super) digester: Digester,
    pub(super) answers: Arc<Answers>,
}

/// A credential that is exchanged for a token.
pub(super) enum Grant {
    Password { username: String, password: Zeroizing<String> },
    Client { id: String, secret: Zeroizing<String> },
}

/// The answer of a token endpoint (RFC 6749, 5.1).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
    id_token: Option<String>,
}

/// Its refusal (RFC 6749, 5.2).
#[derive(Deserialize)]
struct TokenError {
    error: String,
}

impl Exchange {
    /// Whether a token is active (RFC 7662), and what it says.
    pub(super) async fn introspect(&self, known: &Known, token: &str) -> Result<Verdict, Trouble> {
        let digest = self.digester.digest(b'i', &[token.as_bytes()]);
        let ask = self.ask_introspection(known, token);
        self.answers.get(digest, self.introspection.keep, self.lifetimes, ask).await
    }

    /// The claims of the user whose token it is.
    pub(super) async fn user_info(&self, known: &Known, token: &str) -> Result<Verdict, Trouble> {
        let digest = self.digester.digest(b'u', &[token.as_bytes()]);
        self.answers.get(digest, self.userinfo.keep, self.lifetimes, self.ask_user_info(known, token)).await
    }

    /// A token for a credential.
    pub(super) async fn grant(&self, known: &Known, grant: &Grant) -> Result<Verdict, Trouble> {
        let digest = grant.digest(&self.digester);
        self.answers.get(digest, self.token.keep, self.lifetimes, self.ask_for_token(known, grant)).await
    }

    /// The next one who comes with this credential is asked about again.
    pub(super) async fn forget(&self, grant: &Grant) {
        self.answers.forget(&grant.digest(&self.digester)).await;
    }

    async fn ask_introspection(&self, known: &Known, token: &str) -> Result<Verdict, Trouble> {
        let uri = endpoint(&self.introspection, &known.metadata.introspection, "introspection_endpoint")?;
        let mut form = Form::default();
        form.append(&self.token_param, token);
        if !self.hint.is_empty() {
            form.append("token_type_hint", &self.hint);
        }
        self.introspection.add_arguments(&mut form);
        let authorization = self.prove(known, &self.introspection, &uri, &mut form).await?;
        let answer = self.post(uri, authorization, form).await?;
        match answer.status {
            StatusCode::OK => {}
            // The form is right: it is the token that the provider does not take. 401 and 403 are about the gateway.
            StatusCode::BAD_REQUEST => return Ok(Verdict::Bad("the introspection endpoint refuses the token")),
            status => return Err(Trouble::new(format!("the introspection endpoint answered {status}"))),
        }
        let claims = claims(&answer, "introspection")?;
        let active = claims.get("active").map(|value| value.get() == "true");
        Ok(match active {
            Some(false) => Verdict::Bad("the token is not active"),
            None if !self.active_optional => Verdict::Bad("the answer does not say that the token is active"),
            Some(true) | None => self.good(claims),
        })
    }

    async fn ask_user_info(&self, known: &Known, token: &str) -> Result<Verdict, Trouble> {
        let uri = endpoint(&self.userinfo, &known.metadata.userinfo, "userinfo_endpoint")?;
        let mut bearer = match HeaderValue::from_str(&format!("Bearer {token}")) {
            Ok(bearer) => bearer,
            Err(_) => return Ok(Verdict::Bad("the token cannot stand in a header")),
        };
        bearer.set_sensitive(true);
        let answer = self.issuer.http.ask(Question { authorization: Some(bearer), ..Question::get(uri) }).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Ok(Verdict::Bad("the user info endpoint refuses the token"));
            }
            status => return Err(Trouble::new(format!("the user info endpoint answered {status}"))),
        }
        let claims = claims(&answer, "user info")?;
        Ok(if claims.get("sub").is_some() { self.good(claims) } else { Verdict::Bad("the user info names nobody") })
    }

    async fn ask_for_token(&self, known: &Known, grant: &Grant) -> Result<Verdict, Trouble> {
        let uri = endpoint(&self.token, &known.metadata.token, "token_endpoint")?;
        let mut form = Form::default();
        let authorization = match grant {
            Grant::Password { username, password } => {
                form.append("grant_type", "password");
                form.append("username", username).append("password", password);
                self.prove(known, &self.token, &uri, &mut form).await?
            }
            Grant::Client { id, secret } => {
                form.append("grant_type", "client_credentials");
                self.prove_caller(known, id, secret, &mut form)
            }
        };
        if !self.scope.is_empty() {
            form.append("scope", &self.scope);
        }
        if let Some(audience) = &self.audience {
            form.append("audience", audience);
        }
        self.token.add_arguments(&mut form);
        let answer = self.post(uri, authorization, form).await?;
        self.granted(grant, &answer)
    }

    fn granted(&self, grant: &Grant, answer: &HttpAnswer) -> Result<Verdict, Trouble> {
        match answer.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                return Err(Trouble::new(format!("the token endpoint answered {}", answer.status)));
            }
            status if status.is_client_error() => {
                let code = serde_json::from_slice::<TokenError>(&answer.body).map(|body| body.error);
                let code = code.unwrap_or_default().chars().take(64).collect::<String>();
                let is_ours =
                    matches!(code.as_str(), "invalid_client" | "unauthorized_client" | "unsupported_grant_type");
                if is_ours && matches!(grant, Grant::Password { .. }) {
                    return Err(Trouble::new(format!("the token endpoint refuses the gateway's own client: {code}")));
                }
                tracing::info!(%status, code, "the token endpoint refuses a credential");
                return Ok(Verdict::Bad("the token endpoint refuses the credentials"));
            }
            status => return Err(Trouble::new(format!("the token endpoint answered {status}"))),
        }
        let granted: TokenAnswer = serde_json::from_slice(&answer.body)
            .map_err(|error| Trouble::new(format!("the token endpoint's answer is not readable: {error}")))?;
        if granted.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(Trouble::new("the token endpoint gave a token of another type than Bearer"));
        }
        let expires_in = granted.expires_in.as_ref().and_then(seconds);
        Ok(Verdict::Good(Arc::new(Answer {
            claims: Arc::default(),
            access_token: Some(Zeroizing::new(granted.access_token)),
            id_token: granted.id_token,
            until: now().saturating_add(self.lifetimes.of(expires_in)),
        })))
    }

    /// The gateway proves who it is.
    async fn prove(
        &self,
        known: &Known,
        asking: &Asking,
        uri: &Uri,
        form: &mut Form,
    ) -> Result<Option<HeaderValue>, Trouble> {
        let Some(client) = &self.client else { return Ok(None) };
        let proof = client.prove(asking.auth, known.metadata.basic, &uri.to_string(), form).await;
        proof.map_err(|error| Trouble::new(error.to_string()))
    }

    /// The caller's own id and secret go on as the provider takes them.
    fn prove_caller(&self, known: &Known, id: &str, secret: &str, form: &mut Form) -> Option<HeaderValue> {
        let basic = match self.token.auth {
            Some(ClientAuth::SecretPost) => false,
            Some(ClientAuth::SecretBasic) => true,
            _ => known.metadata.basic,
        };
        if basic {
            return basic_header(id, secret);
        }
        form.append("client_id", id).append("client_secret", secret);
        None
    }

    async fn post(&self, uri: Uri, authorization: Option<HeaderValue>, form: Form) -> Result<HttpAnswer, Trouble> {
        let question = Question::post(uri, "application/x-www-form-urlencoded", form);
        Ok(self.issuer.http.ask(Question { authorization, ..question }).await?)
    }

    fn good(&self, claims: Claims) -> Verdict {
        let now = now();
        let expires_in = numeric_date(&claims, "exp").map(|exp| (exp as u64).saturating_sub(now));
        Verdict::Good(Arc::new(Answer {
            claims: Arc::new(claims),
            access_token: None,
            id_token: None,
            until: now.saturating_add(self.lifetimes.of(expires_in)),
        }))
    }
}

impl Asking {
    fn add_arguments(&self, form: &mut Form) {
        for (name, value) in &self.arguments {
            form.append(name, value);
        }
    }
}

impl Digestible for Grant {
    fn digest(&self, digester: &Digester) -> Digest {
        match self {
            Self::Password { username, password } => digester.digest(b'p', &[username.as_bytes(), password.as_bytes()]),
            Self::Client { id, secret } => digester.digest(b'c', &[id.as_bytes(), secret.as_bytes()]),
        }
    }
}

fn endpoint(asking: &Asking, discovered: &Option<Uri>, name: &str) -> Result<Uri, Trouble> {
    let uri = asking.endpoint.as_ref().or(discovered.as_ref()).cloned();
    uri.ok_or_else(|| Trouble::new(format!("the identity provider has no `{name}`")))
}

fn claims(answer: &HttpAnswer, what: &str) -> Result<Claims, Trouble> {
    Claims::parse_unique(&answer.body).map_err(|error| Trouble::new(format!("the {what} is no JSON object: {error}")))
}

/// `expires_in` is a number; some providers write it as text.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
