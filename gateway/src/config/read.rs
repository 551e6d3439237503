//! From a file to one tree of values, or to what keeps it from being one.

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use super::{At, Mistake, Places, aliases};

const REPEATS: &str = "repeats aliases (`*name`) too often";

/// The values of a declarative file: a mapping.
pub(super) fn declarative(text: &str, json: bool, places: &Places) -> Result<Value, Vec<Mistake>> {
    let reason = match values(text, json, places)? {
        value @ Value::Mapping(_) => return Ok(value),
        Value::Null => "is empty; expected at least `_format_version: \"3.0\"`",
        _ => "expected `_format_version`, `services` and the like at the top",
    };
    Err(vec![Mistake::of_file(None, reason)])
}

/// The values of a text, aliases and merge keys resolved; null when there are none.
pub(super) fn values(text: &str, json: bool, places: &Places) -> Result<Value, Vec<Mistake>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = if json { from_json(text) } else { from_yaml(text) };
    let mut value = parsed.map_err(|mistake| explain(mistake, places))?;
    if !json && text.contains("<<") {
        merge(&mut value, &At::root()).map_err(|(at, reason)| vec![places.mistake(at.to_string(), reason)])?;
    }
    Ok(value)
}

fn from_yaml(text: &str) -> Result<Value, Mistake> {
    if let Some(line) = aliases::too_many(text) {
        return Err(Mistake::of_file(Some(line), REPEATS));
    }
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let Some(first) = documents.next() else { return Ok(Value::Null) };
    let value = Value::deserialize(first).map_err(|error| {
        let line = error.location().map(|location| location.line());
        Mistake::of_file(line, yaml_reason(&error.to_string()))
    })?;
    match documents.next() {
        None => Ok(value),
        Some(_) => Err(Mistake::of_file(None, "holds more than one YAML document (`---`)")),
    }
}

fn from_json(text: &str) -> Result<Value, Mistake> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        Mistake::of_file(Some(error.line()), format!("is not JSON: {reason}"))
    })
}

/// Of keys that stand twice, all are told, and where the first stands; the parser stops at one.
fn explain(mistake: Mistake, places: &Places) -> Vec<Mistake> {
    let duplicates = if mistake.reason.contains("duplicate entry") { places.duplicate_keys() } else { Vec::new() };
    if duplicates.is_empty() {
        return vec![mistake];
    }
    let told = duplicates.into_iter().map(|duplicate| Mistake {
        path: duplicate.path,
        line: Some(duplicate.line),
        reason: format!("this key stands twice; first on line {}", duplicate.first),
    });
    told.collect()
}

/// The parser's words for its own limits mean little to the reader of a file.
fn yaml_reason(message: &str) -> String {
    match message {
        _ if message.starts_with("repetition limit exceeded") => REPEATS.to_owned(),
        _ if message.starts_with("recursion limit exceeded") => "is nested too deeply".to_owned(),
        _ => format!("is not YAML: {message}"),
    }
}

/// Applies `<<`. Members of the mapping itself win, then those of the first mapping that is merged in.
fn merge(value: &mut Value, at: &At) -> Result<(), (At, &'static str)> {
    match value {
        // From the inside out: what is merged in may itself have merged.
        Value::Sequence(items) => {
            items.iter_mut().enumerate().try_for_each(|(index, item)| merge(item, &at.index(index)))
        }
        Value::Mapping(members) => {
            for (key, member) in members.iter_mut().filter(|(_, member)| member.is_mapping() || member.is_sequence()) {
                merge(member, &at.key(key.as_str().unwrap_or("?").to_owned()))?;
            }
            match members.shift_remove("<<") {
                None => Ok(()),
                Some(Value::Mapping(merged)) => {
                    absorb(members, merged);
                    Ok(())
                }
                Some(Value::Sequence(list)) => list.into_iter().try_for_each(|item| match item {
                    Value::Mapping(merged) => {
                        absorb(members, merged);
                        Ok(())
                    }
                    _ => Err((at.key("<<"), "expected a list of mappings to merge in")),
                }),
                Some(_) => Err((at.key("<<"), "expected a mapping to merge in")),
            }
        }
        _ => Ok(()),
    }
}

fn absorb(members: &mut Mapping, merged: Mapping) {
    for (key, value) in merged {
        members.entry(key).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, json: bool) -> Result<Value, Vec<String>> {
        let places = Places::new(text.into());
        declarative(text, json, &places).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    fn mistakes(text: &str) -> Vec<String> {
        read(text, false).expect_err("a mistake")
    }

    #[test]
    fn merge_keys_are_applied_through_several_steps() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\nd: {<<: [{x: 9}, *a]}\n";
        let value = read(text, false).expect("values");
        assert_eq!(value["c"], serde_yaml::from_str::<Value>("{x: 1, y: 2, z: 3}").expect("YAML"));
        assert_eq!(value["d"]["x"], 9);
        assert_eq!(mistakes("a: 1\nb:\n  <<: 5\n"), ["3: b.<<: expected a mapping to merge in"]);
    }

    #[test]
    fn every_key_that_stands_twice_is_told_with_both_lines() {
        assert_eq!(
            mistakes("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n"),
            ["3: b.c: this key stands twice; first on line 2", "4: a: this key stands twice; first on line 1"]
        );
        let json = read("{\"a\": 1,\n \"a\": 2}", true).expect_err("a mistake");
        assert_eq!(json, ["2: a: this key stands twice; first on line 1"]);
    }

    #[test]
    fn broken_text_is_told_with_its_line() {
        assert!(mistakes("a: 1\nb: [1\n")[0].starts_with("3: is not YAML: "), "{:?}", mistakes("a: 1\nb: [1\n"));
        assert!(
            mistakes("a: *none\n")[0].starts_with("1: is not YAML: unknown anchor"),
            "{:?}",
            mistakes("a: *none\n")
        );
        assert_eq!(mistakes("a: 1\n---\nb: 1\n"), ["holds more than one YAML document (`---`)"]);
        assert!(read("{\"a\": 1,\n}", true).expect_err("a mistake")[0].starts_with("2: is not JSON: "));
    }

    #[test]
    fn a_text_without_values_is_told() {
        for text in ["", "\n\n", "# only a comment\n", "---\n"] {
            assert!(mistakes(text)[0].starts_with("is empty"), "{text:?}: {:?}", mistakes(text));
        }
        assert!(mistakes("- a\n")[0].starts_with("expected `_format_version`"));
        assert!(read("", true).is_err());
    }

    #[test]
    fn aliases_that_multiply_are_stopped() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![below; 10].join(", ")));
        }
        assert_eq!(mistakes(&text), ["7: repeats aliases (`*name`) too often"]);
        let deep = format!("a: {}{}\n", "[".repeat(500), "]".repeat(500));
        assert_eq!(mistakes(&deep), ["1: is nested too deeply"]);
    }
}
