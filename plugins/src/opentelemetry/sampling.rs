//! Which traces are recorded: decided once, when a request arrives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{extract::Caller, ids::TraceId};

/// The range of what is random in an id.
const ALL: u64 = 1 << 56;

/// `config.sampling_strategy`: what the caller's decision counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Strategy {
    /// What it does not record is not recorded; of the rest, a part is.
    #[default]
    ParentDropProbabilityFallback,
    /// What it decided counts; of what nobody decided, a part is recorded.
    ParentProbabilityFallback,
}

/// Decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampler {
    below: u64,
    strategy: Strategy,
}

impl Sampler {
    /// Records this part, from 0 to 1, of the traces that it decides on.
    pub(super) fn new(rate: f64, strategy: Strategy) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "0 to 2^56"
        )]
        let below = (rate.clamp(0.0, 1.0) * ALL as f64) as u64;
        Self { below, strategy }
    }

    /// Whether the trace is recorded. Two gateways with the same rate record the same traces.
    pub(super) fn decide(&self, trace: &TraceId, caller: &Caller) -> bool {
        match (self.strategy, caller.sampled) {
            (_, Some(false)) => false,
            (Strategy::ParentProbabilityFallback, Some(true)) => true,
            _ => trace.randomness() < self.below,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(sampled: Option<bool>) -> Caller {
        Caller { sampled, ..Caller::default() }
    }

    fn recorded(rate: f64, strategy: Strategy, sampled: Option<bool>) -> usize {
        let sampler = Sampler::new(rate, strategy);
        (0..10_000).filter(|_| sampler.decide(&TraceId::random(), &caller(sampled))).count()
    }

    #[test]
    fn all_and_none_are_exactly_that() {
        for strategy in [Strategy::ParentDropProbabilityFallback, Strategy::ParentProbabilityFallback] {
            assert_eq!(recorded(1.0, strategy, None), 10_000);
            assert_eq!(recorded(0.0, strategy, None), 0);
            assert_eq!(recorded(1.0, strategy, Some(false)), 0, "the caller does not record it");
        }
        let last = TraceId::from_hex(&"f".repeat(32)).expect("an id");
        assert!(Sampler::new(1.0, Strategy::default()).decide(&last, &caller(None)));
    }

    #[test]
    fn a_part_is_about_that_part() {
        let tenth = recorded(0.1, Strategy::default(), None);
        assert!((700..1300).contains(&tenth), "{tenth}");
    }

    #[test]
    fn the_strategies_differ_in_what_the_caller_records() {
        assert_eq!(recorded(0.0, Strategy::ParentProbabilityFallback, Some(true)), 10_000);
        assert_eq!(recorded(0.0, Strategy::ParentDropProbabilityFallback, Some(true)), 0);
    }

    #[test]
    fn the_same_trace_is_decided_alike_everywhere() {
        let trace = TraceId::from_hex("0af7651916cd43dd8400000000000000").expect("an id");
        assert!(Sampler::new(0.01, Strategy::default()).decide(&trace, &caller(None)));
    }
}
