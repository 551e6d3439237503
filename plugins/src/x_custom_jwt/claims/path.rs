//! One member of nested claims, found in their JSON text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use signet_plugin_api::Claims;

/// The value that a path of names leads to, each in the object before it.
pub(super) fn member_at<'a>(claims: &'a Claims, path: &[Box<str>]) -> Option<&'a RawValue> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, name| member(value, name))
}

/// The last member of this name, as everywhere; none when the value is no object.
fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    serde_json::Deserializer::from_str(object.get()).deserialize_map(Wanted(name)).ok()?
}

struct Wanted<'n>(&'n str);

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = members.next_key_seed(Is(self.0))? {
            if is_wanted {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a name is this one, without a copy of it.
struct Is<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, path: &[&str]) -> Option<String> {
        let claims = Claims::parse(json.as_bytes()).expect("claims");
        let path: Vec<Box<str>> = path.iter().map(|name| (*name).into()).collect();
        member_at(&claims, &path).map(|value| value.get().to_owned())
    }

    #[test]
    fn a_path_leads_into_objects_and_nowhere_else() {
        let json = r#"{"a":{"b.c":{"d":[1, 2.50]},"x":"\u00e9"},"b":[{"c":1}],"n":null,"s":"{\"t\":1}"}"#;
        assert_eq!(at(json, &["a", "b.c", "d"]).as_deref(), Some("[1, 2.50]"));
        assert_eq!(at(json, &["a", "x"]).as_deref(), Some(r#""\u00e9""#));
        assert_eq!(at(json, &["n"]).as_deref(), Some("null"));
        for path in [&["a", "b"][..], &["b", "c"], &["n", "x"], &["s", "t"], &["a", "x", "y"], &["z"], &[]] {
            assert_eq!(at(json, path), None, "{path:?}");
        }
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_one_counts_however_it_is_written() {
        assert_eq!(at(r#"{"a":{"b":1,"\u0062":2,"c":3}}"#, &["a", "b"]).as_deref(), Some("2"));
    }

    #[test]
    fn deep_neighbours_do_not_end_the_process() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(at(&format!(r#"{{"a":{{"x":{deep},"b":1}}}}"#), &["a", "b"]).as_deref(), Some("1"));
    }
}
