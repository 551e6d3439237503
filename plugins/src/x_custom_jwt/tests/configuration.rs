//! What is refused and what is warned about when the configuration is loaded.

use super::*;

#[test]
fn every_wrong_field_is_named() {
    let cases = [
        (json!({ "expires_in": 0 }), "expires_in: whole seconds greater than 0 are needed"),
        (json!({ "expires_in": 0.5 }), "expires_in: whole seconds greater than 0 are needed"),
        (json!({ "expires_in": -10 }), "expires_in: whole seconds greater than 0 are needed"),
        (json!({ "iss": "gateway" }), "iss: `gateway` is not a URL: relative URL without a base"),
        (json!({ "jku": "urn:x" }), "jku: `urn:x` is not a URL with a host"),
        (
            json!({ "apikey_header": "a b" }),
            "apikey_header: `a b` is not a header name; allowed are A-Z, a-z, 0-9, `_` and `-`",
        ),
        (json!({ "upstream_custom_jwt_header": "" }), "upstream_custom_jwt_header: must not be empty"),
        (
            json!({ "downstream_custom_jwt_header": "Content-Length" }),
            "downstream_custom_jwt_header: `Content-Length` is a header of HTTP itself and cannot be set",
        ),
        (json!({ "bearer_clientid_claim": "" }), "bearer_clientid_claim: the name of a claim is needed"),
        (
            json!({ "identity_source": "request", "apikey_client_id": "consumer" }),
            "apikey_client_id: only `key` goes with `identity_source: request`",
        ),
        (
            json!({ "identity_source": "request", "claims": { "amr": true } }),
            "claims.amr: says what was verified, and with `identity_source: request` nothing needs to be",
        ),
        (
            json!({ "identity_source": "request", "claims": { "cnf": true } }),
            "claims.cnf: says what was verified, and with `identity_source: request` nothing needs to be",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(mistakes(HS256, fields), [expected]);
    }
}

#[test]
fn a_key_that_cannot_sign_is_a_mistake_of_the_configuration() {
    assert_eq!(mistakes("hello", json!({})), ["private_jwk: not JSON: expected value at line 1 column 1"]);
    let both = mistakes("[]", json!({ "expires_in": 0 }));
    assert_eq!(both.len(), 2, "{both:?}");
    for unquoted in ["{private_jwk: {kty: oct, k: hunter2}}", "{private_jwk: 123456}"] {
        let mistakes = World::empty().mistakes("x-custom-jwt", unquoted);
        assert!(mistakes[0].starts_with("private_jwk: ") && !mistakes[0].contains("hunter2"), "{mistakes:?}");
        assert!(!mistakes[0].contains("123456"), "{mistakes:?}");
    }
}

#[test]
fn what_is_legal_but_unwise_is_warned_about() {
    let warnings = |key: &str, fields| compile_with(&WorkPool::inline(), &config(key, fields)).1;
    assert!(warnings(RS256, json!({}))[0].starts_with("apikey_client_id: with `key` "));
    assert!(
        warnings(RS256, json!({ "identity_source": "request" }))[0].starts_with("identity_source: with `request` ")
    );
    assert!(warnings(RS256, json!({ "apikey_client_id": "credential_id" })).is_empty());
    let weak = warnings(r#"{"kty":"oct","alg":"HS256","k":"hunter2"}"#, json!({ "apikey_client_id": "consumer" }));
    assert!(weak[0].starts_with("private_jwk: `k` has fewer ") && !weak[0].contains("hunter2"), "{weak:?}");
}

#[test]
fn the_example_compiles() {
    let plugins = World::load(include_str!("../example.yaml")).compile_file();
    assert!(plugins.contains(&"x-custom-jwt".to_owned()));
}
