//! What a plugin says that it would do with a request, for `signet explain`: nothing is asked of anybody, signed or counted.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{Flow, Response};

/// How a plugin would take a request.
#[derive(Debug)]
pub struct Rehearsal {
    /// What would happen.
    pub outcome: Rehearsed,
    /// What else is worth knowing, each with its name, as JSON. Never a secret: people paste it into tickets.
    pub shows: Vec<(&'static str, Box<RawValue>)>,
}

/// What would happen.
#[derive(Debug)]
pub enum Rehearsed {
    /// The next plugin would run, then the upstream would be asked.
    Continue,
    /// This answer would be given.
    Respond(Response),
    /// It cannot be said without doing it; the reason, as a half sentence.
    Unknown(Cow<'static, str>),
}

impl Rehearsal {
    /// It cannot be said without doing it, because …
    pub fn unknown(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { outcome: Rehearsed::Unknown(reason.into()), shows: Vec::new() }
    }

    /// Adds what is worth knowing; `json` is JSON text, and left out when it is not.
    #[must_use]
    pub fn showing(mut self, name: &'static str, json: String) -> Self {
        self.shows.extend(RawValue::from_string(json).ok().map(|json| (name, json)));
        self
    }
}

/// For plugins that ask nobody: what they do is what they would do.
impl From<Flow> for Rehearsal {
    fn from(flow: Flow) -> Self {
        let outcome = match flow {
            Flow::Continue => Rehearsed::Continue,
            Flow::Respond(response) => Rehearsed::Respond(response),
        };
        Self { outcome, shows: Vec::new() }
    }
}
