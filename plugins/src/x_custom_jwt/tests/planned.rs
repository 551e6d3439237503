//! The fields that shape a token: `claims.remove`, `audience`, `typ`, `not_before`; and their mistakes.

use super::{super::claims::Mint, *};

fn names(claims: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = claims.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn removed_claims_are_in_no_token() {
    let remove = json!(["jti", "aud", "act", "client_id", "scope", "amr", "nbf", "none"]);
    let handler = plugin(HS256, json!({ "claims": { "remove": remove } }));
    let incoming = bearer(
        r#"{"clientId":"c","scope":"a","\u0073cope":"b","amr":["x"],"nbf":1,"act":{},"aud":"x","jti":"1","client_id":"x","kept":1}"#,
    );
    assert_eq!(names(&claims(&handler, verified(incoming)).await), ["clientId", "exp", "iat", "iss", "kept"]);
    assert_eq!(names(&claims(&handler, verified(password("u"))).await), ["exp", "iat", "iss"]);
}

#[tokio::test]
async fn the_audience_is_what_the_configuration_says() {
    for audience in [json!("https://a.test/\"x\""), json!(["a"]), json!(["a", "urn:b", "\u{e9}"])] {
        let handler = plugin(HS256, json!({ "audience": audience }));
        assert_eq!(claims(&handler, verified(bearer(r#"{"clientId":"c","aud":"x"}"#))).await["aud"], audience);
    }
}

#[tokio::test]
async fn the_header_says_which_kind_of_token_it_is() {
    for (fields, expected) in
        [(json!({ "typ": "at+jwt" }), "at+jwt"), (json!({ "typ": "JWT" }), "JWT"), (json!({}), "JWT")]
    {
        assert_eq!(json_part(&token(&plugin(HS256, fields), verified(password("u"))).await, 0)["typ"], expected);
    }
}

#[tokio::test]
async fn a_token_counts_from_before_it_was_issued_where_that_is_asked_for() {
    let incoming = || verified(bearer(r#"{"clientId":"c","nbf":7}"#));
    for seconds in [0, 30] {
        let claims = claims(&plugin(HS256, json!({ "not_before": seconds })), incoming()).await;
        assert_eq!(claims["nbf"], claims["iat"].as_u64().expect("iat") - seconds);
    }
    assert_eq!(claims(&plugin(HS256, json!({})), incoming()).await["nbf"], 7);
    assert_eq!(claims(&plugin(HS256, json!({})), verified(password("u"))).await.get("nbf"), None);
}

/// Mistakes in `claims`, one for each.
fn of_claims(claims: Value) -> String {
    let mistakes = mistakes(HS256, json!({ "claims": claims }));
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].clone()
}

#[test]
fn the_gateways_own_claims_are_written_by_nobody_else() {
    let setters = [
        ("iss", "`iss` sets it"),
        ("iat", "it is the time of signing"),
        ("exp", "`expires_in` sets it"),
        ("nbf", "`not_before` sets it"),
        ("jti", "it is made for each token"),
        ("aud", "`audience` sets it"),
        ("act", "`claims.act` shapes it"),
        ("client_id", "it follows from how the caller authenticated"),
    ];
    for (name, setter) in setters {
        let reason = format!("`{name}` is the gateway's own claim: {setter}");
        assert_eq!(of_claims(json!({ "add": { name: 1 } })), format!("claims.add.{name}: {reason}"));
        assert_eq!(of_claims(json!({ "copy": { name: "x" } })), format!("claims.copy.{name}: {reason}"));
    }
    for name in ["amr", "cnf"] {
        let reason = format!("claims.add.{name}: `claims.{name}` writes it, too");
        assert_eq!(of_claims(json!({ "add": { name: 1 }, name: true })), reason);
        plugin(HS256, json!({ "claims": { "add": { name: 1 } } }));
    }
}

#[test]
fn one_claim_is_written_once() {
    let twice = json!({ "add": { "a": 1 }, "copy": { "a": "b" } });
    assert_eq!(of_claims(twice), "claims.add.a: `claims.copy` writes it, too");
    assert_eq!(of_claims(json!({ "remove": ["a", "b", "a"] })), "claims.remove[2]: `a` stands twice");
}

#[test]
fn what_a_token_needs_or_is_asked_for_cannot_be_removed() {
    for name in ["iss", "iat", "exp"] {
        let reason = format!("claims.remove[1]: no token is without `{name}`");
        assert_eq!(of_claims(json!({ "remove": ["a", name] })), reason);
    }
    let asked = [
        (json!({ "claims": { "remove": ["amr"], "amr": true } }), "`claims.amr` asks for `amr`"),
        (json!({ "claims": { "remove": ["cnf"], "cnf": true } }), "`claims.cnf` asks for `cnf`"),
        (json!({ "claims": { "remove": ["act"], "act": "nest" } }), "`claims.act` asks for `act`"),
        (json!({ "claims": { "remove": ["aud"] }, "audience": "a" }), "`audience` asks for `aud`"),
        (json!({ "claims": { "remove": ["nbf"] }, "not_before": 0 }), "`not_before` asks for `nbf`"),
    ];
    for (fields, reason) in asked {
        assert_eq!(mistakes(HS256, fields), [format!("claims.remove[0]: {reason}")]);
    }
}

#[test]
fn names_and_values_that_cannot_be_used_are_mistakes_at_their_place() {
    let cases = [
        (json!({ "add": { "": 1 } }), "claims.add.\"\": the name of a claim is needed"),
        (
            json!({ "add": { "https://a.test/${x}": 1 } }),
            "claims.add.\"https://a.test/${x}\": the name of a claim cannot be a template",
        ),
        (json!({ "add": { "a": { "${x}": 1 } } }), "claims.add.a: `${x}`: a name cannot be a template"),
        (json!({ "copy": { "a": "" } }), "claims.copy.a: the name of a claim is needed"),
        (json!({ "copy": { "a": [] } }), "claims.copy.a: the name of a claim is needed"),
        (json!({ "copy": { "a": ["b", ""] } }), "claims.copy.a: the name of a claim is needed"),
        (
            json!({ "copy": { "a": "${claims.b}" } }),
            "claims.copy.a: names of claims stand here as they are, without `${…}`",
        ),
        (
            json!({ "copy": { "a": 5 } }),
            "claims.copy.a: expected the name of a claim, or a list of names that lead to one",
        ),
        (json!({ "remove": [""] }), "claims.remove[0]: the name of a claim is needed"),
        (json!({ "act": "keep" }), "claims.act: unknown value `keep`, expected `merge` or `nest`"),
    ];
    for (claims, expected) in cases {
        assert_eq!(of_claims(claims), expected);
    }
    let exact = json!({ "add": { "a": [18_446_744_073_709_551_615_u64, -9_223_372_036_854_775_808_i64, 0.1, 1e15] } });
    plugin(HS256, json!({ "claims": exact }));
    let rounded = mistakes(HS256, json!({ "claims": { "add": { "a": [1e30] } } }));
    assert_eq!(rounded, ["claims.add.a: a number as large as 1e+30 may have lost digits; put it in quotes"]);
    let not_a_number = World::empty().mistakes("x-custom-jwt", "{private_jwk: '{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"0123456789abcdef0123456789abcdef\"}', claims: {add: {a: .nan}}}");
    assert_eq!(not_a_number, ["claims.add.a: JSON has no such number"]);
    let cases = [
        (json!({ "audience": "" }), "audience: must not be empty"),
        (json!({ "audience": [] }), "audience: an audience is needed, or none of this field"),
        (json!({ "audience": ["a", ""] }), "audience[1]: must not be empty"),
        (json!({ "audience": "${service.id}" }), "audience: an audience is a text as it stands, not a template"),
        (json!({ "audience": 5 }), "audience: expected a text, or a list of texts"),
        (json!({ "typ": "jwt" }), "typ: unknown value `jwt`, expected `JWT` or `at+jwt`; did you mean `JWT`?"),
        (json!({ "not_before": -1 }), "not_before: whole seconds are needed, 0 or more"),
        (json!({ "not_before": 0.5 }), "not_before: whole seconds are needed, 0 or more"),
    ];
    for (fields, expected) in cases {
        assert_eq!(mistakes(HS256, fields), [expected]);
    }
}

#[test]
fn an_expression_that_means_nothing_is_a_mistake() {
    let unclosed = "a `${` is not closed by a `}`; `$${` is one that stands for itself";
    let nameless = "a name is missing in a `${…}`, which needs the form `${consumer.id}`";
    let bracket = "a bracket in a `${…}` needs a name in quotes: `${claims[\"a.b\"]}`";
    let cases = [
        ("${consumer.usernme}", "unknown `${consumer.usernme}`; did you mean `${consumer.username}`?"),
        ("${Consumer.ID}", "unknown `${Consumer.ID}`; did you mean `${consumer.id}`?"),
        ("${consumer}", "unknown `${consumer}`; did you mean `${consumer.id}`?"),
        ("${consumer.id.x}", "unknown `${consumer.id.x}`; did you mean `${consumer.id}`?"),
        ("${claim.sub}", "unknown `${claim.sub}`; did you mean `${claims.NAME}`?"),
        ("${claims}", "unknown `${claims}`; did you mean `${claims.NAME}`?"),
        ("${request.headers.x}", "unknown `${request.headers.x}`; did you mean `${request.header.NAME}`?"),
        ("${request.query}", "unknown `${request.query}`; did you mean `${request.query.NAME}`?"),
        ("a ${} b", nameless),
        ("${.a}", nameless),
        ("${claims.}", nameless),
        ("${claims..a}", nameless),
        ("${[\"a\"]}", nameless),
        ("${claims.[\"a\"]}", nameless),
        ("${ consumer.id}", nameless),
        ("${claims.a", unclosed),
        ("x ${claims", unclosed),
        ("${claims.", nameless),
        ("${claims[", bracket),
        ("${", nameless),
        ("${claims[a]}", bracket),
        ("${claims[0]}", bracket),
        ("${claims[\"a\"}", bracket),
        ("${claims[\"\"]}", bracket),
        (
            "${claims.a b}",
            "` ` cannot stand behind `claims.a` in a `${…}`; a name with other characters stands in brackets: `claims[\"a b\"]`",
        ),
        (
            "${claims.a${claims.b}}",
            "`$` cannot stand behind `claims.a` in a `${…}`; a name with other characters stands in brackets: `claims[\"a b\"]`",
        ),
        ("a ${consumer.groups}", "`consumer.groups` is a list: it can be a whole value, but no part of a text"),
        ("${request.header.a/b}", "`a/b` is not a header name; allowed are A-Z, a-z, 0-9, `_` and `-`"),
    ];
    for (template, expected) in cases {
        assert_eq!(of_claims(json!({ "add": { "it": [template] } })), format!("claims.add.it: {expected}"));
    }
    let far = of_claims(json!({ "add": { "it": "${something.else}" } }));
    assert!(far.contains("known are consumer.id, ") && far.ends_with("request.query.NAME"), "{far}");
}

#[test]
fn what_a_client_says_enters_only_where_it_is_allowed_to() {
    for name in ["request.method", "request.path", "request.host", "request.header.x-a", "request.query.a"] {
        let template = format!("a {{ ${{{name}}}");
        let expected = format!(
            "claims.add.it: `{name}` is what a client says, and nobody verified it; `claims.unverified: true` lets it into \
             tokens"
        );
        assert_eq!(of_claims(json!({ "add": { "it": { "x": template } } })), expected);
    }
    let fields = json!({ "apikey_client_id": "consumer", "claims": { "unverified": true,
        "add": { "a": "x ${request.path}", "b": "${consumer.id}", "c": ["${request.header.x-a}"] } } });
    let warnings = |fields: Value| World::empty().warnings("x-custom-jwt", &config(RS256, fields));
    let expected =
        "claims.unverified: the token says in `a`, `c` what a client sends: an upstream must not take it for verified";
    assert_eq!(warnings(fields), [expected]);
    let sure =
        json!({ "apikey_client_id": "consumer", "claims": { "unverified": true, "add": { "b": "${request.id}" } } });
    assert!(warnings(sure).is_empty());
}

#[test]
fn secrets_and_the_gateways_own_headers_never_enter() {
    for name in ["Authorization", "proxy-authorization", "Cookie", "apikey"] {
        let mistake = of_claims(json!({ "unverified": true, "add": { "it": format!("${{request.header.{name}}}") } }));
        assert!(mistake.contains("holds a secret of the client"), "{mistake}");
    }
    let mistake = of_claims(json!({ "unverified": true, "add": { "it": "a ${request.query.apiKey}" } }));
    assert!(mistake.contains("the parameter `apiKey` holds a secret"), "{mistake}");
    for name in ["X-Consumer-Username", "x_consumer_id", "X-Credential-Identifier", "x-anonymous-consumer"] {
        let mistake = of_claims(json!({ "unverified": true, "add": { "it": format!("${{request.header.{name}}}") } }));
        assert!(mistake.contains("is a forgery"), "{mistake}");
    }
}

#[test]
fn what_was_verified_does_not_go_with_headers_that_are_believed() {
    let mistakes = |claims| mistakes(HS256, json!({ "identity_source": "request", "claims": claims }));
    let nothing = "and with `identity_source: request` nothing needs to be";
    for name in ["claims.a", "identity.method", "identity.groups", "credential.id", "certificate.subject"] {
        let shown = if name == "claims.a" { "claims[\"a\"]" } else { name };
        let expected = format!("claims.add.it: `{shown}` is what was verified, {nothing}");
        assert_eq!(mistakes(json!({ "add": { "it": format!("${{{name}}}") } })), [expected]);
    }
    let expected = format!("claims.copy.it: what is copied was verified, {nothing}");
    assert_eq!(mistakes(json!({ "copy": { "it": "a" } })), [expected]);
    plugin(
        HS256,
        json!({ "identity_source": "request", "claims": { "add": { "it": "${consumer.id} ${service.id}" } } }),
    );
}

#[test]
fn an_access_token_that_lacks_a_claim_of_its_kind_is_warned_about() {
    let warnings = |claims: Value| {
        let fields = json!({ "apikey_client_id": "consumer", "typ": "at+jwt", "claims": claims });
        World::empty().warnings("x-custom-jwt", &config(RS256, fields))
    };
    let no_subject = "typ: RFC 9068 asks for `sub`, which only a caller's own token would bring; `claims.add` or \
                      `claims.copy` can write it";
    assert_eq!(warnings(json!({})), [no_subject]);
    assert!(warnings(json!({ "add": { "sub": "${consumer.id}" } })).is_empty());
    assert!(warnings(json!({ "copy": { "sub": "sub" }, "remove": ["sub"] })).is_empty());
    let removed = warnings(json!({ "remove": ["sub", "jti", "scope"] }));
    let expected =
        ["sub", "jti"].map(|name| format!("typ: RFC 9068 asks for `{name}`, which `claims.remove` takes away"));
    assert_eq!(removed, expected);
}

#[test]
fn what_differs_for_every_request_is_known_when_the_configuration_is_loaded() {
    let varies = |claims: Value| {
        let config =
            serde_json::from_value(json!({ "private_jwk": HS256, "claims": claims })).expect("a configuration");
        Mint::new(&config, &Scope::new(&Resources::default())).expect("compiles").varies_by_request()
    };
    for name in ["request.id", "request.path", "request.header.x-a", "request.query.a"] {
        let within = json!({ "deep": ["a", { "b": format!("c ${{{name}}}") }] });
        assert!(varies(json!({ "unverified": true, "add": { "sure": "${consumer.id}", "it": within } })), "{name}");
    }
    let sure = ["consumer.id", "consumer.groups", "identity.method", "claims.a", "route.id", "client.ip"];
    for name in sure {
        assert!(!varies(json!({ "unverified": true, "add": { "it": format!("${{{name}}}") } })), "{name}");
    }
    assert!(!varies(json!({ "copy": { "a": "b" }, "add": { "c": "$${request.id}" } })));
}
