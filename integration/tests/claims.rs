//! Claims by configuration: what x-custom-jwt writes into tokens beyond Kong's claims.

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use signet_integration::{Folder, Gateway, Request, Upstream, signet};

use crate::{
    jose::verify,
    setup::{service_with, test_key, x_custom_jwt},
};

const SECRET: &str = "alice's secret, which is long enough";

const CONSUMERS: &str = "
consumer_groups: [{name: gold, consumers: [{username: alice}]}, {name: staff, consumers: [{username: alice}]}]
consumers:
- username: alice
  id: 11111111-1111-4111-8111-111111111111
  custom_id: alice-at-home
  tags: [eu, 'a \"beta\" tester']
  basicauth_credentials: [{username: alice, password: 'p@ss:word'}]
  keyauth_credentials: [{id: aaaaaaaa-0000-4000-8000-000000000001, key: alice-key}]
  jwt_secrets: [{key: alice, secret: \"alice's secret, which is long enough\"}]
- username: bob
  id: 22222222-2222-4222-8222-222222222222
  keyauth_credentials: [{id: aaaaaaaa-0000-4000-8000-000000000002, key: bob-key}]
";

/// One route `/x` with this authentication plugin and x-custom-jwt with these more members of its configuration.
fn file(upstream: &Upstream, authentication: &str, more: &str) -> String {
    let plugins = format!("{authentication}, {}", x_custom_jwt("rs256-private-jwk.json", more));
    let routes = format!("- {{name: x, paths: [/x], tags: [public], plugins: [{plugins}]}}");
    service_with(upstream, "  tags: [core]", &routes) + CONSUMERS
}

const KEY: &str = "{name: key-auth}";
const JWT: &str = "{name: jwt}";

/// What the token says with which a request arrives.
fn claims(gateway: &Gateway, upstream: &Upstream, request: &Request) -> Value {
    let response = gateway.send(request);
    assert_eq!(response.status, 200, "{response:?}");
    verify(upstream.one().header("X-Custom-Jwt").unwrap(), &test_key("rs256-jwks.json")).claims
}

fn keyed(key: &str) -> Request {
    Request::get("/x").header("apikey", key)
}

/// A request with a token of alice's.
fn bearer(claims: &Value) -> Request {
    let token = encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    Request::get("/x").header("Authorization", &format!("Bearer {token}"))
}

#[test]
fn a_key_s_consumer_is_told_with_groups_and_tags() {
    let upstream = Upstream::echo();
    let add = "
        tier: premium, limits: {rps: 5, burst: [1, 2]},
        name: '${consumer.username}', home: '${consumer.custom_id}', subject: 'user:${consumer.id}',
        groups: '${consumer.groups}', tags: '${consumer.tags}', how: '${identity.method}', by: '${credential.id}',
        via: '${service.name}/${route.name}', labels: ['${route.tags}', '${service.tags}'],
        from: '${client.ip}', request: '${request.id}', literal: '$${consumer.id}', theirs: '${claims.role}'";
    let gateway = Gateway::start(&file(&upstream, KEY, &format!(", claims: {{add: {{{add}}}}}")));
    let alice = claims(&gateway, &upstream, &keyed("alice-key"));
    for (name, expected) in [
        ("tier", json!("premium")),
        ("limits", json!({"rps": 5, "burst": [1, 2]})),
        ("name", json!("alice")),
        ("home", json!("alice-at-home")),
        ("subject", json!("user:11111111-1111-4111-8111-111111111111")),
        ("groups", json!(["gold", "staff"])),
        ("tags", json!(["eu", "a \"beta\" tester"])),
        ("how", json!("key-auth")),
        ("by", json!("aaaaaaaa-0000-4000-8000-000000000001")),
        ("via", json!("echo/x")),
        ("labels", json!([["public"], ["core"]])),
        ("from", json!("127.0.0.1")),
        ("literal", json!("${consumer.id}")),
        ("client_id", json!("alice-key")),
    ] {
        assert_eq!(alice[name], expected, "{name}");
    }
    assert_eq!(alice["request"].as_str().map(str::len), Some(32));
    assert_eq!(alice.get("theirs"), None);

    let bob = claims(&gateway, &upstream, &keyed("bob-key"));
    assert_eq!((&bob["name"], &bob["groups"], &bob["tags"]), (&json!("bob"), &json!([]), &json!([])));
    assert_eq!(bob.get("home"), None, "what is missing is left out");
    assert_ne!(alice["request"], bob["request"]);
}

#[test]
fn a_password_s_token_is_shaped_as_configured() {
    let upstream = Upstream::echo();
    let more = ", audience: [https://orders.test, billing], typ: at+jwt, not_before: 30, \
                claims: {add: {sub: '${consumer.id}'}, remove: [act]}";
    let gateway = Gateway::start(&file(&upstream, "{name: basic-auth}", more));
    let response = gateway.send(&Request::get("/x").basic("alice", "p@ss:word"));
    assert_eq!(response.status, 200);
    let token = verify(upstream.one().header("X-Custom-Jwt").unwrap(), &test_key("rs256-jwks.json"));
    assert_eq!(token.header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(token.claims["aud"], json!(["https://orders.test", "billing"]));
    assert_eq!(token.claims["sub"], "11111111-1111-4111-8111-111111111111");
    assert_eq!(token.claims["nbf"].as_u64().unwrap() + 30, token.claims["iat"].as_u64().unwrap());
    assert_eq!((token.claims.get("act"), &token.claims["client_id"]), (None, &json!("alice")));
}

#[test]
fn nested_claims_of_a_verified_token_are_copied_moved_and_filled_in() {
    let upstream = Upstream::echo();
    let more = r#", bearer_clientid_claim: iss, claims: {act: nest,
        copy: {roles: [realm_access, roles], original_iss: iss},
        add: {tenant: '${claims["https://idp.test/tenant"].id}', scopes: 'all ${claims.scope}', level: '${claims.acr.level}'},
        remove: [realm_access, "https://idp.test/tenant", scope]}"#;
    let gateway = Gateway::start(&file(&upstream, JWT, more));
    let sent = json!({
        "iss": "alice",
        "realm_access": {"roles": ["a", "b"], "other": 1},
        "https://idp.test/tenant": {"id": 17},
        "scope": "read \"write\"",
        "acr": {"level": 2.5},
        "kept": {"as": ["it", null, {}]},
        "tenant": "forged",
        "act": {"sub": "front", "act": {"sub": "app"}},
    });
    let claims = claims(&gateway, &upstream, &bearer(&sent));
    assert_eq!((&claims["roles"], &claims["original_iss"]), (&json!(["a", "b"]), &json!("alice")));
    assert_eq!((&claims["tenant"], &claims["level"]), (&json!(17), &json!(2.5)));
    assert_eq!(claims["scopes"], "all read \"write\"");
    assert_eq!(claims["kept"], sent["kept"]);
    assert_eq!(claims["act"], json!({"client_id": "alice-at-home", "act": sent["act"]}));
    for gone in ["realm_access", "https://idp.test/tenant", "scope"] {
        assert_eq!(claims.get(gone), None, "{gone}");
    }
}

#[test]
fn a_client_s_headers_enter_no_token_that_does_not_ask_for_them() {
    let upstream = Upstream::echo();
    let add = "name: '${consumer.username}', groups: '${consumer.groups}', tenant: '${claims.tenant}', by: '${credential.id}'";
    let gateway = Gateway::start(&file(&upstream, KEY, &format!(", claims: {{add: {{{add}}}}}")));
    let timeless = |mut claims: Value| {
        claims.as_object_mut().unwrap().retain(|name, _| !["jti", "iat", "exp"].contains(&name.as_str()));
        claims
    };
    let honest = timeless(claims(&gateway, &upstream, &keyed("bob-key")));
    let forged = keyed("bob-key")
        // {"tenant":"root","clientId":"admin"} in a token that nobody signed.
        .header("Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJ0ZW5hbnQiOiJyb290IiwiY2xpZW50SWQiOiJhZG1pbiJ9.c2ln")
        .header("X-Consumer-Username", "alice")
        .header("X-Consumer-Groups", "gold")
        .header("X-Credential-Identifier", "alice")
        .header("tenant", "root");
    assert_eq!(timeless(claims(&gateway, &upstream, &forged)), honest);
    assert_eq!((&honest["name"], honest.get("tenant")), (&json!("bob"), None));
}

#[test]
fn what_a_client_says_enters_as_text_and_nothing_else() {
    let upstream = Upstream::echo();
    let add = "said: '${request.header.X-Said}', around: '<${request.header.X-Said}>', q: '${request.query.q}', \
               path: '${request.path}', host: '${request.host}', way: '${request.method}'";
    let more = format!(", claims: {{unverified: true, add: {{{add}}}}}");
    let gateway = Gateway::start(&file(&upstream, KEY, &more));
    let plain = claims(&gateway, &upstream, &keyed("bob-key"));
    assert_eq!((plain.get("said"), plain.get("around"), plain.get("q")), (None, None, None));
    assert_eq!((&plain["path"], &plain["way"]), (&json!("/x"), &json!("GET")));
    for said in [
        r#"","iss":"forged","x":""#,
        r#"\","iss":"forged"#,
        "${consumer.id}",
        "{\"iss\":1}",
        "null",
        "7",
        "zo\u{eb} \u{1f600}",
        "a\tb\\",
    ] {
        let claims = claims(&gateway, &upstream, &keyed("bob-key").header("X-Said", said));
        assert_eq!((&claims["said"], &claims["around"]), (&json!(said), &json!(format!("<{said}>"))));
        assert_eq!(claims["iss"], "https://gw.test/x-custom-jwt");
        assert_eq!(claims.as_object().unwrap().len(), plain.as_object().unwrap().len() + 2, "{claims}");
    }
    let query = claims(&gateway, &upstream, &Request::get("/x?q=%22%2C%22iss%22%3A1+%00").header("apikey", "bob-key"));
    assert_eq!(query["q"], "\",\"iss\":1 \0");
    let long = "x".repeat(1025);
    for ambiguous in
        [keyed("bob-key").header("X-Said", "a").header("X-Said", "b"), keyed("bob-key").header("X-Said", &long)]
    {
        assert_eq!(claims(&gateway, &upstream, &ambiguous).get("said"), None);
    }
}

#[test]
fn times_and_ids_of_a_token_are_the_gateway_s_whatever_the_caller_s_own_says() {
    let upstream = Upstream::echo();
    let more = ", bearer_clientid_claim: iss, expires_in: 60, not_before: 0";
    let gateway = Gateway::start(&file(&upstream, JWT, more));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let sent = json!({"iss": "alice", "iat": 1, "exp": now + 1_000_000, "nbf": 1, "jti": "chosen", "aud": "all", "client_id": "root"});
    let claims = claims(&gateway, &upstream, &bearer(&sent));
    assert!((now..now + 60).contains(&claims["iat"].as_u64().unwrap()), "{claims}");
    assert_eq!(claims["exp"].as_u64().unwrap(), claims["iat"].as_u64().unwrap() + 60);
    assert_eq!((&claims["nbf"], &claims["client_id"]), (&claims["iat"], &json!("alice")));
    assert_ne!((&claims["jti"], &claims["aud"]), (&sent["jti"], &sent["aud"]));
}

#[test]
fn a_mistake_in_a_claim_has_its_line_and_hearsay_is_warned_about() {
    let folder = Folder::new();
    let text = "_format_version: '3.0'\nservices:\n- name: s\n  host: a.test\n  routes: [{name: r, paths: [/]}]\n  plugins:\n  \
                - name: x-custom-jwt\n    config:\n      private_jwk: KEY\n      apikey_client_id: consumer\n      claims:\n        \
                unverified: true\n        add:\n          fine: 1\n          https://a.test/b: '${VALUE}'\n";
    let text = text.replace("KEY", &Value::String(test_key("rs256-private-jwk.json").to_string()).to_string());
    let check =
        |value: &str| signet(["check".as_ref(), folder.write("a.yaml", text.replace("VALUE", value)).as_os_str()]);
    let run = check("consumer.nam");
    let expected =
        ":15: services[0].plugins[0].config.claims.add.\"https://a.test/b\": unknown `${consumer.nam}`; did you mean";
    assert!(run.stdout.contains(expected), "{run:?}");
    let run = check("request.header.x-a");
    assert!(run.stderr.contains("config.claims.unverified: warning: the token says in `https://a.test/b` "), "{run:?}");
}
