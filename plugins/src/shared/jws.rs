//! Compact JSON Web Signatures of others (RFC 7515), taken apart without being trusted.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{error::Category, value::RawValue};
use signet_keys::Algorithm;
use signet_plugin_api::Claims;

use super::verification::{BadSignature, VerificationKey};

/// The longest token that is looked at, in octets.
pub(crate) const MAX_TOKEN: usize = 16 * 1024;

/// A token whose form is right. Nothing that it says is verified before [`Jws::verify`].
pub(crate) struct Jws {
    token: Box<[u8]>,
    /// Where the signing input ends.
    signed: usize,
    header: Vec<u8>,
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
    claims: Claims,
    signature: Vec<u8>,
}

/// What is wrong with the form of a token, in Kong's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Longer than [`MAX_TOKEN`].
    #[error("too long")]
    Length,
    /// Header or payload are not there, not base64url, not JSON; a member of the header is of the wrong type or stands twice.
    #[error("invalid JSON")]
    Json,
    /// `alg` is missing, `none` or unknown.
    #[error("invalid alg")]
    Algorithm,
    /// There are extensions that must be understood (RFC 7515, 4.1.11), and none is.
    #[error("invalid crit")]
    Critical,
    /// The payload is no object, or a claim stands twice (RFC 7519, 4).
    #[error("invalid claims")]
    Claims,
    /// Not base64url, or followed by a fourth part.
    #[error("invalid signature")]
    Signature,
}

impl Jws {
    /// Takes a token apart. base64url is strict (no padding, no bits that decode to nothing), so that a signed token has one
    /// form only.
    pub(crate) fn parse(token: &[u8]) -> Result<Self, Malformed> {
        if token.len() > MAX_TOKEN {
            return Err(Malformed::Length);
        }
        let mut parts = token.splitn(3, |byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Malformed::Json);
        };
        let signed = header.len() + 1 + payload.len();
        let header = decode(header).ok_or(Malformed::Json)?;
        let payload = decode(payload).ok_or(Malformed::Json)?;
        let members: Header<'_> = serde_json::from_slice(&header).map_err(|_| Malformed::Json)?;
        let claims = Claims::parse_unique(&payload).map_err(|error| match error.category() {
            Category::Data => Malformed::Claims,
            _ => Malformed::Json,
        })?;
        let algorithm = members.alg.and_then(algorithm).ok_or(Malformed::Algorithm)?;
        if members.crit {
            return Err(Malformed::Critical);
        }
        let kid = members.kid.map(|kid| key_id(kid).ok_or(Malformed::Json)).transpose()?;
        let typ = members.typ.map(Into::into);
        let signature = decode(signature).ok_or(Malformed::Signature)?;
        Ok(Self { token: token.into(), signed, algorithm, kid, typ, claims, signature, header })
    }

    /// The algorithm that the token asks for: a question, which only a key can answer.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that the token names.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The type of the token (RFC 7515, 4.1.9).
    pub(crate) fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// All members of the JOSE header.
    pub(crate) fn header(&self) -> Result<Claims, Malformed> {
        Claims::parse_unique(&self.header).map_err(|_| Malformed::Json)
    }

    /// What the token says, to find the key that it must verify with; believe it only after that.
    pub(crate) fn unverified_claims(&self) -> &Claims {
        &self.claims
    }

    /// The claims, if the signature is that of one of the keys.
    pub(crate) fn verify<'k>(
        self,
        keys: impl IntoIterator<Item = &'k VerificationKey>,
    ) -> Result<Claims, BadSignature> {
        let input = self.token.get(..self.signed).ok_or(BadSignature)?;
        let is_signed = |key: &VerificationKey| key.verify(self.algorithm, input, &self.signature).is_ok();
        if keys.into_iter().any(is_signed) { Ok(self.claims) } else { Err(BadSignature) }
    }
}

/// The members of a JOSE header that have a meaning here. One that stands twice is an error.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Option<&'a RawValue>,
    #[serde(borrow)]
    kid: Option<&'a RawValue>,
    typ: Option<String>,
    /// Whether it is there.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

/// A `kid` as text. RFC 7515 asks for a string; a number, which some tools write, is taken as its digits.
pub(super) fn key_id(kid: &RawValue) -> Option<Box<str>> {
    let json = kid.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.into()),
        _ => None,
    }
}

fn algorithm(alg: &RawValue) -> Option<Algorithm> {
    Algorithm::parse(&serde_json::from_str::<String>(alg.get()).ok()?)
}

fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::shared::testing::{Forge, encode};

    fn malformed(token: &str) -> Malformed {
        Jws::parse(token.as_bytes()).err().unwrap_or_else(|| panic!("well formed: {token}"))
    }

    #[test]
    fn a_token_is_taken_apart() {
        let forge = Forge::new(Algorithm::Hs256);
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "a\"b", "custom": {"x": 1}});
        let token = forge.token_with(&header, &json!({"iss": "me", "n": 1}));
        let jws = Jws::parse(token.as_bytes()).expect("a token");
        assert_eq!((jws.algorithm(), jws.kid(), jws.typ()), (Algorithm::Hs256, Some("a\"b"), Some("at+jwt")));
        assert_eq!(jws.header().expect("a header").get("custom").map(RawValue::get), Some(r#"{"x":1}"#));
        assert_eq!(jws.unverified_claims().get("iss").map(RawValue::get), Some("\"me\""));
        let claims = jws.verify([&forge.verifier()]).expect("its own key");
        assert_eq!(claims.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["iss", "n"]);
    }

    #[test]
    fn a_kid_may_be_a_number() {
        let forge = Forge::new(Algorithm::Hs256);
        for (kid, text) in [(json!(7), Some("7")), (json!("7"), Some("7")), (json!(null), None)] {
            let token = forge.token_with(&json!({"alg": "HS256", "kid": kid}), &json!({}));
            assert_eq!(Jws::parse(token.as_bytes()).expect("a token").kid(), text);
        }
    }

    #[test]
    fn whatever_is_no_signed_token_is_refused_in_kong_s_words() {
        let forge = Forge::new(Algorithm::Hs256);
        let good = forge.token(&json!({"iss": "me"}));
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let signed = |header: &str, payload: &str| forge.sign_text(header, payload);
        const ALG: &str = r#"{"alg":"HS256"}"#;
        let cases = [
            (String::new(), Malformed::Json),
            ("a.b.c".to_owned(), Malformed::Json),
            (header.to_owned(), Malformed::Json),
            (format!("{header}.{payload}"), Malformed::Json),
            (format!(".{payload}.{signature}"), Malformed::Json),
            (format!("{header}..{signature}"), Malformed::Json),
            (format!("{good}.{signature}"), Malformed::Signature),
            (format!("{good}."), Malformed::Signature),
            (format!("{good}="), Malformed::Signature),
            (format!("{good} "), Malformed::Signature),
            (format!("{header}.{payload}.{}+", &signature[1..]), Malformed::Signature),
            // A truncated one is base64url only at some lengths.
            (good[..good.len() - 2].to_owned(), Malformed::Signature),
            (format!("{header}.{}.{signature}", &payload[..payload.len() - 1]), Malformed::Json),
            (format!("{header}=.{payload}.{signature}"), Malformed::Json),
            (signed("{}", "{}"), Malformed::Algorithm),
            (signed(r#"{"alg":null}"#, "{}"), Malformed::Algorithm),
            (signed(r#"{"alg":256}"#, "{}"), Malformed::Algorithm),
            (signed(r#"{"alg":["HS256"]}"#, "{}"), Malformed::Algorithm),
            (signed(r#"{"alg":"none"}"#, "{}"), Malformed::Algorithm),
            (format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(b"{}")), Malformed::Algorithm),
            (signed(r#"{"alg":"hs256"}"#, "{}"), Malformed::Algorithm),
            (signed(r#"{"alg":"HS256 "}"#, "{}"), Malformed::Algorithm),
            (signed(r#"{"alg":"HS1"}"#, "{}"), Malformed::Algorithm),
            (signed(r#"{"alg":"HS256","alg":"none"}"#, "{}"), Malformed::Json),
            (signed(r#"{"alg":"HS256","kid":[1]}"#, "{}"), Malformed::Json),
            (signed(r#"{"alg":"HS256","typ":1}"#, "{}"), Malformed::Json),
            (signed(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "{}"), Malformed::Critical),
            (signed(r#"{"alg":"HS256","crit":[]}"#, "{}"), Malformed::Critical),
            (signed(r#"{"alg":"HS256","crit":null}"#, "{}"), Malformed::Critical),
            (signed("[]", "{}"), Malformed::Json),
            (signed("5", "{}"), Malformed::Json),
            (signed(r#""HS256""#, "{}"), Malformed::Json),
            (signed(&format!("{ALG}x"), "{}"), Malformed::Json),
            (signed(ALG, ""), Malformed::Json),
            (signed(ALG, "{"), Malformed::Json),
            (signed(ALG, "{} {}"), Malformed::Json),
            (signed(ALG, "null"), Malformed::Claims),
            (signed(ALG, "5"), Malformed::Claims),
            (signed(ALG, "[{}]"), Malformed::Claims),
            (signed(ALG, r#"{"iss":"a","iss":"b"}"#), Malformed::Claims),
            (signed(ALG, r#"{"iss":"a","\u0069ss":"b"}"#), Malformed::Claims),
            (signed(ALG, &format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_TOKEN))), Malformed::Length),
        ];
        for (token, expected) in cases {
            assert_eq!(malformed(&token), expected, "{token}");
        }
        assert_eq!(Jws::parse(b"\xff.\xff.\xff").err(), Some(Malformed::Json));
    }

    #[test]
    fn bits_that_decode_to_nothing_make_no_second_form_of_a_token() {
        let good = Forge::new(Algorithm::Hs256).token(&json!({"iss": "me"}));
        // The last of 43 characters stands for 4 bits and 2 that are zero.
        let last = good.chars().next_back().expect("a character");
        let mut refused = 0;
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            let token = format!("{}{other}", &good[..good.len() - 1]);
            refused += usize::from(Jws::parse(token.as_bytes()).is_err());
            assert!(other == last || token != good);
        }
        assert_eq!(refused, 48);
    }

    #[test]
    fn nesting_and_a_multitude_of_claims_end_nothing() {
        let forge = Forge::new(Algorithm::Hs256);
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(Jws::parse(forge.sign_text(r#"{"alg":"HS256"}"#, &deep).as_bytes()).is_ok());
        let header = format!(r#"{{"alg":"HS256","a":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(Jws::parse(forge.sign_text(&header, "{}").as_bytes()).is_ok());
        let many: Vec<String> = (0..1_000).map(|n| format!(r#""{n}":1"#)).collect();
        let token = forge.sign_text(r#"{"alg":"HS256"}"#, &format!("{{{}}}", many.join(",")));
        assert_eq!(Jws::parse(token.as_bytes()).expect("a token").unverified_claims().iter().count(), 1_000);
    }

    #[test]
    fn one_changed_character_anywhere_is_noticed() {
        let forge = Forge::new(Algorithm::Es256);
        let key = forge.verifier();
        let good = forge.token(&json!({"iss": "me"}));
        for position in 0..good.len() {
            let mut token = good.clone().into_bytes();
            token[position] = if token[position] == b'A' { b'B' } else { b'A' };
            assert!(Jws::parse(&token).ok().is_none_or(|jws| jws.verify([&key]).is_err()), "at {position}");
        }
        assert!(Jws::parse(good.as_bytes()).expect("a token").verify([&key]).is_ok());
    }
}
