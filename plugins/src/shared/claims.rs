//! Registered claims by their types (RFC 7519, 4.1).

use std::borrow::Cow;

use serde_json::value::RawValue;
use signet_plugin_api::Claims;

/// A NumericDate (RFC 7519, 2): seconds since 1970, possibly with a fraction. None if the claim is missing, no number, or
/// beyond what a number can hold.
pub(crate) fn numeric_date(claims: &Claims, name: &str) -> Option<f64> {
    // Of the texts that Rust takes for a number and JSON does not, none can be a JSON value.
    claims.get(name)?.get().parse().ok().filter(|seconds: &f64| seconds.is_finite())
}

/// A string.
pub(crate) fn text<'c>(claims: &'c Claims, name: &str) -> Option<Cow<'c, str>> {
    string(claims.get(name)?)
}

/// A string, or the strings of a list: `aud`, for example. Nothing if there is anything else in it.
pub(crate) fn texts<'c>(claims: &'c Claims, name: &str) -> Vec<Cow<'c, str>> {
    let Some(value) = claims.get(name) else { return Vec::new() };
    if let Some(one) = string(value) {
        return vec![one];
    }
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else { return Vec::new() };
    items.into_iter().map(string).collect::<Option<_>>().unwrap_or_default()
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    match serde_json::from_str::<&str>(json) {
        Ok(plain) => Some(Cow::Borrowed(plain)),
        // One with escapes.
        Err(_) => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).expect("an object")
    }

    #[test]
    fn a_date_is_a_finite_number() {
        let claims = claims(r#"{"a": 17, "b": 1.5e3, "c": -1, "d": "17", "e": null, "f": true, "g": [1], "h": 1e999}"#);
        let dates = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|name| numeric_date(&claims, name));
        assert_eq!(dates, [Some(17.0), Some(1500.0), Some(-1.0), None, None, None, None, None, None]);
    }

    #[test]
    fn strings_lose_their_escapes_and_nothing_else_is_one() {
        let claims = claims(r#"{"a": "x", "b": "\u00e9\n", "c": 5, "d": null, "e": ["x"]}"#);
        assert_eq!(text(&claims, "a").as_deref(), Some("x"));
        assert_eq!(text(&claims, "b").as_deref(), Some("é\n"));
        assert_eq!(["c", "d", "e", "f"].map(|name| text(&claims, name)), [None, None, None, None]);
    }

    #[test]
    fn an_audience_is_one_string_or_several() {
        let claims = claims(r#"{"a": "x", "b": ["x", "\"y\""], "c": ["x", 5], "d": {"x": 1}, "e": []}"#);
        assert_eq!(texts(&claims, "a"), ["x"]);
        assert_eq!(texts(&claims, "b"), ["x", "\"y\""]);
        assert_eq!(["c", "d", "e", "f"].map(|name| texts(&claims, name).len()), [0, 0, 0, 0]);
    }
}
