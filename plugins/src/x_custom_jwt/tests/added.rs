//! `claims.add` and `claims.copy`: what is written, and what is left out.

use signet_plugin_api::{ConsumerGroup, Route};

use super::*;

const REQUEST_ID: &str = "0123456789abcdef0123456789abcdef";

/// A request of which everything is known.
fn known(proof: Proof, uri: &str) -> Exchange {
    let group = |name: &str| Arc::new(ConsumerGroup { id: "g".into(), name: name.into(), tags: Vec::new() });
    let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let consumer = Consumer::new(CONSUMER_ID, Some("alice"), Some("a-1"), tags(&["eu", "beta"])).expect("a consumer");
    let consumer = Consumer { groups: vec![group("gold"), group("staff \"a\"")], ..consumer };
    let route = Route { tags: tags(&["public"]), ..route() };
    let service = Service { tags: tags(&["core"]), ..service() };
    let mut exchange = Exchange::get(uri);
    exchange.cx = Context::new(RequestId::from(REQUEST_ID), Some(Arc::new(route)), Some(Arc::new(service)));
    exchange.cx.authenticate(Identity {
        consumer: Some(Arc::new(consumer)),
        groups: Some(["verified".into()].into()),
        ..identity(proof)
    });
    exchange
}

/// One claim of a token to which this was added.
async fn added(value: Value, exchange: Exchange) -> Value {
    let handler = plugin(HS256, json!({ "claims": { "add": { "it": value }, "unverified": true } }));
    claims(&handler, exchange).await.get_mut("it").map_or(json!("LEFT OUT"), Value::take)
}

async fn of_request(value: &str, exchange: Exchange) -> Value {
    added(json!(value), exchange).await
}

fn nobodys_fault() -> Value {
    json!("LEFT OUT")
}

#[tokio::test]
async fn constants_are_written_as_they_are() {
    for constant in [
        json!("text \"with\" \\ and \u{1}\u{e9}"),
        json!(5),
        json!(-1.5),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!(["a", [1, null], { "b": { "c": ["d"] } }]),
        json!(18_446_744_073_709_551_615_u64),
        json!(""),
        json!("\""),
        json!("$ {consumer.id} $$ $"),
    ] {
        assert_eq!(added(constant.clone(), known(password("u"), "/")).await, constant);
    }
}

#[tokio::test]
async fn every_fact_has_a_name() {
    let certificate = || Proof::Certificate { subject: "C=US, CN=\"k\"".into(), fingerprint: [0; 32] };
    let cases = [
        ("consumer.id", json!(CONSUMER_ID)),
        ("consumer.username", json!("alice")),
        ("consumer.custom_id", json!("a-1")),
        ("consumer.tags", json!(["eu", "beta"])),
        ("consumer.groups", json!(["gold", "staff \"a\""])),
        ("identity.method", json!("test")),
        ("identity.groups", json!(["verified"])),
        ("credential.id", json!("aaaaaaaa-0000-4000-8000-000000000004")),
        ("certificate.subject", json!("C=US, CN=\"k\"")),
        ("route.id", json!("7846979c-e83a-51e7-935f-444ff5f40833")),
        ("route.name", json!("demo")),
        ("route.tags", json!(["public"])),
        ("service.id", json!("8027b672-cb4d-5059-bc59-7d67b683008e")),
        ("service.name", json!("main")),
        ("service.tags", json!(["core"])),
        ("client.ip", json!("127.0.0.1")),
        ("request.id", json!(REQUEST_ID)),
        ("request.method", json!("GET")),
        ("request.path", json!("/a%20b")),
        ("request.host", json!("gw.test")),
        ("request.header.X-Tenant", json!("t \"1\"")),
        ("request.query.q", json!("é\"&")),
        (r#"request.query["a.b"]"#, json!("2")),
    ];
    for (name, expected) in cases {
        let exchange = known(certificate(), "/a%20b?q=%C3%A9%22%26&a.b=2").header("x-tenant", "t \"1\"");
        assert_eq!(of_request(&format!("${{{name}}}"), exchange).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_claim_of_the_verified_token_keeps_its_type() {
    let incoming =
        r#"{"clientId":"c","n":123456789012345678901234567890,"l":[1,{}],"o":{"x.y":{"z":true}},"s":"a\u0022b"}"#;
    let cases = [
        ("${claims.n}", "123456789012345678901234567890"),
        ("${claims.l}", "[1,{}]"),
        ("${claims.o}", r#"{"x.y":{"z":true}}"#),
        (r#"${claims.o["x.y"].z}"#, "true"),
        (r#"${claims["o"]["x.y"]}"#, r#"{"z":true}"#),
        ("${claims.s}", r#""a\u0022b""#),
    ];
    for (template, expected) in cases {
        let handler = plugin(HS256, json!({ "claims": { "add": { "it": template } } }));
        let payload = part(&token(&handler, known(bearer(incoming), "/")).await, 1);
        assert!(payload.contains(&format!(r#","it":{expected},"#)), "{template}: {payload}");
    }
}

#[tokio::test]
async fn texts_around_expressions_are_kept() {
    let incoming = || bearer(r#"{"clientId":"c","n":1.50,"b":false,"s":"a\u0022\\b\ud83d\ude00"}"#);
    let cases = [
        ("user:${consumer.username}", "user:alice"),
        ("${consumer.username}@${service.name}", "alice@main"),
        ("\"${consumer.id}\"\\", "\"11111111-1111-4111-8111-111111111111\"\\"),
        ("n=${claims.n} b=${claims.b}", "n=1.50 b=false"),
        ("<${claims.s}>", "<a\"\\b\u{1f600}>"),
        ("${client.ip}/32", "127.0.0.1/32"),
        ("$${consumer.id}", "${consumer.id}"),
        ("a $${ b ${consumer.username} $", "a ${ b alice $"),
        ("$$${consumer.username}", "$${consumer.username}"),
    ];
    for (template, expected) in cases {
        assert_eq!(of_request(template, known(incoming(), "/")).await, expected, "{template}");
    }
}

#[tokio::test]
async fn templates_may_stand_inside_of_lists_and_objects() {
    let value =
        json!({ "org": { "id": "${service.id}", "static": 1 }, "who": ["x", "${consumer.tags}", "t-${route.name}"] });
    let expected = json!({
        "org": { "id": "8027b672-cb4d-5059-bc59-7d67b683008e", "static": 1 },
        "who": ["x", ["eu", "beta"], "t-demo"],
    });
    assert_eq!(added(value.clone(), known(password("u"), "/")).await, expected);
    let partly = json!({ "a": "${consumer.id}", "b": ["${claims.none}"] });
    assert_eq!(added(partly, known(password("u"), "/")).await, nobodys_fault());
}

#[tokio::test]
async fn what_is_missing_leaves_the_claim_out() {
    let incoming = || bearer(r#"{"clientId":"c","null":null,"empty":"","list":[],"object":{"a":1},"s":"x"}"#);
    for template in [
        "${claims.none}",
        "${claims.null}",
        "${claims.empty}",
        "${claims.s.deeper}",
        "${claims.list.a}",
        "${claims.object.b}",
        "a ${claims.none} b",
        "a ${claims.list}",
        "a ${claims.object}",
        "${certificate.subject}",
        "${request.header.x-none}",
        "${request.query.none}",
        "${request.query.empty}",
    ] {
        assert_eq!(of_request(template, known(incoming(), "/?empty=&x=1")).await, nobodys_fault(), "{template}");
    }
    let bare = || {
        let mut exchange = Exchange::get("/");
        let consumer = Consumer::new(CONSUMER_ID, None, Some("c"), Vec::new()).expect("a consumer");
        exchange.cx = Context::new(RequestId::default(), None, Some(Arc::new(Service::new("s", "httpbin.test"))));
        exchange.cx.authenticate(Identity::new("test", Some(Arc::new(consumer)), password("u")));
        exchange
    };
    for name in [
        "consumer.username",
        "identity.groups",
        "credential.id",
        "route.id",
        "route.tags",
        "service.name",
        "request.id",
    ] {
        assert_eq!(of_request(&format!("${{{name}}}"), bare()).await, nobodys_fault(), "{name}");
    }
    for name in ["consumer.tags", "consumer.groups", "service.tags"] {
        assert_eq!(of_request(&format!("${{{name}}}"), bare()).await, json!([]), "{name}: none is known, too");
    }
}

#[tokio::test]
async fn what_a_client_says_is_bounded_and_never_ambiguous() {
    let long = "x".repeat(1024);
    let sent = |value: &str| known(password("u"), "/").header("x-said", value);
    assert_eq!(of_request("${request.header.x-said}", sent(&long)).await, json!(long));
    assert_eq!(of_request("${request.header.x-said}", sent(&format!("{long}x"))).await, nobodys_fault());
    assert_eq!(of_request("a ${request.header.x-said}", sent(&format!("{long}x"))).await, nobodys_fault());
    assert_eq!(of_request("${request.header.x-said}", sent("a").header("X-Said", "b")).await, nobodys_fault());
    assert_eq!(of_request("${request.header.x-said}", sent("")).await, nobodys_fault());
    let not_utf8 = known(password("u"), "/").header("x-said", b"\xff\xfe");
    assert_eq!(of_request("${request.header.x-said}", not_utf8).await, nobodys_fault());
    for (uri, expected) in [
        (format!("/?q={long}"), json!(long)),
        (format!("/?q={long}x"), nobodys_fault()),
        ("/?q=1&q=2".to_owned(), nobodys_fault()),
        ("/?q=1&%71=2".to_owned(), nobodys_fault()),
    ] {
        assert_eq!(of_request("${request.query.q}", known(password("u"), &uri)).await, expected, "{uri}");
    }
    let path = format!("/{long}");
    assert_eq!(of_request("${request.path}", known(password("u"), &path)).await, nobodys_fault());
}

#[tokio::test]
async fn claims_are_copied_under_names_of_their_own() {
    let incoming = r#"{"clientId":"c","realm_access":{"roles":["a", "b"],"x.y":{"z":1.0}},"iss":"https://idp.test","jti":"j-1",
        "null":null,"empty":"","a.b":[],"tenant":"theirs"}"#;
    let copy = json!({
        "roles": ["realm_access", "roles"],
        "deep": ["realm_access", "x.y", "z"],
        "original_iss": "iss",
        "original_jti": "jti",
        "dotted": "a.b",
        "nothing": "null",
        "blank": "empty",
        "tenant": "none",
        "way_out": ["realm_access", "none", "deeper"],
    });
    let handler =
        plugin(HS256, json!({ "claims": { "copy": copy, "remove": ["realm_access", "null", "empty", "a.b"] } }));
    let payload = part(&token(&handler, verified(bearer(incoming))).await, 1);
    assert!(payload.contains(r#","roles":["a", "b"],"#) && payload.contains(r#""deep":1.0,"#), "{payload}");
    let claims: Value = serde_json::from_str(&payload).expect("JSON");
    assert_eq!((&claims["original_iss"], &claims["original_jti"]), (&json!("https://idp.test"), &json!("j-1")));
    assert_eq!((&claims["dotted"], &claims["blank"]), (&json!([]), &json!("")));
    assert!(claims.as_object().expect("an object").contains_key("nothing"), "a null is copied");
    for name in ["tenant", "way_out", "realm_access", "null", "empty", "a.b"] {
        assert_eq!(claims.get(name), None, "{name}");
    }
    assert_eq!(claims["iss"], "https://kong-gateway:8443/x-custom-jwt");
    let without_token = super::claims(&handler, verified(password("u"))).await;
    assert_eq!(without_token.get("roles"), None);
}

#[tokio::test]
async fn an_incoming_claim_never_stands_in_for_one_that_is_missing() {
    let claims_config = json!({ "add": { "tenant": "${consumer.username}", "sure": 1 }, "copy": { "role": "none" } });
    let handler = plugin(HS256, json!({ "claims": claims_config }));
    let incoming =
        bearer(r#"{"clientId":"c","tenant":"forged","\u0074enant":"forged","role":"root","sure":2,"other":3}"#);
    let mut exchange = verified(incoming);
    let nameless = Consumer::new(CONSUMER_ID, None, Some("c"), Vec::new()).expect("a consumer");
    exchange
        .cx
        .authenticate(Identity { consumer: Some(Arc::new(nameless)), ..exchange.cx.identity().expect("one").clone() });
    let claims = claims(&handler, exchange).await;
    assert_eq!((claims.get("tenant"), claims.get("role")), (None, None));
    assert_eq!((&claims["sure"], &claims["other"]), (&json!(1), &json!(3)));
}
