//! The configuration of `mtls-auth`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signet_plugin_api::Scope;

/// `config` of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Ids in the file's `ca_certificates`.
    pub(super) ca_certificates: Vec<String>,
    /// The consumer, by id or user name, that a request without a credential is taken for. Without one it is refused.
    pub(super) anonymous: Option<String>,
    /// The consumer, by id or user name, of a good certificate that belongs to nobody.
    pub(super) default_consumer: Option<String>,
    /// In which fields of a consumer a name of the certificate is looked for; null: in none.
    #[serde(default = "username_and_custom_id")]
    consumer_by: Option<Vec<ConsumerBy>>,
    /// Whether a good certificate is enough, whoever it belongs to.
    #[serde(default)]
    pub(super) skip_consumer_lookup: bool,
    /// What of the certificate becomes an authenticated group; null: nothing.
    #[serde(default = "common_name")]
    pub(super) authenticated_group_by: Option<GroupBy>,
    /// Whether the handshake tells the names of the authorities.
    #[serde(default)]
    pub(super) send_ca_dn: bool,
    /// Whether a chain may end at an authority of the list that is not a root.
    #[serde(default)]
    pub(super) allow_partial_chain: bool,
    /// Whether, and how strictly, it is asked if a certificate was revoked.
    #[serde(default)]
    pub(super) revocation_check_mode: Revocation,
    /// Seconds that Kong keeps a consumer that it found. Here they are all in memory.
    #[serde(default)]
    #[expect(dead_code, reason = "the decoder checks it; there is nothing that it could change")]
    cache_ttl: Amount,
    /// For how many milliseconds a chain that was judged is not judged again.
    #[serde(default = "sixty_seconds")]
    cert_cache_ttl: Amount,
    /// How many milliseconds a server for revocations may take.
    #[serde(default = "thirty_seconds")]
    http_timeout: Amount,
}

/// The field of a consumer in which a name of the certificate is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConsumerBy {
    /// Its user name.
    Username,
    /// Its own id of the operator.
    CustomId,
}

/// What of a certificate becomes an authenticated group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(super) enum GroupBy {
    /// The common name of the subject.
    #[serde(rename = "CN")]
    CommonName,
    /// The whole subject.
    #[serde(rename = "DN")]
    DistinguishedName,
}

/// `revocation_check_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Revocation {
    /// Nobody is asked.
    Skip,
    /// A certificate passes when nobody can tell.
    #[default]
    IgnoreCaError,
    /// A certificate passes only when somebody says that it is good.
    Strict,
}

/// A number that is not negative.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema, Default)]
#[serde(try_from = "f64")]
#[schemars(!try_from)]
struct Amount(#[schemars(range(min = 0.0))] f64);

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
