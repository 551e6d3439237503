//! `POST /explain`: what becomes of a request under the configuration that serves.

use std::sync::Arc;

use http::StatusCode;
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{Answer, Call, Node};
use crate::{
    config::{Known, parse, process_env},
    explain::{Asked, Blueprint, Explainer, Explanation, Posted},
};

/// How many are explained at a time, while others wait: asking thousands of routes takes a while.
pub(super) const AT_ONCE: usize = 2;

/// Explains a request that is described in JSON.
///
/// # Errors
/// The answer to what is no request.
pub(super) async fn explain(node: &Arc<Node>, call: &mut Call<'_>) -> Result<Answer, Answer> {
    call.post()?;
    let wrong = |reason: String| Answer::message(StatusCode::BAD_REQUEST, reason);
    let posted: Posted = serde_json::from_value(call.json().await?).map_err(|error| wrong(error.to_string()))?;
    let asked = Asked::try_from(posted).map_err(wrong)?;
    let broken = || Answer::message(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred");
    let _turn = node.turns.explaining.acquire().await.map_err(|_| broken())?;
    let (node, runtime) = (Arc::clone(node), Handle::current());
    let explained = spawn_blocking(move || runtime.block_on(explained(&node, &asked))).await;
    let explanation = explained.map_err(|_| broken())?.map_err(wrong)?;
    Ok(Answer::ok(serde_json::to_value(explanation).unwrap_or_default()))
}

async fn explained(node: &Node, asked: &Asked) -> Result<Explanation, String> {
    let snapshot = node.current.pin();
    let blueprint = node.reloader.served().and_then(|served| {
        let loaded = parse(&served.text, &Known::of(&node.registry), &process_env).ok()?;
        // A reload may have come between.
        (loaded.hash == snapshot.hash).then(|| Blueprint::of(&loaded, &node.registry))
    });
    let blueprint = blueprint.unwrap_or_default();
    let (policy, registry) = (&node.policy, &node.registry);
    Explainer { snapshot: &snapshot, blueprint: &blueprint, policy, registry }.explain(asked).await
}
