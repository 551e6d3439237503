//! The configuration of `mtls-auth`.

use std::time::Duration;

use serde::Deserialize;
use signet_plugin_api::Scope;

/// `config` of the plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Ids in the file's `ca_certificates`.
    pub(super) ca_certificates: Vec<String>,
    pub(super) anonymous: Option<String>,
    pub(super) default_consumer: Option<String>,
    #[serde(default = "username_and_custom_id")]
    consumer_by: Option<Vec<ConsumerBy>>,
    #[serde(default)]
    pub(super) skip_consumer_lookup: bool,
    #[serde(default = "common_name")]
    pub(super) authenticated_group_by: Option<GroupBy>,
    #[serde(default)]
    pub(super) send_ca_dn: bool,
    #[serde(default)]
    pub(super) allow_partial_chain: bool,
    #[serde(default)]
    pub(super) revocation_check_mode: Revocation,
    /// Seconds that Kong keeps a consumer that it found. Here they are all in memory.
    #[serde(default)]
    #[expect(dead_code, reason = "the decoder checks it; there is nothing that it could change")]
    cache_ttl: Amount,
    #[serde(default = "sixty_seconds")]
    cert_cache_ttl: Amount,
    #[serde(default = "thirty_seconds")]
    http_timeout: Amount,
}

/// The field of a consumer in which a name of the certificate is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConsumerBy {
    Username,
    CustomId,
}

/// What of a certificate becomes an authenticated group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum GroupBy {
    #[serde(rename = "CN")]
    CommonName,
    #[serde(rename = "DN")]
    DistinguishedName,
}

/// `revocation_check_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Revocation {
    Skip,
    #[default]
    IgnoreCaError,
    Strict,
}

/// A number that is not negative.
#[derive(Debug, Clone, Copy, Deserialize, Default)]
#[serde(try_from = "f64")]
struct Amount(f64);

impl Config {
    /// In which fields of a consumer to look, in this order; none when the look-up is off.
    pub(super) fn consumer_by(&self) -> Vec<ConsumerBy> {
        self.consumer_by.clone().unwrap_or_default()
    }

    /// How long a chain that was judged is not judged again.
    pub(super) fn verdict_lifetime(&self) -> Duration {
        /// No certificate is worth more than this without another look at the clock.
        const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
        Duration::try_from_secs_f64(self.cert_cache_ttl.0 / 1000.0).map_or(LONGEST, |wanted| wanted.min(LONGEST))
    }

    /// How long a server for revocations may take.
    pub(super) fn patience(&self) -> Duration {
        /// Nobody waits longer for an answer.
        const LONGEST: Duration = Duration::from_secs(5 * 60);
        Duration::try_from_secs_f64(self.http_timeout.0 / 1000.0).map_or(LONGEST, |wanted| wanted.min(LONGEST))
    }

    /// What one field alone does not show.
    pub(super) fn review(&self, scope: &Scope<'_>) {
        if self.skip_consumer_lookup && self.default_consumer.is_some() {
            scope.warn("default_consumer", "has no effect with `skip_consumer_lookup: true`");
        }
    }
}

impl TryFrom<f64> for Amount {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if number >= 0.0 && number.is_finite() { Ok(Self(number)) } else { Err("must not be negative") }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the default of a field that may be null")]
fn username_and_custom_id() -> Option<Vec<ConsumerBy>> {
    Some(vec![ConsumerBy::Username, ConsumerBy::CustomId])
}

#[expect(clippy::unnecessary_wraps, reason = "the default of a field that may be null")]
fn common_name() -> Option<GroupBy> {
    Some(GroupBy::CommonName)
}

fn thirty_seconds() -> Amount {
    Amount(30_000.0)
}

fn sixty_seconds() -> Amount {
    Amount(60_000.0)
}
