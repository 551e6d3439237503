//! From a path to its resource: one line each.

use super::{Answer, Call, Node, log_level, status};

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
pub(super) async fn admin(node: &Node, call: &mut Call<'_>) -> Result<Answer, Answer> {
    let segments = call.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match *segments {
        [""] => call.get().map(|()| status::root()),
        ["debug", "node", "log-level"] => call.get().map(|()| log_level::show(node)),
        ["debug", "node", "log-level", level] => log_level::change(node, call, level),
        _ => status(node, call).await,
    }
}
