//! What becomes of a request whose credential is not good: the anonymous consumer's, or an answer that says how to do better.

use std::sync::Arc;

use http::{
    HeaderValue, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use signet_plugin_api::{ConfigError, Consumer, Context, Flow, Identity, Response};

/// What `anonymous` makes of a refusal: with it several authentication plugins are alternatives, without it all must accept.
pub(crate) struct Fallback {
    method: &'static str,
    anonymous: Option<Arc<Consumer>>,
}

impl Fallback {
    /// For the plugin `method`.
    pub(crate) fn new(method: &'static str, anonymous: Option<Arc<Consumer>>) -> Self {
        Self { method, anonymous }
    }

    /// Whether the plugin has nothing to do, since an alternative to it has accepted the caller.
    pub(crate) fn is_settled(&self, cx: &Context) -> bool {
        self.anonymous.is_some() && cx.is_authenticated()
    }

    /// Whether a request without a credential goes on.
    pub(crate) fn has_anonymous(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Goes on as the anonymous consumer, or answers `refusal`.
    pub(crate) fn refuse(&self, refusal: &Response, cx: &mut Context) -> Flow {
        match &self.anonymous {
            Some(consumer) => {
                Challenges::keep(refusal, cx);
                cx.authenticate(Identity::anonymous(self.method, Arc::clone(consumer)));
                Flow::Continue
            }
            None => Flow::Respond(refusal.clone()),
        }
    }
}

/// How an anonymous caller could still authenticate: what the plugins that let it pass as such would have asked for. A 401
/// has to say it (RFC 9110, 15.5.2), whoever gives it.
pub(crate) struct Challenges(Vec<HeaderValue>);

impl Challenges {
    /// The answer with a header for each challenge of this request.
    pub(crate) fn added_to(mut response: Response, cx: &Context) -> Response {
        let all = cx.get::<Self>().into_iter().flat_map(|challenges| &challenges.0);
        response.headers.extend(all.map(|challenge| (WWW_AUTHENTICATE, challenge.clone())));
        response
    }

    fn keep(refusal: &Response, cx: &mut Context) {
        let asked = refusal.headers.iter().filter(|(name, _)| *name == WWW_AUTHENTICATE);
        let mut asked = asked.map(|(_, challenge)| challenge.clone()).peekable();
        if asked.peek().is_none() {
            return;
        }
        match cx.get_mut::<Self>() {
            Some(known) => known.0.extend(asked),
            None => cx.insert(Self(asked.collect())),
        }
    }
}

/// The value of `WWW-Authenticate`.
pub(crate) fn challenge(scheme: &str, realm: Option<&str>) -> Result<HeaderValue, ConfigError> {
    let text = match realm {
        Some("") => return Err(ConfigError::new("realm", "must not be empty")),
        Some(realm) => format!("{scheme} realm=\"{}\"", realm.replace('\\', "\\\\").replace('"', "\\\"")),
        None => scheme.to_owned(),
    };
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| ConfigError::new("realm", "control characters cannot stand in a header"))
}

/// 503 where a queue is full. Nobody is taken for `anonymous` for that: the credential may be good.
pub(crate) fn overloaded(message: &'static str) -> Response {
    Response::error(StatusCode::SERVICE_UNAVAILABLE, message).with_header(RETRY_AFTER, HeaderValue::from_static("1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_that_lets_an_anonymous_caller_pass_leaves_its_challenge() {
        let consumer =
            Consumer::new("11111111-1111-4111-8111-111111111111", None, None, Vec::new()).expect("a consumer");
        let fallback = Fallback::new("test", Some(Arc::new(consumer)));
        let refusal = |challenge| {
            let challenge = HeaderValue::from_static(challenge);
            Response::new(StatusCode::UNAUTHORIZED).with_header(WWW_AUTHENTICATE, challenge)
        };
        let mut cx = Context::default();
        for refusal in [refusal("Key"), Response::new(StatusCode::UNAUTHORIZED), refusal("Basic realm=\"a\"")] {
            assert!(matches!(fallback.refuse(&refusal, &mut cx), Flow::Continue));
        }
        let answer = Challenges::added_to(Response::new(StatusCode::UNAUTHORIZED), &cx);
        let told: Vec<_> = answer.headers.iter().map(|(name, value)| (name.clone(), value.as_bytes())).collect();
        assert_eq!(told, [(WWW_AUTHENTICATE, &b"Key"[..]), (WWW_AUTHENTICATE, b"Basic realm=\"a\"")]);
        assert!(Challenges::added_to(Response::new(StatusCode::UNAUTHORIZED), &Context::default()).headers.is_empty());
    }

    #[test]
    fn a_realm_cannot_leave_its_quotes() {
        assert_eq!(challenge("Key", Some(r#"a"b\"#)).expect("a value"), r#"Key realm="a\"b\\""#);
        assert!(challenge("Key", Some("a\r\nb")).is_err());
    }
}
