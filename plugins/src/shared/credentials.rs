//! What the plugins that check credentials have in common.

use std::{fmt, sync::Arc};

use http::{HeaderValue, header::WWW_AUTHENTICATE};
use ring::digest::{SHA256, digest};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use signet_plugin_api::{ConfigError, Consumer, Context, Flow, Identity, Response};
use zeroize::Zeroizing;

/// The API key of this request, for the plugin that puts it into a token: it exists only when `key-auth` accepted it, and
/// is wiped when the request is through.
pub(crate) struct PresentedKey(Zeroizing<String>);

impl PresentedKey {
    /// The key of an accepted credential.
    pub(crate) fn new(key: String) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key itself: a secret.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedKey")
    }
}

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

/// The SHA-256 of a credential: credentials are looked up and compared by it, so that neither takes longer the more of a
/// guess is right.
pub(crate) fn fingerprint(credential: &[u8]) -> [u8; 32] {
    array(digest(&SHA256, credential).as_ref())
}

/// The first bytes of a digest, whose type does not say its length.
pub(crate) fn array<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(digest) {
        *to = *from;
    }
    array
}

/// A string of a configuration that no message may show, not even the one about its type.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                if text.is_empty() {
                    return Err(E::custom("must not be empty"));
                }
                Ok(Secret(Zeroizing::new(text.to_owned())))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(not_a_string())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(not_a_string())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                Err(not_a_string())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                Err(not_a_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}

fn not_a_string<E: Error>() -> E {
    E::custom("must be a string: put it in quotes")
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_secret_of_the_wrong_type_is_not_shown() {
        for yaml in ["12345", "-5", "1.5", "true"] {
            let error = serde_yaml::from_str::<Secret>(yaml).expect_err("not a string").to_string();
            assert!(error.contains("put it in quotes") && !error.contains(yaml), "{error}");
        }
    }

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
    fn an_empty_secret_is_refused() {
        assert!(serde_yaml::from_str::<Secret>("''").is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret: Secret = serde_yaml::from_str("hunter2").expect("a string");
        assert_eq!(format!("{secret:?} {:?}", PresentedKey::new("hunter2".into())), "Secret PresentedKey");
    }

    #[test]
    fn a_realm_cannot_leave_its_quotes() {
        assert_eq!(challenge("Key", Some(r#"a"b\"#)).expect("a value"), r#"Key realm="a\"b\\""#);
        assert!(challenge("Key", Some("a\r\nb")).is_err());
    }
}
