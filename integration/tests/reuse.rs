//! x-custom-jwt's `reuse_for`: one signature for many requests, and never one for somebody else.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use signet_integration::{Gateway, Request, Upstream};

use crate::{
    jose::verify,
    setup::{CONSUMERS, service, test_key, x_custom_jwt},
};

fn file(upstream: &Upstream, key: &str, more: &str) -> String {
    let plugins = format!("{{name: key-auth}}, {}", x_custom_jwt(key, more));
    service(upstream, &format!("- {{name: x, paths: [/x], plugins: [{plugins}]}}")) + CONSUMERS
}

fn keyed(key: &str) -> Request {
    Request::get("/x").header("apikey", key)
}

/// The value of a series on /metrics; 0 when there is none.
fn series(gateway: &Gateway, start: &str) -> f64 {
    let text = gateway.get_status("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(start));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn signatures(gateway: &Gateway) -> f64 {
    series(gateway, "signet_jwt_signatures_total{")
}

fn tokens(upstream: &Upstream) -> Vec<String> {
    upstream.take().iter().map(|seen| seen.header("X-Custom-Jwt").expect("a token").to_owned()).collect()
}

#[test]
fn a_thousand_requests_of_one_caller_are_signed_once() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&file(&upstream, "rs256-private-jwk.json", ", reuse_for: 60, expires_in: 300"));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut client = gateway.client();
                for _ in 0..50 {
                    assert_eq!(client.send(&keyed("alice-key")).status, 200);
                }
            });
        }
    });
    let tokens = tokens(&upstream);
    assert_eq!((tokens.len(), signatures(&gateway)), (1000, 1.0));
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 1);
    let token = verify(&tokens[0], &test_key("rs256-jwks.json"));
    assert_eq!(token.claims["client_id"], "alice-key");
    assert_eq!(series(&gateway, "signet_jwt_reuse_total{result=\"miss\"}"), 1.0);
    assert_eq!(series(&gateway, "signet_jwt_reuse_total{result=\"hit\"}"), 999.0);
    assert_eq!(series(&gateway, "signet_jwt_reuse_entries "), 1.0);
    assert!(series(&gateway, "signet_jwt_reuse_bytes ") > 1000.0);
    assert_eq!(series(&gateway, "signet_jwt_sign_duration_seconds_count{alg=\"RS256\"}"), 1.0);
}

#[test]
fn two_callers_have_two_tokens() {
    let upstream = Upstream::echo();
    let more = ", reuse_for: 60, apikey_client_id: consumer";
    let gateway = Gateway::start(&file(&upstream, "rs256-private-jwk.json", more));
    for key in ["alice-key", "bob-key", "alice-key", "bob-key"] {
        assert_eq!(gateway.send(&keyed(key)).status, 200);
    }
    let tokens = tokens(&upstream);
    let callers: Vec<String> = tokens
        .iter()
        .map(|token| verify(token, &test_key("rs256-jwks.json")).claims["client_id"].as_str().unwrap().to_owned())
        .collect();
    let bob = "22222222-2222-4222-8222-222222222222";
    assert_eq!(callers, ["alice-at-home", bob, "alice-at-home", bob]);
    assert_eq!(signatures(&gateway), 2.0);
}

#[test]
fn a_credential_that_is_removed_stops_at_once_although_its_token_is_kept() {
    let upstream = Upstream::echo();
    let file = file(&upstream, "rs256-private-jwk.json", ", reuse_for: 60");
    let gateway = Gateway::start(&file);
    assert_eq!(gateway.send(&keyed("bob-key")).status, 200);
    let without_bob = file.replace("key: bob-key", "key: other-key");
    gateway.reload(&without_bob);
    assert_eq!(gateway.send(&keyed("bob-key")).status, 401);
    assert_eq!(series(&gateway, "signet_jwt_reuse_entries "), 1.0, "its token is there");
    gateway.reload(&file);
    assert_eq!(gateway.send(&keyed("bob-key")).status, 200);
    let tokens = tokens(&upstream);
    assert_eq!((tokens.len(), &tokens[0], signatures(&gateway)), (2, &tokens[1], 1.0));
}

#[test]
fn an_unrelated_reload_costs_nothing_and_another_key_counts_at_once() {
    let upstream = Upstream::echo();
    let reused = ", reuse_for: 60";
    let old = file(&upstream, "rs256-private-jwk.json", reused);
    let gateway = Gateway::start(&old);
    assert_eq!(gateway.send(&keyed("alice-key")).status, 200);
    gateway.reload(&old.replace("- {name: x,", "- {name: another, paths: [/another]}\n  - {name: x,"));
    assert_eq!(gateway.get("/another").status, 200);
    assert_eq!(gateway.send(&keyed("alice-key")).status, 200);
    gateway.reload(&file(&upstream, "rs512-private-jwk.json", reused));
    assert_eq!(gateway.send(&keyed("alice-key")).status, 200);
    let seen = upstream.take();
    let tokens: Vec<&str> = seen.iter().filter_map(|seen| seen.header("X-Custom-Jwt")).collect();
    assert_eq!((seen.len(), tokens.len()), (4, 3));
    assert_eq!(tokens[0], tokens[1]);
    verify(tokens[0], &test_key("rs256-jwks.json"));
    verify(tokens[2], &test_key("rs512-jwks.json"));
}

#[test]
fn a_token_is_signed_again_when_its_time_is_over() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&file(&upstream, "rs256-private-jwk.json", ", reuse_for: 1, expires_in: 2"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut client = gateway.client();
    while signatures(&gateway) < 3.0 {
        assert!(Instant::now() < deadline, "{}", signatures(&gateway));
        assert_eq!(client.send(&keyed("alice-key")).status, 200);
    }
    let different: BTreeSet<String> = tokens(&upstream).into_iter().collect();
    let issued: BTreeSet<u64> = different
        .iter()
        .map(|token| verify(token, &test_key("rs256-jwks.json")).claims["iat"].as_u64().unwrap())
        .collect();
    assert_eq!((different.len(), issued.len()), (3, 3), "one signature for each second");
}

/// The same with keys of a set: the first since ever, the second from `rotation` on.
fn with_key_set(upstream: &Upstream, rotation: u64, more: &str) -> String {
    let key = |name: &str| test_key(name).to_string();
    let (first, second) = (key("rs256-private-jwk.json"), key("rs512-private-jwk.json"));
    let plugin = format!("{{name: x-custom-jwt, config: {{key_set: signing{more}}}}}");
    let routes = format!("- {{name: x, paths: [/x], plugins: [{{name: key-auth}}, {plugin}]}}");
    service(upstream, &routes)
        + CONSUMERS
        + &format!(
            "key_sets:\n- name: signing\n  keys:\n  - jwk: '{first}'\n  - {{jwk: '{second}', not_before: {rotation}}}\n"
        )
}

fn seconds_from_now(seconds: u64) -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + seconds
}

#[test]
fn the_next_key_counts_from_its_second_on_whatever_is_kept() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&with_key_set(&upstream, seconds_from_now(3), ", reuse_for: 60"));
    let of = |kid: &str| {
        series(&gateway, &format!("signet_jwt_signatures_total{{alg=\"{kid}\",kid=\"signet-{}\"}}", kid.to_lowercase()))
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut client = gateway.client();
    while of("RS512") == 0.0 {
        assert!(Instant::now() < deadline, "{}", gateway.get_status("/metrics").text());
        assert_eq!(client.send(&keyed("alice-key")).status, 200);
    }
    for _ in 0..5 {
        assert_eq!(client.send(&keyed("alice-key")).status, 200);
    }
    let mut tokens = tokens(&upstream);
    tokens.dedup();
    assert_eq!(tokens.len(), 2, "one of each key, and none of the first after the second");
    assert_eq!((of("RS256"), of("RS512")), (1.0, 1.0));
    let [first, second] = ["rs256-jwks.json", "rs512-jwks.json"].map(test_key);
    let rotated = verify(&tokens[1], &second).claims["iat"].as_u64().unwrap();
    assert!(verify(&tokens[0], &first).claims["iat"].as_u64().unwrap() < rotated);
}

#[test]
fn a_reload_that_leaves_the_key_set_alone_costs_nothing() {
    let upstream = Upstream::echo();
    let old = with_key_set(&upstream, seconds_from_now(3600), ", reuse_for: 60");
    let gateway = Gateway::start(&old);
    assert_eq!(gateway.send(&keyed("alice-key")).status, 200);
    gateway.reload(&old.replace("username: bob", "username: robert"));
    assert_eq!(gateway.send(&keyed("alice-key")).status, 200);
    let tokens = tokens(&upstream);
    assert_eq!((&tokens[0], signatures(&gateway)), (&tokens[1], 1.0));
}

#[test]
fn without_a_key_that_signs_nothing_goes_upstream_and_the_log_says_so_once() {
    let upstream = Upstream::echo();
    let file = with_key_set(&upstream, seconds_from_now(3600), ", reuse_for: 60");
    let ends = format!("not_after: {}\n    jwk: '", seconds_from_now(3));
    let gateway = Gateway::start(&file.replacen("jwk: '", &ends, 1));
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut client = gateway.client();
    let mut passed = 0;
    let refused = loop {
        assert!(Instant::now() < deadline, "its key ends");
        let response = client.send(&keyed("alice-key"));
        if response.status != 200 {
            break response;
        }
        passed += 1;
    };
    assert_eq!((refused.status, refused.header("Retry-After")), (503, None));
    assert_eq!(gateway.send(&keyed("alice-key")).status, 503);
    assert_eq!(gateway.get("/x").status, 401, "who is nobody is told so first");
    assert_eq!((tokens(&upstream).len(), passed > 0), (passed, true));
    let told = gateway.stderr();
    assert_eq!(told.matches("no key of the set may sign now").count(), 1, "{told}");
}
