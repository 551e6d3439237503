//! `reuse_for`: a token that was signed already is sent again, as long as nothing that entered it has changed.

mod cache;
mod meters;

use std::{future::Future, sync::Arc};

use http::HeaderValue;
use signet_plugin_api::{ConfigError, PluginError, Scope};

use self::{cache::TokenCache, meters::ReuseMeters};
use super::{claims::Mint, config::Config};

/// A token that has less than this part of its life left is not sent again, so that it reaches the upstream in time.
const LAST_PART: u64 = 10;
/// That part is never longer, in seconds.
const LONGEST_LAST_PART: u64 = 30;

/// The tokens of one configuration, in a cache of the process.
pub(super) struct Reuse {
    cache: Arc<TokenCache>,
    reuse_for: u64,
    expires_in: u64,
}

/// Why there is no token. It is told to everyone who waits for the same one, and not remembered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error("too many tokens are waiting to be signed")]
    Busy,
    #[error(transparent)]
    Broken(#[from] PluginError),
}

impl Reuse {
    /// None when each request gets a token of its own.
    pub(super) fn new(config: &Config, mint: &Mint, scope: &Scope<'_>) -> Result<Option<Self>, ConfigError> {
        let (reuse_for, expires_in) = (u64::from(config.reuse_for.0), u64::from(config.expires_in.0));
        if reuse_for == 0 {
            return Ok(None);
        }
        if reuse_for >= expires_in {
            let reason =
                format!("must be less than `expires_in` ({expires_in}): a token cannot be sent when it has expired");
            return Err(ConfigError::new("reuse_for", reason));
        }
        if mint.varies_by_request() {
            let reason = "`claims.add` reads `${request…}`, which differs from request to request: tokens would be kept and hardly sent again";
            return Err(ConfigError::new("reuse_for", reason));
        }
        let meters = ReuseMeters::new(scope.meters()).map_err(|error| ConfigError::new("", error.to_string()))?;
        let cache = scope.background("tokens", || TokenCache::new(cache::ENTRIES, cache::BYTES, meters));
        Ok(Some(Self { cache, reuse_for, expires_in }))
    }

    /// The token of this key that may be sent at `now`, in seconds since 1970.
    pub(super) async fn known(&self, key: &[u8], now: u64) -> Option<HeaderValue> {
        self.cache.get(key, now).await
    }

    /// Signs one, with `iat` = `now`, unless somebody else does at this moment.
    pub(super) async fn signed_once(
        &self,
        key: &[u8],
        now: u64,
        sign: impl Future<Output = Result<HeaderValue, NoToken>>,
    ) -> Result<HeaderValue, Arc<NoToken>> {
        self.cache.get_or_sign(key, now..self.usable_until(now), sign).await
    }

    /// At least one second later, at least one second before `exp`.
    fn usable_until(&self, iat: u64) -> u64 {
        let last_part = (self.expires_in / LAST_PART).clamp(1, LONGEST_LAST_PART);
        iat.saturating_add(self.reuse_for.min(self.expires_in - last_part))
    }
}

#[cfg(test)]
mod tests {
    use signet_plugin_api::Meters;

    use super::*;

    #[test]
    fn a_token_is_usable_for_a_while_and_never_near_its_end() {
        let cases = [(1800, 60, 60), (1800, 1799, 1770), (60, 59, 54), (60, 30, 30), (5, 4, 4), (2, 1, 1)];
        for (expires_in, reuse_for, expected) in cases {
            let meters = ReuseMeters::new(&Meters::default()).expect("meters");
            let cache = Arc::new(TokenCache::new(1, 1, meters));
            let reuse = Reuse { cache, reuse_for, expires_in };
            assert_eq!(reuse.usable_until(1000), 1000 + expected, "{expires_in} {reuse_for}");
        }
    }
}
