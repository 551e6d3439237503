//! What is counted about the tokens of a key.

use std::time::Instant;

use signet_plugin_api::{CounterMeter, HistogramMeter, Meters, PluginError, SigningFailed, SigningKey};

/// Upper bounds in seconds: an HMAC takes microseconds, RSA a millisecond.
const BOUNDS: [f64; 14] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
];

/// The series of one key.
pub(super) struct SigningMeters {
    signatures: CounterMeter,
    duration: HistogramMeter,
    /// Of the key before: its series stays, so that its last signatures are seen.
    _earlier: Option<CounterMeter>,
}

impl SigningMeters {
    pub(super) fn new(meters: &Meters, key: &SigningKey, earlier: Option<&Self>) -> Result<Self, PluginError> {
        let uncounted = |error| PluginError::with_source("the tokens of a key cannot be counted", error);
        let (alg, kid) = (key.signer.alg(), key.kid.as_deref().map(plain).unwrap_or_default());
        let labels = [("alg", alg), ("kid", &kid)];
        let signatures = meters
            .counter("jwt_signatures_total", "Tokens that were signed, by algorithm and key.", &labels)
            .map_err(uncounted)?;
        let help = "Time that a signature takes, without the wait for a thread.";
        let duration =
            meters.histogram("jwt_sign_duration_seconds", help, &[("alg", alg)], &BOUNDS).map_err(uncounted)?;
        Ok(Self { signatures, duration, _earlier: earlier.map(|earlier| earlier.signatures.clone()) })
    }

    /// Counts and times what succeeds.
    pub(super) fn measure(&self, sign: impl FnOnce() -> Result<(), SigningFailed>) -> Result<(), SigningFailed> {
        let begin = Instant::now();
        sign()?;
        self.duration.observe(begin.elapsed().as_secs_f64());
        self.signatures.inc();
        Ok(())
    }
}

/// A `kid` as a label: the text of a string, the digits of a number.
fn plain(kid: &str) -> String {
    serde_json::from_str(kid).unwrap_or_else(|_| kid.to_owned())
}
