//! Tests of `prometheus`.

use std::sync::Arc;

use signet_plugin_api::{Handler, HiddenSeries, Identity, Proof, Record};

use super::NAME;
use crate::testing::{Exchange, World};

const CONSUMERS: &str = "{consumers: [{username: a}, {username: b}, {username: c}]}";

/// One request of a consumer that got this status.
async fn request(world: &World, handler: &Arc<dyn Handler>, consumer: &str, status: u16) {
    let mut exchange = Exchange::get("/");
    let consumer = world.resources.consumers.by_username(consumer).map(Arc::clone);
    exchange.cx.authenticate(Identity::new("test", consumer, Proof::Key));
    let record = Record { request_body: 2, response_body: 3, ..Record::of(&exchange.head, status) };
    handler.on_log(&exchange.cx, &record).await;
}

/// What is counted of requests: consumer, code, how many; without those that are zero.
fn counted(world: &World) -> Vec<(String, String, u32)> {
    let families = world.resources.meters.gather();
    let family = families.iter().find(|family| family.name() == "signet_consumer_http_requests_total");
    let mut counted = Vec::new();
    for metric in family.map_or(&[][..], |family| family.get_metric()) {
        let label = |name: &str| {
            let label = metric.get_label().iter().find(|label| label.name() == name);
            label.map(|label| label.value().to_owned()).unwrap_or_default()
        };
        if metric.get_counter().get_value() > 0.0 {
            counted.push((label("consumer"), label("code"), metric.get_counter().get_value() as u32));
        }
    }
    counted.sort();
    counted
}

fn of(consumer: &str, code: &str, count: u32) -> (String, String, u32) {
    (consumer.to_owned(), code.to_owned(), count)
}

#[test]
fn a_switch_hides_series_when_it_is_off_and_not_when_it_is_not_there() {
    let hidden = |config: &str| World::empty().compile(NAME, config).hidden_series();
    assert_eq!(hidden("{}"), HiddenSeries::default());
    let all =
        "{status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true, upstream_health_metrics: true}";
    assert_eq!(hidden(all), HiddenSeries::default());
    let none = "{status_code_metrics: false, latency_metrics: false, bandwidth_metrics: false, ai_metrics: false}";
    assert_eq!(hidden(none), HiddenSeries { requests: true, latencies: true, bandwidth: true });
    assert_eq!(hidden("{latency_metrics: false}"), HiddenSeries { latencies: true, ..HiddenSeries::default() });
}

#[test]
fn series_of_what_the_gateway_does_not_do_are_a_mistake() {
    for config in ["{ai_metrics: true}", "{wasm_metrics: true}", "{per_consumers: true}", "{max_consumers: -1}"] {
        assert_eq!(World::empty().mistakes(NAME, config).len(), 1, "{config}");
    }
}

#[tokio::test]
async fn consumers_are_counted_only_where_somebody_asked_for_it() {
    let world = World::load(CONSUMERS);
    let handler = world.compile(NAME, "{}");
    request(&world, &handler, "a", 200).await;
    assert_eq!(counted(&world), []);
}

#[tokio::test]
async fn those_for_whom_there_is_no_room_are_counted_together() {
    let world = World::load(CONSUMERS);
    let handler = world.compile(NAME, "{per_consumer: true, max_consumers: 2}");
    for (consumer, status) in [("b", 200), ("b", 201), ("b", 404), ("c", 503), ("a", 200), ("a", 0)] {
        request(&world, &handler, consumer, status).await;
    }
    let expected =
        [of("b", "2xx", 2), of("b", "4xx", 1), of("c", "5xx", 1), of("other", "2xx", 1), of("other", "499", 1)];
    assert_eq!(counted(&world), expected);
}

#[tokio::test]
async fn series_outlast_a_configuration_and_go_with_their_consumer() {
    let mut world = World::load(CONSUMERS);
    let old = world.compile(NAME, "{per_consumer: true}");
    request(&world, &old, "a", 200).await;
    request(&world, &old, "b", 200).await;
    world.resources.consumers = World::load("{consumers: [{username: a}]}").resources.consumers;
    let new = world.compile(NAME, "{per_consumer: true}");
    drop(old);
    assert_eq!(counted(&world), [of("a", "2xx", 1)]);
    request(&world, &new, "a", 200).await;
    assert_eq!(counted(&world), [of("a", "2xx", 2)]);
}

#[test]
fn the_example_compiles() {
    let mut names = World::load(include_str!("example.yaml")).compile_file();
    names.sort();
    assert_eq!(names, ["key-auth", NAME, NAME]);
}
