//! Mistakes by entity, as Kong tells them for `flatten_errors`.

use serde_json::{Map, Value, json};

use crate::{config::plain_values, reload::Told};

/// Collections whose items are entities, wherever they stand.
const ENTITIES: [&str; 20] = [
    "services",
    "routes",
    "plugins",
    "consumers",
    "consumer_groups",
    "certificates",
    "ca_certificates",
    "snis",
    "key_sets",
    "keys",
    "vaults",
    "upstreams",
    "targets",
    "acls",
    "basicauth_credentials",
    "hmacauth_credentials",
    "jwt_secrets",
    "keyauth_credentials",
    "mtls_auth_credentials",
    "oauth2_credentials",
];

/// One object for each entity with mistakes, and the mistakes that belong to none. Of an entity it has what names it, never
/// the whole: that could hold secrets.
pub(super) fn flattened(mistakes: &[Told], text: &str, is_json: bool) -> (Value, Value) {
    let mut flat: Vec<(String, Map<String, Value>)> = Vec::new();
    let mut rest = Map::new();
    let file = plain_values(text, is_json);
    for told in mistakes {
        let Some((place, collection, field)) = entity_of(&told.path) else {
            let key = if told.path.is_empty() { "@entity" } else { told.path.as_str() };
            rest.insert(key.to_owned(), json!(told.reason));
            continue;
        };
        let error = match field.is_empty() {
            true => json!({"type": "entity", "message": told.reason}),
            false => json!({"type": "field", "field": field, "message": told.reason}),
        };
        let position = flat.iter().position(|(known, _)| *known == place).unwrap_or_else(|| {
            flat.push((place.clone(), head(&place, collection, file.as_ref())));
            flat.len() - 1
        });
        if let Some(Value::Array(errors)) = flat.get_mut(position).and_then(|(_, entity)| entity.get_mut("errors")) {
            errors.push(error);
        }
    }
    let flat = flat.into_iter().map(|(_, entity)| Value::Object(entity)).collect();
    (Value::Array(flat), Value::Object(rest))
}

/// The place of the innermost entity in a path, its collection, and what follows.
fn entity_of(path: &str) -> Option<(String, &str, &str)> {
    let mut found = None;
    let (mut begin, mut inside) = (0, true);
    for step in path.split_inclusive('.') {
        let bare = step.trim_end_matches('.');
        if let Some((name, _)) = bare.split_once('[').filter(|(name, _)| inside && ENTITIES.contains(name)) {
            found = Some((begin + bare.len(), name));
        } else {
            // A field of an entity may have the name of a collection.
            inside = false;
        }
        begin += step.len();
    }
    let (end, name) = found?;
    Some((path.get(..end)?.to_owned(), name, path.get(end..)?.trim_start_matches('.')))
}

fn head(place: &str, collection: &str, file: Option<&Value>) -> Map<String, Value> {
    let pointer: String = place.split(['.', '[']).map(|step| format!("/{}", step.trim_end_matches(']'))).collect();
    let entity = file.and_then(|file| file.pointer(&pointer));
    let named = |field: &str| entity.and_then(|entity| entity.get(field)).filter(|value| !value.is_null()).cloned();
    let singular = collection.strip_suffix('s').unwrap_or(collection);
    let mut head = Map::new();
    head.insert("entity_type".to_owned(), json!(singular));
    let name = named("name").or_else(|| named("username"));
    let fields = [("entity_id", named("id")), ("entity_name", name), ("entity_tags", named("tags"))];
    head.extend(fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    head.insert("errors".to_owned(), json!([]));
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_behind_its_innermost_entity() {
        let cut = |path| entity_of(path).map(|(place, name, field)| (place, name.to_owned(), field.to_owned()));
        let expected = |place: &str, name: &str, field: &str| Some((place.into(), name.into(), field.into()));
        assert_eq!(cut("services[0].port"), expected("services[0]", "services", "port"));
        assert_eq!(
            cut("services[0].routes[12].plugins[1].config.routes[3].x"),
            expected("services[0].routes[12].plugins[1]", "plugins", "config.routes[3].x")
        );
        assert_eq!(cut("services[0]"), expected("services[0]", "services", ""));
        assert_eq!((cut("_format_version"), cut("")), (None, None));
    }

    #[test]
    fn mistakes_of_one_entity_stand_together_and_show_no_more_than_its_names() {
        let told = |path: &str| Told { line: None, path: path.into(), reason: "wrong".into(), shown: String::new() };
        let text = "consumers:\n- {username: al, keyauth_credentials: [{key: s3cret, tags: [t]}]}\n";
        let mistakes = ["consumers[0].keyauth_credentials[0].key", "consumers[0].keyauth_credentials[0].ttl", "x"];
        let (flat, rest) = flattened(&mistakes.map(told), text, false);
        assert_eq!(flat.as_array().map(Vec::len), Some(1), "{flat}");
        assert_eq!(flat[0]["entity_type"], "keyauth_credential");
        assert_eq!(flat[0]["entity_tags"], json!(["t"]));
        assert_eq!(flat[0]["errors"][1], json!({"type": "field", "field": "ttl", "message": "wrong"}));
        assert_eq!(rest, json!({"x": "wrong"}));
        assert!(!flat.to_string().contains("s3cret"));
    }
}
