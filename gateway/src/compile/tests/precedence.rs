//! Of several places of one plugin the most specific counts, in Kong's order.

use std::{net::Ipv4Addr, sync::Arc};

use signet_plugin_api::{
    BufferedBody, Client, Consumer, ConsumerGroup, Context, Identity, Proof, Request, RequestHeader, RequestId,
};

use super::{plugins::RAN, prepared};
use crate::{
    prepare::Prepared,
    runtime::chain::{Outcome, Progress},
};

/// Kong's precedence, the most specific first, as the fields of a plugin.
const SCOPES: [(&str, &str); 12] = [
    ("consumer+route+service", "consumer: alice, route: r, service: s"),
    ("group+route+service", "consumer_group: gold, route: r, service: s"),
    ("consumer+route", "consumer: alice, route: r"),
    ("consumer+service", "consumer: alice, service: s"),
    ("group+route", "consumer_group: gold, route: r"),
    ("group+service", "consumer_group: gold, service: s"),
    ("route+service", "route: r, service: s"),
    ("consumer", "consumer: alice"),
    ("group", "consumer_group: gold"),
    ("route", "route: r"),
    ("service", "service: s"),
    ("global", ""),
];

const ENTITIES: &str = "services: [{name: s, host: h, routes: [{name: r, paths: [/r]}, {name: other, paths: [/o]}]}]\n\
                        routes: [{name: bare, paths: [/b]}]\n\
                        consumers: [{username: alice, id: 11111111-1111-4111-8111-111111111111}, \
                        {username: bob, id: 22222222-2222-4222-8222-222222222222}]\n\
                        consumer_groups: [{name: gold, id: 33333333-3333-4333-8333-333333333333}, \
                        {name: bronze, id: 44444444-4444-4444-8444-444444444444}]\n";

/// A consumer with its groups, by id and in the order of their names.
type Who = (&'static str, &'static [&'static str]);

const ALICE: Who = ("11111111-1111-4111-8111-111111111111", &[GOLD]);
const BOB: Who = ("22222222-2222-4222-8222-222222222222", &[]);
const CAROL: Who = ("55555555-5555-4555-8555-555555555555", &[BRONZE, GOLD]);
const GOLD: &str = "33333333-3333-4333-8333-333333333333";
const BRONZE: &str = "44444444-4444-4444-8444-444444444444";

/// A file with the plugin in these places, positions of [`SCOPES`].
fn file(places: impl Iterator<Item = usize>) -> Prepared {
    let plugin = |place: usize| {
        let (label, fields) = SCOPES[place];
        let comma = if fields.is_empty() { "" } else { ", " };
        format!("- {{name: marker, config: {{label: {label}}}{comma}{fields}}}\n")
    };
    prepared(&format!("{ENTITIES}plugins:\n{}", places.map(plugin).collect::<String>()))
}

/// The label that runs for this consumer on the route of this name; empty when the plugin does not run.
async fn ran(prepared: &Prepared, route: &str, consumer: Option<Who>) -> String {
    let is_meant = |entry: &&crate::runtime::RouteEntry| entry.route.name.as_deref() == Some(route);
    let entry = prepared.snapshot.routes.iter().find(is_meant).expect("a route of that name");
    let mut cx = Context::new(RequestId::default(), None, None);
    if let Some((id, groups)) = consumer {
        let mut consumer = Consumer::new(id, None, None, Vec::new()).expect("a consumer");
        let group = |id: &&str| ConsumerGroup { id: Arc::from(*id), name: Arc::from(*id), tags: Vec::new() };
        consumer.groups = groups.iter().map(|id| Arc::new(group(id))).collect();
        let proof = Proof::Other { subject: id.into() };
        cx.authenticate(Identity::new("test", Some(Arc::new(consumer)), proof));
    }
    let mut head = RequestHeader::build("GET", b"/", None).expect("a request line");
    let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
    let mut body = BufferedBody::default();
    let mut request = Request::new(&mut head, &client, &mut body);
    let outcome = entry.chain.on_request(&mut request, &mut cx, &mut Progress::default()).await;
    assert!(matches!(outcome, Outcome::Continue));
    let labels = head.headers.get_all(RAN).iter().map(|label| label.to_str().expect("text"));
    labels.collect::<Vec<_>>().join(" ")
}

/// The first of the places that `applies`.
fn expected(places: &[usize], applies: impl Fn(&str) -> bool) -> &'static str {
    places.iter().map(|place| SCOPES[*place].0).find(|label| applies(label)).unwrap_or("")
}

/// Every set of up to three places, and all of them: each hides every less specific one, in any company.
fn sets() -> impl Iterator<Item = u32> {
    let all = (1 << SCOPES.len()) - 1;
    (1..=all).filter(move |set: &u32| set.count_ones() <= 3 || *set == all)
}

#[tokio::test]
async fn in_every_set_of_places_the_most_specific_that_applies_runs_alone() {
    for set in sets() {
        let places: Vec<usize> = (0..SCOPES.len()).filter(|place| set >> place & 1 == 1).collect();
        // The order of the file says nothing: the least specific comes first.
        let prepared = file(places.iter().rev().copied());
        let consumer = |label: &str| label.contains("consumer");
        let caller = |label: &str| consumer(label) || label.contains("group");
        let route = |label: &str| label.contains("route");
        let service = |label: &str| label.contains("service");
        let cases = [
            ("r", Some(ALICE), expected(&places, |_| true)),
            ("r", Some(CAROL), expected(&places, |label| !consumer(label))),
            ("r", Some(BOB), expected(&places, |label| !caller(label))),
            ("r", None, expected(&places, |label| !caller(label))),
            ("other", Some(ALICE), expected(&places, |label| !route(label))),
            ("other", Some(CAROL), expected(&places, |label| !route(label) && !consumer(label))),
            ("other", None, expected(&places, |label| !route(label) && !caller(label))),
            ("bare", Some(ALICE), expected(&places, |label| !route(label) && !service(label))),
            ("bare", None, expected(&places, |label| label == "global")),
        ];
        for (on, who, label) in cases {
            assert_eq!(ran(&prepared, on, who).await, label, "{places:?} on {on} for {who:?}");
        }
    }
}

#[tokio::test]
async fn of_several_groups_of_a_consumer_the_first_by_name_counts_unless_another_stands_in_a_closer_place() {
    let plugin = |group: &str, place: &str| {
        format!("- {{name: marker, consumer_group: {group}{place}, config: {{label: {group}}}}}\n")
    };
    let gold = plugin("gold", "");
    let both = prepared(&format!("{ENTITIES}plugins:\n{gold}{}", plugin("bronze", "")));
    let closer = prepared(&format!("{ENTITIES}plugins:\n{}{}", plugin("bronze", ""), plugin("gold", ", route: r")));
    for (prepared, who, label) in [
        (&both, Some(CAROL), "bronze"),
        (&both, Some(ALICE), "gold"),
        (&both, Some(BOB), ""),
        (&both, None, ""),
        (&closer, Some(CAROL), "gold"),
    ] {
        assert_eq!(ran(prepared, "r", who).await, label, "{who:?}");
    }
}

#[tokio::test]
async fn two_consumers_may_have_the_same_plugin_each() {
    let plugins = "plugins:\n- {name: marker, consumer: alice, config: {label: a}}\n- {name: marker, consumer: bob, config: {label: b}}\n";
    let prepared = prepared(&format!("{ENTITIES}{plugins}"));
    for (who, label) in [(Some(ALICE), "a"), (Some(BOB), "b"), (None, "")] {
        assert_eq!(ran(&prepared, "r", who).await, label);
    }
}
