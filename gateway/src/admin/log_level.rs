//! `/debug/node/log-level`: how much the error log says, changed for a while.

use std::{sync::Arc, time::Duration};

use http::StatusCode;

use super::{Answer, Call, Node};
use crate::settings;

/// How long a change lasts if nobody says (Kong's default).
const USUAL: f64 = 60.0;
/// Nobody means more than a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// Kong's words for the level at work.
pub(super) fn show(node: &Node) -> Answer {
    Answer::message(StatusCode::OK, format!("log level: {}", node.log_level.get().as_str()))
}

/// Changes it for `timeout` seconds (60; 0 is for good), then what the settings say counts again.
///
/// # Errors
/// The answer to another method, a level or a timeout that is none.
pub(super) fn change(node: &Node, call: &Call<'_>, name: &str) -> Result<Answer, Answer> {
    call.method("OPTIONS, PUT")?;
    let refused = |message: String| Answer::message(StatusCode::BAD_REQUEST, message);
    let level = settings::log_level(name).map_err(|_| refused(format!("unknown log level: {name}")))?;
    let timeout = match call.argument("timeout").map(str::parse::<f64>) {
        None => USUAL,
        Some(Ok(seconds)) if (0.0..=LONGEST).contains(&seconds) => seconds.ceil(),
        Some(Ok(seconds)) if seconds < 0.0 => {
            return Err(refused("timeout must be greater than or equal to 0".to_owned()));
        }
        Some(_) => return Err(refused("timeout must be a number of seconds, at most a year".to_owned())),
    };
    let was = node.log_level.get();
    let change = node.log_level.set(level);
    tracing::warn!(from = was.as_str(), to = level.as_str(), seconds = timeout, "the log level was changed");
    if timeout > 0.0 {
        let level = Arc::clone(&node.log_level);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs_f64(timeout)).await;
            if level.take_back(change) {
                tracing::warn!(to = level.get().as_str(), "the log level is that of the settings again");
            }
        });
    }
    let message =
        if was == level { format!("log level is already {}", level.as_str()) } else { "log level changed".to_owned() };
    Ok(Answer::message(StatusCode::OK, message))
}
