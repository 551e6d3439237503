//! Several authentication plugins on one route: alternatives with `anonymous`, all of them without.

use signet_integration::{Gateway, Request, Seen, Upstream};

use crate::{
    jose::verify,
    setup::{service, test_key, x_custom_jwt},
};

const CONSUMERS: &str = "
consumers:
- {username: keyed, keyauth_credentials: [{id: aaaaaaaa-0000-4000-8000-000000000001, key: right}]}
- {username: named, basicauth_credentials: [{username: user, password: right}], acls: [{group: staff}]}
- {username: guest}
- {username: visitor}
- username: barred
  plugins: [{name: request-termination, config: {status_code: 403, message: Log in first}}]
";

fn gateway(upstream: &Upstream) -> Gateway {
    let signed = x_custom_jwt("rs256-private-jwk.json", "");
    let routes = format!(
        "
- {{name: all, paths: [/all], plugins: [{{name: basic-auth}}, {{name: key-auth}}]}}
- {{name: any, paths: [/any], plugins: [{{name: basic-auth, config: {{anonymous: guest}}}}, {{name: key-auth, config: {{anonymous: guest}}}}]}}
- {{name: hiding, paths: [/hiding], plugins: [{{name: basic-auth, config: {{anonymous: guest, hide_credentials: true}}}}, {{name: key-auth, config: {{anonymous: guest, hide_credentials: true}}}}]}}
- {{name: two, paths: [/two], plugins: [{{name: basic-auth, config: {{anonymous: visitor}}}}, {{name: key-auth, config: {{anonymous: guest}}}}]}}
- {{name: key-needed, paths: [/key-needed], plugins: [{{name: basic-auth, config: {{anonymous: guest}}}}, {{name: key-auth}}]}}
- {{name: password-needed, paths: [/password-needed], plugins: [{{name: basic-auth}}, {{name: key-auth, config: {{anonymous: guest}}}}]}}
- {{name: closed, paths: [/closed], plugins: [{{name: basic-auth, config: {{anonymous: barred}}}}, {{name: key-auth, config: {{anonymous: barred}}}}]}}
- {{name: staff, paths: [/staff], plugins: [{{name: basic-auth, config: {{anonymous: guest}}}}, {{name: key-auth, config: {{anonymous: guest}}}}, {{name: acl, config: {{allow: [staff]}}}}]}}
- {{name: signed, paths: [/signed], plugins: [{{name: basic-auth, config: {{anonymous: guest}}}}, {{name: key-auth, config: {{anonymous: guest}}}}, {signed}]}}
"
    );
    Gateway::start(&(service(upstream, &routes) + CONSUMERS))
}

/// A request with a key and a password; an empty one is not sent.
fn request(path: &str, key: &str, password: &str) -> Request {
    let request = Request::get(path);
    let request = if key.is_empty() { request } else { request.header("apikey", key) };
    if password.is_empty() { request } else { request.basic("user", password) }
}

/// Who the upstream was told that the caller is: consumer, credential, whether anonymous.
fn told(seen: &Seen) -> (Option<&str>, Option<&str>, Option<&str>) {
    let header = |name| seen.header(name);
    (header("X-Consumer-Username"), header("X-Credential-Identifier"), header("X-Anonymous-Consumer"))
}

const KEYED: (Option<&str>, Option<&str>, Option<&str>) =
    (Some("keyed"), Some("aaaaaaaa-0000-4000-8000-000000000001"), None);
const NAMED: (Option<&str>, Option<&str>, Option<&str>) = (Some("named"), Some("user"), None);
const GUEST: (Option<&str>, Option<&str>, Option<&str>) = (Some("guest"), None, Some("true"));

#[test]
fn without_anonymous_every_plugin_must_accept_and_the_last_names_the_consumer() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (key, password, challenge) in [
        ("", "", "Key"),
        ("", "right", "Key"),
        ("wrong", "right", "Key"),
        ("right", "", "Basic realm=\"service\""),
        ("right", "wrong", "Basic realm=\"service\""),
        ("wrong", "wrong", "Key"),
    ] {
        let response = gateway.send(&request("/all", key, password));
        let got = (response.status, response.header("WWW-Authenticate"));
        assert_eq!(got, (401, Some(challenge)), "key `{key}`, password `{password}`");
    }
    assert!(upstream.take().is_empty());
    assert_eq!(gateway.send(&request("/all", "right", "right")).status, 200);
    assert_eq!(told(&upstream.one()), NAMED);
}

#[test]
fn with_anonymous_the_first_that_accepts_names_the_consumer() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (key, password, who) in [
        ("right", "", KEYED),
        ("", "right", NAMED),
        ("wrong", "right", NAMED),
        // key-auth runs first; what it has settled, basic-auth does not look at, right or wrong.
        ("right", "right", KEYED),
        ("right", "wrong", KEYED),
        ("", "", GUEST),
        ("wrong", "", GUEST),
        ("wrong", "wrong", GUEST),
    ] {
        assert_eq!(gateway.send(&request("/any", key, password)).status, 200, "key `{key}`, password `{password}`");
        assert_eq!(told(&upstream.one()), who, "key `{key}`, password `{password}`");
    }
}

#[test]
fn of_two_anonymous_consumers_the_last_one_stands_in() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.get("/two").status, 200);
    assert_eq!(told(&upstream.one()), (Some("visitor"), None, Some("true")));
    assert_eq!(gateway.send(&request("/two", "right", "")).status, 200);
    assert_eq!(told(&upstream.one()), KEYED);
}

#[test]
fn a_plugin_without_anonymous_must_accept_beside_one_that_has_it() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (path, key, password, expected) in [
        ("/key-needed", "right", "", Some(KEYED)),
        ("/key-needed", "right", "right", Some(KEYED)),
        ("/key-needed", "right", "wrong", Some(KEYED)),
        ("/key-needed", "", "right", None),
        ("/key-needed", "wrong", "right", None),
        ("/password-needed", "", "right", Some(NAMED)),
        ("/password-needed", "right", "right", Some(NAMED)),
        ("/password-needed", "wrong", "right", Some(NAMED)),
        ("/password-needed", "right", "", None),
        ("/password-needed", "right", "wrong", None),
    ] {
        let status = gateway.send(&request(path, key, password)).status;
        let seen = upstream.take();
        let who = seen.first().map(told);
        assert_eq!((status == 200, who), (expected.is_some(), expected), "{path} key `{key}`, password `{password}`");
        assert!(status == 200 || status == 401, "{status}");
    }
}

#[test]
fn a_plugin_of_the_anonymous_consumer_turns_alternatives_into_a_closed_door() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (key, password) in [("", ""), ("wrong", "wrong")] {
        let response = gateway.send(&request("/closed", key, password));
        assert_eq!((response.status, &response.json()["message"]), (403, &"Log in first".into()));
    }
    assert!(upstream.take().is_empty());
    for (key, password, who) in [("right", "", KEYED), ("", "right", NAMED), ("wrong", "right", NAMED)] {
        assert_eq!(gateway.send(&request("/closed", key, password)).status, 200);
        assert_eq!(told(&upstream.one()), who);
    }
}

#[test]
fn groups_are_those_of_the_consumer_that_was_accepted() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (key, password, status) in
        [("", "right", 200), ("wrong", "right", 200), ("right", "right", 403), ("right", "", 403), ("", "", 401)]
    {
        let got = gateway.send(&request("/staff", key, password)).status;
        assert_eq!(got, status, "key `{key}`, password `{password}`");
        let groups = (status == 200).then_some("staff");
        assert_eq!(upstream.take().first().and_then(|seen| seen.header("X-Consumer-Groups")), groups);
    }
}

#[test]
fn an_anonymous_caller_that_acl_refuses_is_told_every_way_to_authenticate() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let response = gateway.get("/staff");
    let challenges: Vec<&str> = response.headers.all("WWW-Authenticate").collect();
    assert_eq!((response.status, challenges), (401, vec!["Key", "Basic realm=\"service\""]));
    let forbidden = gateway.send(&request("/staff", "right", ""));
    assert_eq!((forbidden.status, forbidden.header("WWW-Authenticate")), (403, None));
    assert!(upstream.take().is_empty());
}

#[test]
fn a_token_is_for_whom_was_accepted_and_for_nobody_else() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let keys = test_key("rs256-jwks.json");
    for (key, password, client) in
        [("right", "", "right"), ("", "right", "user"), ("wrong", "right", "user"), ("right", "right", "right")]
    {
        assert_eq!(gateway.send(&request("/signed", key, password)).status, 200);
        let token = upstream.one().header("X-Custom-Jwt").unwrap().to_owned();
        assert_eq!(verify(&token, &keys).claims["client_id"], client, "key `{key}`, password `{password}`");
    }
    for (key, password) in [("", ""), ("wrong", "wrong")] {
        assert_eq!(gateway.send(&request("/signed", key, password)).status, 401);
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn credentials_are_hidden_by_the_plugins_that_looked_at_them() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    for (key, password, key_passes, password_passes) in [
        ("wrong", "right", false, false),
        ("wrong", "wrong", false, false),
        // Settled by the key: basic-auth has not read the password, as in Kong.
        ("right", "right", false, true),
    ] {
        assert_eq!(gateway.send(&request("/hiding", key, password)).status, 200);
        let seen = upstream.one();
        let passed = (seen.header("apikey").is_some(), seen.header("Authorization").is_some());
        assert_eq!(passed, (key_passes, password_passes), "key `{key}`, password `{password}`");
    }
}
