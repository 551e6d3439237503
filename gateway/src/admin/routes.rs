//! From a path to its resource: one line each.

use std::sync::Arc;

use super::{Answer, Call, Node, config, entities, explain, log_level, root, schemas, status};

/// The status listener: health for load balancers, metrics for Prometheus.
///
/// # Errors
/// The answer, too, where a caller is refused early.
pub(super) async fn status(node: &Node, call: &mut Call<'_>) -> Result<Answer, Answer> {
    let segments = call.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match *segments {
        ["status"] => call.get().map(|()| status::report(node)),
        ["status", "ready"] => call.get().map(|()| status::readiness(node)),
        ["config", "status"] => call.get().map(|()| status::configuration(node)),
        ["metrics"] => {
            call.get()?;
            Ok(status::scrape(node).await)
        }
        _ => Err(Answer::not_found()),
    }
}

/// The admin listener: all of that, and what only operators may see.
///
/// # Errors
/// As [`status`].
pub(super) async fn admin(node: &Arc<Node>, call: &mut Call<'_>) -> Result<Answer, Answer> {
    let segments = call.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match *segments {
        [""] => root::root(node, call).await,
        ["status" | "metrics"] | ["status", "ready"] | ["config", "status"] => status(node, call).await,
        ["debug", "node", "log-level"] => call.get().map(|()| log_level::show(node)),
        ["debug", "node", "log-level", level] => log_level::change(node, call, level),
        ["explain"] => explain::explain(node, call).await,
        ["config"] => config::post(node, call).await,
        ["plugins", "enabled"] => root::plugins(node, call),
        ["schemas", "plugins", "validate"] => schemas::validate_plugin(node, call).await,
        ["schemas", "plugins", name] => schemas::plugin(node, call, name),
        ["schemas", entity] => schemas::entity(node, call, entity),
        ["tags"] => entities::tags(node, call, None).await,
        ["tags", tag] => entities::tags(node, call, Some(tag)).await,
        _ => entities::entities(node, call, &segments).await,
    }
}
