//! What is read from claims: places inside of them, and what they must contain.

use serde_json::Value;
use signet_plugin_api::Claims;

/// A path to a claim, from the outermost name on.
pub(super) struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// A configured path, or Kong's default. An empty list or name leads nowhere.
    pub(super) fn new(configured: Option<&Vec<String>>, default: Option<&str>) -> Option<Self> {
        match configured {
            Some(path) => Some(Self(path.clone())).filter(|path| !path.0.is_empty()),
            None => default.map(|name| Self(vec![name.to_owned()])),
        }
    }

    /// What stands there.
    pub(super) fn find(&self, claims: &Claims) -> Option<Value> {
        let (first, rest) = self.0.split_first()?;
        let value: Value = serde_json::from_str(claims.get(first)?.get()).ok()?;
        rest.iter().try_fold(value, |mut value, name| value.get_mut(name).map(Value::take))
    }

    /// A string that is not empty, or a number as text.
    pub(super) fn text(&self, claims: &Claims) -> Option<String> {
        match self.find(claims)? {
            Value::String(text) if !text.is_empty() => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The words of a string, or the strings of a list.
    pub(super) fn words(&self, claims: &Claims) -> Vec<String> {
        match self.find(claims) {
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(items)) => items
                .into_iter()
                .filter_map(|item| match item {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// What a caller must have: all words of one of the items.
pub(super) struct Requirement {
    path: ClaimPath,
    any_of: Vec<Vec<String>>,
    /// For the log and for `display_errors`.
    pub(super) missing: &'static str,
}

impl Requirement {
    /// None when nothing is required.
    pub(super) fn new(
        required: Option<&Vec<String>>,
        path: Option<&Vec<String>>,
        default: &str,
        missing: &'static str,
    ) -> Option<Self> {
        let any_of: Vec<Vec<String>> =
            required?.iter().map(|item| item.split_whitespace().map(str::to_owned).collect()).collect();
        // A path that leads nowhere fulfils nothing.
        let path = ClaimPath::new(path, Some(default)).unwrap_or(ClaimPath(Vec::new()));
        (!any_of.is_empty()).then_some(Self { path, any_of, missing })
    }

    /// Whether these claims fulfil it.
    pub(super) fn is_met(&self, claims: &Claims) -> bool {
        let words = self.path.words(claims);
        self.any_of.iter().any(|all| all.iter().all(|word| words.contains(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let json = br#"{"scope":"openid email","aud":["a","b c"],"realm":{"access":{"roles":["x","y"]}},"n":5,"e":""}"#;
        Claims::parse(json).expect("an object")
    }

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn a_path_leads_into_claims() {
        let words = |path: &[&str]| ClaimPath::new(Some(&list(path)), None).expect("a path").words(&claims());
        assert_eq!(words(&["realm", "access", "roles"]), ["x", "y"]);
        assert_eq!(words(&["scope"]), ["openid", "email"]);
        assert_eq!(words(&["aud"]), ["a", "b c"]);
        for nowhere in [&["realm", "roles"][..], &["scope", "x"], &["none"], &["n"]] {
            assert!(words(nowhere).is_empty(), "{nowhere:?}");
        }
        let text = |name: &str| ClaimPath::new(None, Some(name)).expect("a path").text(&claims());
        assert_eq!((text("n").as_deref(), text("scope").as_deref()), (Some("5"), Some("openid email")));
        assert_eq!((text("e"), text("aud"), text("none")), (None, None, None));
    }

    #[test]
    fn words_are_needed_together_and_items_are_alternatives() {
        let met = |required: &[&str]| {
            Requirement::new(Some(&list(required)), None, "scope", "").expect("a requirement").is_met(&claims())
        };
        assert!(met(&["openid"]) && met(&["email openid"]) && met(&["admin", "email"]));
        assert!(!met(&["admin"]) && !met(&["openid admin"]) && !met(&["open"]));
        assert!(Requirement::new(None, None, "scope", "").is_none());
        let nowhere = Requirement::new(Some(&list(&["a"])), Some(&Vec::new()), "scope", "").expect("a requirement");
        assert!(!nowhere.is_met(&claims()));
    }
}
