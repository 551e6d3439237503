//! Of several places of one plugin the most specific counts, in Kong's order.

use std::{net::Ipv4Addr, sync::Arc};

use signet_plugin_api::{BufferedBody, Client, Consumer, Context, Identity, Proof, Request, RequestHeader, RequestId};

use super::{plugins::RAN, prepared};
use crate::{
    prepare::Prepared,
    runtime::chain::{Outcome, Progress},
};

/// Kong's precedence, the most specific first, as the fields of a plugin.
const SCOPES: [(&str, &str); 8] = [
    ("consumer+route+service", "consumer: alice, route: r, service: s"),
    ("consumer+route", "consumer: alice, route: r"),
    ("consumer+service", "consumer: alice, service: s"),
    ("route+service", "route: r, service: s"),
    ("consumer", "consumer: alice"),
    ("route", "route: r"),
    ("service", "service: s"),
    ("global", ""),
];

const ENTITIES: &str = "services: [{name: s, host: h, routes: [{name: r, paths: [/r]}, {name: other, paths: [/o]}]}]\n\
                        routes: [{name: bare, paths: [/b]}]\n\
                        consumers: [{username: alice, id: 11111111-1111-4111-8111-111111111111}, \
                        {username: bob, id: 22222222-2222-4222-8222-222222222222}]\n";

const ALICE: &str = "11111111-1111-4111-8111-111111111111";
const BOB: &str = "22222222-2222-4222-8222-222222222222";

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
async fn ran(prepared: &Prepared, route: &str, consumer: Option<&str>) -> String {
    let is_meant = |entry: &&crate::runtime::RouteEntry| entry.route.name.as_deref() == Some(route);
    let entry = prepared.snapshot.routes.iter().find(is_meant).expect("a route of that name");
    let mut cx = Context::new(RequestId::default(), None, None);
    if let Some(id) = consumer {
        let consumer = Arc::new(Consumer::new(id, None, None, Vec::new()).expect("a consumer"));
        let proof = Proof::Other { subject: id.into() };
        cx.authenticate(Identity::new("test", Some(consumer), proof));
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

#[tokio::test]
async fn in_every_set_of_places_the_most_specific_that_applies_runs_alone() {
    for set in 1..1_u32 << SCOPES.len() {
        let places: Vec<usize> = (0..SCOPES.len()).filter(|place| set >> place & 1 == 1).collect();
        // The order of the file says nothing: the least specific comes first.
        let prepared = file(places.iter().rev().copied());
        let consumer = |label: &str| label.contains("consumer");
        let route = |label: &str| label.contains("route");
        let service = |label: &str| label.contains("service");
        let cases = [
            ("r", Some(ALICE), expected(&places, |_| true)),
            ("r", Some(BOB), expected(&places, |label| !consumer(label))),
            ("r", None, expected(&places, |label| !consumer(label))),
            ("other", Some(ALICE), expected(&places, |label| !route(label))),
            ("other", None, expected(&places, |label| !route(label) && !consumer(label))),
            ("bare", Some(ALICE), expected(&places, |label| !route(label) && !service(label))),
            ("bare", None, expected(&places, |label| label == "global")),
        ];
        for (on, who, label) in cases {
            assert_eq!(ran(&prepared, on, who).await, label, "{places:?} on {on} for {who:?}");
        }
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
