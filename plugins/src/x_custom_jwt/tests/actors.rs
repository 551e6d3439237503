//! The chain of actors.

use super::*;

const OURS: &str = "contact@konghq.com-ID1";

async fn nested(act: &str) -> Value {
    let handler = plugin(HS256, json!({ "claims": { "act": "nest" } }));
    let incoming = format!(r#"{{"clientId":"c","act":{act}}}"#);
    claims(&handler, verified(bearer(&incoming))).await["act"].take()
}

#[tokio::test]
async fn the_whole_chain_is_kept_with_the_current_actor_outermost() {
    let theirs =
        json!({ "sub": "b", "client_id": "old", "x": [], "act": { "sub": "c", "act": { "client_id": "first" } } });
    assert_eq!(nested(&theirs.to_string()).await, json!({ "client_id": OURS, "act": theirs }));
    assert_eq!(
        nested(r#"{"act":{"sub":"b"},"sub":"a"}"#).await,
        json!({ "client_id": OURS, "act": { "sub": "a", "act": { "sub": "b" } } })
    );
    assert_eq!(nested("{}").await, json!({ "client_id": OURS, "act": {} }));
    let without = claims(&plugin(HS256, json!({ "claims": { "act": "nest" } })), verified(password("u"))).await;
    assert_eq!(without["act"], json!({ "client_id": OURS }));
}

#[tokio::test]
async fn what_is_no_actor_is_not_nested() {
    for act in ["\"a\"", "[]", "5", "null", "true"] {
        assert_eq!(nested(act).await, json!({ "client_id": OURS }), "{act}");
        let inside = nested(&format!(r#"{{"sub":"a","act":{act}}}"#)).await;
        assert_eq!(inside, json!({ "client_id": OURS, "act": { "sub": "a" } }), "{act}");
    }
}

#[tokio::test]
async fn the_oldest_actors_of_a_long_chain_are_left_out() {
    for length in [7, 8, 5000] {
        let chain = (0..length).rev().fold(String::new(), |inner, at| match inner.as_str() {
            "" => format!(r#"{{"sub":"{at}"}}"#),
            inner => format!(r#"{{"sub":"{at}","act":{inner}}}"#),
        });
        let act = nested(&chain).await;
        let mut subjects = Vec::new();
        let mut actor = &act["act"];
        while let Some(subject) = actor["sub"].as_str() {
            subjects.push(subject.to_owned());
            actor = &actor["act"];
        }
        assert_eq!(subjects, ["0", "1", "2", "3", "4", "5", "6"], "{length}");
    }
}

#[tokio::test]
async fn a_name_that_stands_twice_in_an_actor_is_written_once() {
    let handler = plugin(HS256, json!({ "claims": { "act": "nest" } }));
    let incoming = bearer(r#"{"clientId":"c","act":{"sub":"a","\u0073ub":"b","act":{"sub":"c"},"act":{"sub":"d"}}}"#);
    let payload = part(&token(&handler, verified(incoming)).await, 1);
    let expected = format!(r#""act":{{"client_id":"{OURS}","act":{{"sub":"b","act":{{"sub":"d"}}}}}},"#);
    assert!(payload.contains(&expected), "{payload}");
}
