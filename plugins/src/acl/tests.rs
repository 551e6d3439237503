//! Tests of `acl`.

use std::sync::Arc;

use signet_plugin_api::{Consumer, Handler, Identity, Proof, Response};

use super::NAME;
use crate::testing::{Exchange, World, text};

const CONSUMERS: &str = r#"
consumers:
  - username: both
    acls: [{ group: users }, { group: admins }]
  - username: user
    acls: [{ group: users }]
  - username: nobody
  - username: golden
    groups: [{ name: gold }]
  - username: mixed
    acls: [{ group: users }, { group: gold }]
    groups: [{ name: bronze }, { name: gold }]
"#;

/// Who calls: nobody, the anonymous consumer, a verified consumer, or a credential without a consumer.
#[derive(Clone, Copy, Debug)]
enum Caller {
    Nobody,
    Anonymous(&'static str),
    Consumer(&'static str),
    Credential,
}

use Caller::{Anonymous, Consumer as Verified, Credential, Nobody};

fn consumer(world: &World, username: &str) -> Arc<Consumer> {
    Arc::clone(world.resources.consumers.by_username(username).expect("a consumer of the file"))
}

/// A request of this caller, whose credential proves these groups.
fn request(world: &World, caller: Caller, groups: Option<&[&str]>) -> Exchange {
    let proof = || Proof::Other { subject: "somebody".into() };
    let identity = match caller {
        Nobody => None,
        Anonymous(name) => Some(Identity::anonymous("test", consumer(world, name))),
        Verified(name) => Some(Identity::new("test", Some(consumer(world, name)), proof())),
        Credential => Some(Identity::new("test", None, proof())),
    };
    let groups = groups.map(|names| names.iter().map(|name| Arc::from(*name)).collect());
    let mut exchange = Exchange::get("/");
    if let Some(identity) = identity {
        exchange.cx.authenticate(Identity { groups, ..identity });
    }
    exchange
}

/// What becomes of a request: the status of an answer, or the headers that go upstream.
async fn fate(handler: &Arc<dyn Handler>, mut exchange: Exchange) -> String {
    if let signet_plugin_api::Flow::Respond(Response { status, .. }) = exchange.run(handler).await {
        return status.as_str().to_owned();
    }
    exchange.sends(handler).await;
    let sent = |name: &str| exchange.upstream(name).map(|value| format!("{name}: {value}"));
    let sent = [sent("x-consumer-groups"), sent("x-authenticated-groups")];
    sent.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn only_who_is_in_an_allowed_group_passes() {
    let world = World::load(CONSUMERS);
    for (config, caller, expected) in [
        ("{allow: [users]}", Verified("both"), "x-consumer-groups: users, admins"),
        ("{allow: [users]}", Verified("user"), "x-consumer-groups: users"),
        ("{allow: [admins]}", Verified("user"), "403"),
        ("{allow: [other, admins]}", Verified("both"), "x-consumer-groups: users, admins"),
        ("{allow: [users]}", Verified("nobody"), "403"),
        ("{allow: [Users]}", Verified("user"), "403"),
        ("{allow: [users]}", Credential, "403"),
        ("{allow: [users]}", Nobody, "401"),
        ("{allow: [users]}", Anonymous("nobody"), "401"),
        ("{allow: [users]}", Anonymous("user"), "x-consumer-groups: users"),
        ("{allow: [admins]}", Anonymous("user"), "403"),
    ] {
        let handler = world.compile(NAME, config);
        assert_eq!(fate(&handler, request(&world, caller, None)).await, expected, "{config} for {caller:?}");
    }
}

#[tokio::test]
async fn who_is_in_a_denied_group_does_not_pass() {
    let world = World::load(CONSUMERS);
    for (config, caller, expected) in [
        ("{deny: [admins]}", Verified("both"), "403"),
        ("{deny: [admins]}", Verified("user"), "x-consumer-groups: users"),
        ("{deny: [admins]}", Verified("nobody"), ""),
        ("{deny: [admins]}", Anonymous("nobody"), ""),
        ("{deny: [users]}", Anonymous("user"), "403"),
        ("{deny: [admins]}", Credential, "403"),
        ("{deny: [admins]}", Nobody, "401"),
    ] {
        let handler = world.compile(NAME, config);
        assert_eq!(fate(&handler, request(&world, caller, None)).await, expected, "{config} for {caller:?}");
    }
}

#[tokio::test]
async fn groups_that_a_credential_proves_count_where_no_consumer_is_verified() {
    let world = World::load(CONSUMERS);
    let proven: &[&str] = &["staff", "ops"];
    for (config, caller, expected) in [
        ("{allow: [staff]}", Credential, "x-authenticated-groups: staff, ops"),
        ("{allow: [other]}", Credential, "403"),
        ("{deny: [ops]}", Credential, "403"),
        ("{deny: [other]}", Credential, "x-authenticated-groups: staff, ops"),
        ("{allow: [staff]}", Anonymous("user"), "x-authenticated-groups: staff, ops"),
        ("{allow: [users]}", Anonymous("user"), "403"),
        ("{allow: [staff]}", Verified("user"), "403"),
        ("{allow: [users]}", Verified("user"), "x-consumer-groups: users"),
        (
            "{allow: [staff], always_use_authenticated_groups: true}",
            Verified("user"),
            "x-authenticated-groups: staff, ops",
        ),
        ("{allow: [users], always_use_authenticated_groups: true}", Verified("user"), "403"),
    ] {
        let handler = world.compile(NAME, config);
        assert_eq!(fate(&handler, request(&world, caller, Some(proven))).await, expected, "{config} for {caller:?}");
    }
    let always = world.compile(NAME, "{allow: [users], always_use_authenticated_groups: true}");
    assert_eq!(fate(&always, request(&world, Verified("user"), None)).await, "x-consumer-groups: users");
}

#[tokio::test]
async fn an_empty_list_of_proven_groups_is_in_no_group() {
    let world = World::load(CONSUMERS);
    for (config, expected) in [("{allow: [staff]}", "403"), ("{deny: [staff]}", "")] {
        let handler = world.compile(NAME, config);
        assert_eq!(fate(&handler, request(&world, Credential, Some(&[]))).await, expected, "{config}");
    }
}

#[tokio::test]
async fn a_proven_group_that_would_be_read_as_several_is_not_sent() {
    let world = World::load(CONSUMERS);
    let handler = world.compile(NAME, "{allow: [staff]}");
    let proven = ["staff", "guests, admins", "a\r\nX-Admin: 1"];
    let exchange = request(&world, Credential, Some(&proven));
    assert_eq!(fate(&handler, exchange).await, "x-authenticated-groups: staff");
}

#[tokio::test]
async fn consumer_groups_count_only_where_they_are_asked_for() {
    let world = World::load(CONSUMERS);
    for (config, caller, expected) in [
        ("{allow: [gold]}", Verified("golden"), "403"),
        ("{allow: [gold], include_consumer_groups: true}", Verified("golden"), "x-consumer-groups: gold"),
        (
            "{allow: [users], include_consumer_groups: true}",
            Verified("mixed"),
            "x-consumer-groups: users, gold, bronze",
        ),
        ("{allow: [users]}", Verified("mixed"), "x-consumer-groups: users, gold"),
        ("{deny: [bronze], include_consumer_groups: true}", Verified("mixed"), "403"),
        ("{allow: [users], include_consumer_groups: true}", Verified("user"), "x-consumer-groups: users"),
        ("{allow: [users], include_consumer_groups: true}", Verified("nobody"), "403"),
        ("{allow: [users], include_consumer_groups: true}", Anonymous("nobody"), "401"),
    ] {
        let handler = world.compile(NAME, config);
        assert_eq!(fate(&handler, request(&world, caller, None)).await, expected, "{config} for {caller:?}");
    }
}

#[tokio::test]
async fn hidden_groups_are_not_sent() {
    let world = World::load(CONSUMERS);
    let handler = world.compile(NAME, "{allow: [users, staff], hide_groups_header: true}");
    assert_eq!(fate(&handler, request(&world, Verified("user"), None)).await, "");
    assert_eq!(fate(&handler, request(&world, Credential, Some(&["staff"]))).await, "");
}

#[tokio::test]
async fn refusals_say_what_kong_says() {
    let world = World::load(CONSUMERS);
    let handler = world.compile(NAME, "{allow: [admins]}");
    let forbidden = request(&world, Verified("user"), None).answer(&handler).await;
    assert_eq!((forbidden.status.as_u16(), text(&forbidden).as_str()), (403, "You cannot consume this service"));
    let nobody = request(&world, Nobody, None).answer(&handler).await;
    assert_eq!((nobody.status.as_u16(), text(&nobody).as_str()), (401, "Unauthorized"));
}

#[test]
fn exactly_one_list_names_groups() {
    let world = World::load(CONSUMERS);
    for (config, mistake) in [
        ("{}", "either `allow` or `deny` has to name a group"),
        ("{allow: []}", "either `allow` or `deny` has to name a group"),
        ("{deny: [], allow: null}", "either `allow` or `deny` has to name a group"),
        ("{allow: [a], deny: [b]}", "deny: only one of `allow` and `deny` can be given"),
        ("{deny: [a, '']}", "deny[1]: must not be empty"),
        ("{allow: a}", "allow: "),
        ("{allow: [1]}", "allow[0]: "),
        ("{whitelist: [a]}", "unknown field `whitelist`"),
        ("{allow: [a], hide_groups_header: 1}", "hide_groups_header: expected true or false"),
    ] {
        let mistakes = world.mistakes(NAME, config);
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{config}: {mistakes:?}");
    }
    world.compile(NAME, "{allow: [a], deny: []}");
}

#[test]
fn groups_that_cannot_be_or_are_there_already_are_mistakes() {
    let load = |acls: &str| World::try_load(&format!("consumers: [{{username: a, acls: [{acls}]}}]"));
    for (acls, mistake) in [
        ("{group: g}, {group: g}", "[1].group: the consumer is in this group already"),
        ("{group: ''}", "[0].group: a group's name is not empty"),
        ("{group: \"a\\nb\"}", "[0].group: a group's name is not empty, without control characters"),
        ("{}", "missing field `group`"),
        ("{groups: g}", "[0].groups: unknown field `groups`"),
    ] {
        let mistakes = load(acls).err().unwrap_or_else(|| panic!("this loads: {acls}"));
        assert!(mistakes.iter().any(|text| text.contains(mistake)), "{acls}: {mistakes:?}");
    }
    let world = load("{group: 'a, b'}").unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let more = "[0].group: to an upstream that reads X-Consumer-Groups this is more than one group";
    assert_eq!(world.credential_warnings, [more]);
}

#[test]
fn the_example_compiles() {
    let world = World::load(include_str!("example.yaml"));
    assert!(world.compile_file().contains(&NAME.to_owned()));
}
