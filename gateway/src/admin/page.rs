//! Pages of a list, as Kong turns them: `size`, `offset`, `next`.

use form_urlencoded::byte_serialize;
use http::StatusCode;
use openssl::base64;
use serde_json::json;

use super::{Answer, Call};

/// Kong's default, and its most.
const SIZE: usize = 100;
const LARGEST: usize = 1000;

/// Which page of a list is wanted.
pub(super) struct Page {
    size: usize,
    /// The key of the last item of the page before.
    after: Option<String>,
    /// What `next` says besides the offset.
    rest: String,
}

impl Page {
    /// What the arguments say.
    ///
    /// # Errors
    /// Kong's answer to what they cannot say.
    pub(super) fn of(call: &Call<'_>) -> Result<Self, Answer> {
        let size = match call.argument("size") {
            None => SIZE,
            Some(size) => number(size)?,
        };
        let after = match call.argument("offset") {
            None => None,
            Some(offset) => Some(decoded(offset)?),
        };
        let rest = ["tags", "size"].into_iter().filter_map(|name| Some((name, call.argument(name)?)));
        let rest = rest.map(|(name, value)| format!("&{name}={}", escaped(value))).collect();
        Ok(Self { size, after, rest })
    }

    /// The answer with this page of a list at `path`: pairs of a key and an entity's JSON, in the order of the keys.
    pub(super) fn answer<'a>(&self, path: &str, items: impl Iterator<Item = (&'a str, &'a str)>) -> Answer {
        let mut items =
            items.skip_while(|(key, _)| self.after.as_deref().is_some_and(|after| *key <= after)).peekable();
        let mut body = String::from("{\"data\":[");
        let mut last = "";
        for (number, (key, json)) in items.by_ref().take(self.size).enumerate() {
            body.push_str(if number == 0 { "" } else { "," });
            body.push_str(json);
            last = key;
        }
        body.push(']');
        match items.peek() {
            None => body.push_str(",\"next\":null}"),
            Some(_) => {
                let offset = base64::encode_block(last.as_bytes());
                let next = format!("{path}?offset={}{}", escaped(&offset), self.rest);
                body.push_str(&format!(",\"next\":{},\"offset\":{}}}", json!(next), json!(offset)));
            }
        }
        Answer::text(body)
    }
}

fn number(text: &str) -> Result<usize, Answer> {
    let wrong = |message: String| Answer::kong_error(StatusCode::BAD_REQUEST, 9, "invalid size", message);
    let number: f64 = text.parse().map_err(|_| wrong("size must be a number".to_owned()))?;
    let whole = (1..=LARGEST).find(|size| *size as f64 == number);
    whole.ok_or_else(|| wrong(format!("size must be an integer between 1 and {LARGEST}")))
}

fn decoded(offset: &str) -> Result<String, Answer> {
    let bytes = base64::decode_block(offset).ok().filter(|bytes| !bytes.is_empty());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        let message = format!("'{offset}' is not a valid offset: bad base64 encoding");
        Answer::kong_error(StatusCode::BAD_REQUEST, 7, "invalid offset", message)
    })
}

fn escaped(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
