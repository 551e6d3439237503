//! Kong's read paths: lists and entities, by themselves and below what they belong to.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;

use super::{
    Answer, Call, Node,
    inventory::{Collection, Entity, Inventory, Kind},
    page::Page,
};

/// `/services`, `/services/{id}`, `/services/{id}/routes`, `/services/{id}/routes/{id}` and their like.
///
/// # Errors
/// Also the answer to what does not exist, or cannot be done without a database.
pub(super) async fn entities(node: &Node, call: &Call<'_>, segments: &[&str]) -> Result<Answer, Answer> {
    let inventory = node.inventory().await.ok_or_else(Answer::unexpected)?;
    let all = match segments {
        [path, ..] => inventory.at(path).ok_or_else(Answer::not_found)?,
        [] => return Err(Answer::not_found()),
    };
    match *segments {
        [path] => {
            collection_method(call, &all.kind)?;
            list(call, &format!("/{path}"), &all.kind, all.entities.iter())
        }
        [_, wanted] => {
            entity_method(call, &all.kind, wanted)?;
            one(&inventory, all, wanted)
        }
        [_, owner, below] => {
            let owner = find(&inventory, all, owner).ok_or_else(Answer::not_found)?;
            beneath(&inventory, call, (&all.kind, owner), below)
        }
        [_, owner, below, wanted] => {
            let owner = find(&inventory, all, owner).ok_or_else(Answer::not_found)?;
            let (below, field) = children(&inventory, &all.kind, below).ok_or_else(Answer::not_found)?;
            entity_method(call, &below.kind, wanted)?;
            let mut owned = below.entities.iter().filter(|entity| entity.refers(&below.kind, field) == Some(&owner.id));
            let is_it = |entity: &&Entity| {
                entity.id.eq_ignore_ascii_case(wanted) || entity.key.as_deref().is_some_and(|key| key == wanted)
            };
            owned.find(is_it).map(shown).ok_or_else(Answer::not_found)
        }
        _ => Err(Answer::not_found()),
    }
}

/// `/tags` and `/tags/{tag}`
///
/// # Errors
/// As [`entities`].
pub(super) async fn tags(node: &Node, call: &Call<'_>, wanted: Option<&str>) -> Result<Answer, Answer> {
    call.get()?;
    let page = Page::of(call)?;
    let inventory = node.inventory().await.ok_or_else(Answer::unexpected)?;
    let mut tagged = Vec::new();
    for collection in inventory.collections() {
        for entity in &collection.entities {
            for tag in entity.tags.iter().filter(|tag| wanted.is_none_or(|wanted| wanted == *tag)) {
                let name = collection.kind.name;
                let json = json!({"tag": tag, "entity_name": name, "entity_id": entity.id}).to_string();
                tagged.push((format!("{name}:{}:{tag}", entity.id), json));
            }
        }
    }
    tagged.sort();
    let path = wanted.map_or_else(|| "/tags".to_owned(), |tag| format!("/tags/{tag}"));
    Ok(page.answer(&path, tagged.iter().map(|(key, json)| (key.as_str(), json.as_str()))))
}

/// What stands below an entity: what belongs to it, or what it refers to.
fn beneath(
    inventory: &Inventory,
    call: &Call<'_>,
    (kind, owner): (&Kind, &Entity),
    below: &str,
) -> Result<Answer, Answer> {
    if let Some(answer) = members(inventory, call, kind, owner, below) {
        return answer;
    }
    if let Some((children, field)) = children(inventory, kind, below) {
        collection_method(call, &children.kind)?;
        let owned = children.entities.iter().filter(|child| child.refers(&children.kind, field) == Some(&owner.id));
        return list(call, &format!("/{}/{}/{below}", kind.path, owner.id), &children.kind, owned);
    }
    let (_, target) = kind.refers.iter().find(|(field, _)| *field == below).ok_or_else(Answer::not_found)?;
    let target = inventory.collection(target).ok_or_else(Answer::not_found)?;
    entity_method(call, &target.kind, "")?;
    let referred = owner.refers(kind, below).and_then(|id| target.find(id));
    referred.map(shown).ok_or_else(Answer::not_found)
}

/// Who is in a group, and in which groups a consumer is.
fn members(
    inventory: &Inventory,
    call: &Call<'_>,
    kind: &Kind,
    owner: &Entity,
    below: &str,
) -> Option<Result<Answer, Answer>> {
    let is_there = |other: &&Entity| match kind.name {
        "consumers" => inventory.is_member(&owner.id, &other.id),
        _ => inventory.is_member(&other.id, &owner.id),
    };
    let others = match (kind.name, below) {
        ("consumers", "consumer_groups") | ("consumer_groups", "consumers") => inventory.collection(below)?,
        _ => return None,
    };
    let path = format!("/{}/{}/{below}", kind.path, owner.id);
    let listed = || {
        collection_method(call, &others.kind)?;
        list(call, &path, &others.kind, others.entities.iter().filter(is_there))
    };
    Some(listed())
}

/// The kind whose name below `owner` is this, and its field that refers to the owner.
fn children<'a>(inventory: &'a Inventory, owner: &Kind, below: &str) -> Option<(&'a Collection, &'static str)> {
    let named = inventory.collections().iter().filter(|collection| collection.kind.nested == below);
    let mut referring = named.filter_map(|collection| {
        let (field, _) = collection.kind.refers.iter().find(|(_, target)| *target == owner.name)?;
        Some((collection, *field))
    });
    referring.next()
}

fn list<'a>(
    call: &Call<'_>,
    path: &str,
    kind: &Kind,
    entities: impl Iterator<Item = &'a Entity>,
) -> Result<Answer, Answer> {
    let page = Page::of(call)?;
    let tags = Tags::of(call)?;
    // Kong's other way to look for a consumer.
    let custom_id = call.argument("custom_id").filter(|_| kind.name == "consumers");
    let custom_id = custom_id.map(|custom_id| format!("\"custom_id\":{}", json!(custom_id)));
    let wanted = |entity: &&Entity| {
        tags.are_on(entity) && custom_id.as_ref().is_none_or(|custom_id| entity.json.contains(custom_id))
    };
    Ok(page.answer(path, entities.filter(wanted).map(|entity| (&*entity.id, &*entity.json))))
}

fn one(inventory: &Inventory, all: &Collection, wanted: &str) -> Result<Answer, Answer> {
    let missing = || match all.kind.name {
        "certificates" => Answer::message(StatusCode::NOT_FOUND, "SNI not found"),
        _ => Answer::not_found(),
    };
    find(inventory, all, wanted).map(shown).ok_or_else(missing)
}

/// Certificates are found by their server names, too.
fn find<'a>(inventory: &'a Inventory, all: &'a Collection, wanted: &str) -> Option<&'a Entity> {
    let by_name = || {
        let names = inventory.collection("snis").filter(|_| all.kind.name == "certificates")?;
        let certificate: &Arc<str> = names.find(wanted)?.refers(&names.kind, "certificate")?;
        all.find(certificate)
    };
    all.find(wanted).or_else(by_name)
}

fn shown(entity: &Entity) -> Answer {
    Answer::text(entity.json.to_string())
}

/// A list can be read; Kong says of POST that it needs a database.
fn collection_method(call: &Call<'_>, kind: &Kind) -> Result<(), Answer> {
    match *call.asked() {
        Method::POST => Err(Answer::needs_database(&format!("cannot create '{}' entities", kind.name))),
        _ => call.get(),
    }
}

fn entity_method(call: &Call<'_>, kind: &Kind, wanted: &str) -> Result<(), Answer> {
    let operation = match *call.asked() {
        Method::PUT => "create or update",
        Method::PATCH => "update",
        Method::DELETE => "remove",
        _ => return call.get(),
    };
    let by = match uuid::Uuid::try_parse(wanted).is_err() && !kind.key.is_empty() && !wanted.is_empty() {
        true => format!(" by '{}'", kind.key),
        false => String::new(),
    };
    Err(Answer::needs_database(&format!("cannot {operation} '{}' entities{by}", kind.name)))
}

/// The argument `tags`: `a,b` is both, `a/b` is either.
enum Tags {
    Any,
    All(Vec<String>),
    Either(Vec<String>),
}

impl Tags {
    fn of(call: &Call<'_>) -> Result<Self, Answer> {
        let Some(tags) = call.argument("tags") else { return Ok(Self::Any) };
        let refused = |reason: &str| {
            let message = format!("invalid option (tags: {reason})");
            let fields = json!({"tags": reason});
            Answer::kong_error_in(StatusCode::BAD_REQUEST, 11, "invalid options", message, fields)
        };
        let split = |by: char| tags.split(by).filter(|tag| !tag.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        match (tags.contains(','), tags.contains('/')) {
            _ if tags.is_empty() => Err(refused("cannot be null")),
            (true, true) => Err(refused("must be a either 'and' or 'or' when more than one tag is specified")),
            (false, true) => Ok(Self::Either(split('/'))),
            _ => Ok(Self::All(split(','))),
        }
    }

    fn are_on(&self, entity: &Entity) -> bool {
        match self {
            Self::Any => true,
            Self::All(tags) => tags.iter().all(|tag| entity.tags.contains(tag)),
            Self::Either(tags) => tags.iter().any(|tag| entity.tags.contains(tag)),
        }
    }
}
