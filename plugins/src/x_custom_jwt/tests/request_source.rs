//! `identity_source: request`: what the reference does, and what it signs by mistake.

use super::*;

/// Exchanges of Kong 3.9.1 with the reference plugin, on routes where nothing but its own reading of the headers counted.
#[tokio::test]
async fn identity_source_request_does_what_kong_does() {
    for line in include_str!("../reference.jsonl").lines() {
        let record: Value = serde_json::from_str(line).expect("a record");
        replay(&record).await;
    }
}

async fn replay(record: &Value) {
    let name = record["name"].as_str().expect("a name");
    let mut fields = record["config"].clone();
    fields["identity_source"] = "request".into();
    let upstream = fields["upstream_custom_jwt_header"].as_str().unwrap_or("x-custom-jwt").to_owned();
    let mut exchange = recorded_request(record);
    let flow = exchange.run(&plugin(HS256, fields)).await;
    match flow {
        Flow::Continue => {
            let value = exchange.upstream(&upstream).expect("a token");
            let token = value.strip_prefix(record["prefix"].as_str().expect(name)).expect(name);
            assert_eq!(timeless(json_part(token, 1)), record["claims"], "{name}");
        }
        Flow::Respond(response) => {
            assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{name}");
            assert_eq!(body(&response), expected_body(name, &record["body"]), "{name}");
        }
    }
}

fn recorded_request(record: &Value) -> Exchange {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut service = Service { path: Some("/anything".to_owned()), ..service() };
    if let Value::Array(declared) = &record["service"] {
        service.host = text(&declared[1]);
        service.path = declared[3].as_str().map(ToOwned::to_owned);
    }
    let mut exchange = Exchange::get("/demo");
    exchange.cx = Context::new(RequestId::default(), Some(Arc::new(route())), Some(Arc::new(service)));
    for header in record["headers"].as_array().expect("headers") {
        exchange = exchange.header(&text(&header[0]), text(&header[1]));
    }
    if record["consumer"] == true {
        exchange.cx.authenticate(Identity::anonymous("key-auth", consumer()));
    }
    exchange
}

/// Three texts hold the words of Kong's JSON parser; ours says it in its own.
fn expected_body(name: &str, recorded: &Value) -> Value {
    let reason = match name {
        "bearer bad base64 payload" => "the payload is not base64",
        "bearer JSON trailing garbage" => "trailing characters at line 1 column 18",
        "bearer JSON with leading BOM" => "expected value at line 1 column 1",
        _ => return recorded.clone(),
    };
    let recorded_text = recorded["VerboseMessage"].as_str().expect("verbose");
    let (start, _) = recorded_text.split_once("JSON from JWT: ").expect("the parser's words");
    json!({ "ErrorMessage": recorded["ErrorMessage"], "VerboseMessage": format!("{start}JSON from JWT: '{reason}'") })
}

#[tokio::test]
async fn identity_source_request_refuses_what_kong_signs_by_mistake() {
    let handler = plugin(HS256, json!({ "verbose": true, "identity_source": "request" }));
    let exchange = |name: &str, value: &str| {
        let mut exchange = Exchange::get("/demo").header(name, value);
        exchange.cx.authenticate(Identity::anonymous("key-auth", consumer()));
        exchange
    };
    let bare = "Issue with 'client_id' claim retrieval or Kong Consumer";
    for empty in ["Basic OnB3", "Basic Og==", "Basic YWJj"] {
        assert_eq!(verbose_message(&handler, exchange("authorization", empty)).await, bare);
    }
    assert_eq!(verbose_message(&handler, exchange("apikey", "")).await, bare);
    assert!(verbose_message(&handler, exchange("authorization", "Basic %%")).await.ends_with("the 'Basic Auth'"));
    let colon = claims(&handler, exchange("authorization", "Basic Y29sb246cGE6c3M6d29yZA==")).await;
    assert_eq!(colon["client_id"], "colon");
    let spaces = claims(&handler, exchange("authorization", "Basic  YWxpY2U6Yg==")).await;
    assert_eq!(spaces["client_id"], "alice");
    let url_safe = format!("Bearer x.{}.y", URL_SAFE_NO_PAD.encode(r#"{"clientId":"ÿÿ>?"}"#));
    assert_eq!(claims(&handler, exchange("authorization", &url_safe)).await["client_id"], "ÿÿ>?");
}

#[tokio::test]
async fn identity_source_request_names_a_verified_certificate() {
    let handler = plugin(HS256, json!({ "identity_source": "request" }));
    let proof = || Proof::Certificate { subject: "CN=kong".into(), fingerprint: [0; 32] };
    assert_eq!(claims(&handler, verified(proof()).header("apikey", "k")).await["client_id"], "CN=kong");
    let basic = verified(proof()).header("authorization", "Basic YWxpY2U6cA==");
    assert_eq!(claims(&handler, basic).await["client_id"], "alice");
}
