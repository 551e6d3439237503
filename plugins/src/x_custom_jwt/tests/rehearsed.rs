//! What `explain` is told of a token.

use serde_json::value::RawValue;
use signet_plugin_api::Rehearsed;

use super::*;

/// What is shown under a name.
async fn shown(handler: &Arc<dyn Handler>, exchange: &mut Exchange) -> Vec<(&'static str, Value)> {
    let client = signet_plugin_api::Client::plain(std::net::Ipv4Addr::LOCALHOST, 8000);
    let mut request = Request::new(&mut exchange.head, &client, &mut exchange.body);
    let rehearsal = handler.rehearse(&mut request, &mut exchange.cx).await.expect("a rehearsal");
    assert!(matches!(rehearsal.outcome, Rehearsed::Continue), "{rehearsal:?}");
    let json = |json: Box<RawValue>| serde_json::from_str(json.get()).expect("JSON");
    rehearsal.shows.into_iter().map(|(name, value)| (name, json(value))).collect()
}

#[tokio::test]
async fn the_header_and_claims_that_are_rehearsed_are_those_that_are_signed() {
    let fields = || json!({ "claims": { "add": { "who": "${consumer.username}" } }, "not_before": 5, "reuse_for": 60 });
    for proof in [password("my-user"), bearer(r#"{"clientId":"c","n":123456789012345678901,"act":{"x":1}}"#)] {
        let handler = plugin(RS256, fields());
        let mut exchange = verified(proof.clone());
        let shows = shown(&handler, &mut exchange).await;
        assert_eq!(exchange.upstream("x-custom-jwt"), Some("(a token)"));
        let token = token(&handler, verified(proof)).await;
        let mut claims = json_part(&token, 1);
        for name in ["iat", "exp", "nbf", "jti"] {
            assert!(claims.as_object_mut().expect("an object").remove(name).is_some(), "{name}");
        }
        let at_signing = json!({ "iat": "now", "exp": "iat + 1800", "nbf": "iat - 5", "jti": "a random UUID" });
        assert_eq!(shows, [("header", json_part(&token, 0)), ("claims", claims), ("at_signing", at_signing)]);
    }
}

#[tokio::test]
async fn an_api_key_is_not_shown() {
    let mut exchange = verified(Proof::Key);
    exchange.cx.insert(PresentedKey::new("012345AZERTY!".into()));
    let shows = shown(&plugin(HS256, json!({})), &mut exchange).await;
    assert_eq!(shows[1].1["client_id"], "***");
    let mut exchange = verified(Proof::Key).header("apikey", "012345AZERTY!");
    let shows = shown(&plugin(HS256, json!({ "identity_source": "request" })), &mut exchange).await;
    assert_eq!(shows[1].1["client_id"], "***");
}
