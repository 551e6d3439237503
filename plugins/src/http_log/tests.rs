//! Tests: the configuration, and what waits. What is sent is in the black-box tests.

use std::{collections::HashMap, time::Duration};

use super::config::Config;
use crate::{shared::queue::Limits, testing::World};

const URL: &str = "http_endpoint: http://logs.test/a";

fn config(yaml: &str) -> Config {
    serde_yaml::from_str(yaml).expect("a configuration")
}

fn limits(yaml: &str) -> Limits {
    config(&format!("{{{URL}, {yaml}}}")).limits().expect("limits")
}

#[test]
fn kongs_former_names_count_when_they_have_a_value_of_their_own() {
    let usual = limits("");
    assert_eq!((usual.batch, usual.delay, usual.entries), (1, Duration::from_secs(1), 10_000));
    assert_eq!((usual.patience, usual.first_pause), (Duration::from_secs(60), Duration::from_millis(10)));
    let former = limits("queue_size: 20, flush_timeout: 3.5");
    assert_eq!((former.batch, former.delay), (20, Duration::from_millis(3500)));
    let both = limits("queue_size: 1, flush_timeout: 2, queue: {max_batch_size: 7, max_coalescing_delay: 0.5}");
    assert_eq!((both.batch, both.delay), (7, Duration::from_millis(500)));
    assert_eq!(limits("queue: {max_retry_time: -1}").patience, Duration::ZERO);
}

#[test]
fn a_user_in_the_endpoint_is_sent_as_a_header_and_leaves_the_url() {
    let endpoint = config("{http_endpoint: 'https://me%3A:pass%20word+@logs.test/a?b=c', headers: {X-A: b}}");
    let endpoint = endpoint.endpoint().expect("an endpoint");
    assert_eq!(
        (endpoint.uri.to_string().as_str(), endpoint.shown.as_str()),
        ("https://logs.test/a?b=c", "logs.test:443")
    );
    let headers: HashMap<&str, &str> =
        endpoint.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII"))).collect();
    assert_eq!(headers, HashMap::from([("authorization", "Basic bWU6OnBhc3Mgd29yZCs="), ("x-a", "b")]));
}

#[test]
fn what_cannot_be_sent_is_a_mistake() {
    let world = World::empty();
    let told = |yaml: &str| world.mistakes("http-log", yaml).join("; ");
    for (yaml, reason) in [
        ("{http_endpoint: nowhere}", "http_endpoint: expected a URL"),
        ("{http_endpoint: 'ftp://a/b'}", "http_endpoint: expected a URL of http or https"),
        (
            "{http_endpoint: 'http://a', headers: {Host: b}}",
            "headers.Host: `Host` is a header of HTTP itself and cannot be set",
        ),
        (
            "{http_endpoint: 'http://a', headers: {'a b': b}}",
            "headers.a b: `a b` is not a header name; allowed are A-Z, a-z, 0-9, `_` and `-`",
        ),
        (
            "{http_endpoint: 'http://me:pw@a', headers: {authorization: b}}",
            "headers: a user name in `http_endpoint` and the header Authorization exclude each other",
        ),
        ("{http_endpoint: 'http://a', queue: {max_batch_size: 0}}", "queue.max_batch_size: must be from 1 to 1000000"),
        (
            "{http_endpoint: 'http://a', queue: {concurrency_limit: -1}}",
            "queue.concurrency_limit: this field of Kong's is not implemented; only its default (1) is accepted",
        ),
        (
            "{http_endpoint: 'http://a', queue: {max_coalescing_delay: 4000}}",
            "queue.max_coalescing_delay: must be from 0 to 3600 seconds",
        ),
    ] {
        assert_eq!(told(yaml), reason);
    }
    assert!(
        told("{http_endpoint: 'http://a', custom_fields_by_lua: {a: return 1}}").starts_with("custom_fields_by_lua")
    );
    assert!(told("{http_endpoint: 'http://a', method: GET}").starts_with("method"));
}

#[test]
fn secrets_are_not_shown() {
    let config = config("{http_endpoint: 'http://me:s3cret@a', headers: {X-Key: s3cret}}");
    assert!(!format!("{config:?}").contains("s3cret"));
}
