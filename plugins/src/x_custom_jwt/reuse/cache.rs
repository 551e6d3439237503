//! Signed tokens by all that entered them; bounded in number and in memory, for the whole process.

use std::{
    future::Future,
    mem::size_of,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::HeaderValue;
use moka::{Expiry, future::Cache};
use signet_plugin_api::{Background, async_trait};

use super::{
    NoToken,
    meters::{ReuseMeters, Share},
};

/// At most so many tokens are kept.
pub(super) const ENTRIES: u64 = 10_000;
/// At most so much memory is taken by them.
pub(super) const BYTES: u64 = 32 << 20;

/// What an entry takes besides its key and its token, measured over 50,000 of them.
const OVERHEAD: usize = 448;

/// How long tokens that expired may lie in memory when no request comes.
const SWEEP: Duration = Duration::from_secs(5);

/// The tokens. The whole key is compared: a token is never another caller's because two hashes are the same.
pub(super) struct TokenCache {
    tokens: Cache<Vec<u8>, Arc<Token>>,
    meters: ReuseMeters,
}

/// One token.
struct Token {
    value: HeaderValue,
    /// From its `iat` on, in seconds since 1970. By a clock that was set back it was signed in the future.
    usable: Range<u64>,
    /// The same by the clock that is never set: only to free memory.
    forget_after: Duration,
    share: Share,
}

impl TokenCache {
    pub(super) fn new(entries: u64, bytes: u64, meters: ReuseMeters) -> Self {
        // The cache knows one bound. When each entry weighs at least its part of the memory, it is a bound of both.
        let least = u32::try_from(bytes.div_ceil(entries)).unwrap_or(u32::MAX);
        let tokens = Cache::builder()
            .max_capacity(bytes)
            .weigher(move |_, token: &Arc<Token>| token.share.bytes().max(least))
            .expire_after(ByItself)
            .eviction_listener(|_, token: Arc<Token>, _| token.share.give_back())
            .build();
        Self { tokens, meters }
    }

    /// The token of this key, if it is usable at `now`.
    pub(super) async fn get(&self, key: &[u8], now: u64) -> Option<HeaderValue> {
        let token = self.tokens.get(key).await?;
        if token.usable.contains(&now) {
            self.meters.hits.inc();
            return Some(token.value.clone());
        }
        // The clock was set. Where two see that, the second may throw away what the first one had signed anew: a signature
        // more, and no harm.
        self.tokens.invalidate(key).await;
        None
    }

    /// The token of this key; `sign` is asked for it once, however many ask at the same time. What goes wrong is told to all
    /// of them, and not kept. When the one who signs goes away, another one signs.
    pub(super) async fn get_or_sign(
        &self,
        key: &[u8],
        usable: Range<u64>,
        sign: impl Future<Output = Result<HeaderValue, NoToken>>,
    ) -> Result<HeaderValue, Arc<NoToken>> {
        let token = async { Ok(Arc::new(self.token(key, usable, sign.await?))) };
        let entry = self.tokens.entry_by_ref(key).or_try_insert_with(token).await?;
        if entry.is_fresh() { &self.meters.misses } else { &self.meters.hits }.inc();
        Ok(entry.into_value().value.clone())
    }

    fn token(&self, key: &[u8], usable: Range<u64>, value: HeaderValue) -> Token {
        let bytes = key.len() + value.len() + size_of::<Token>() + OVERHEAD;
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let forget_after = Duration::from_secs(usable.end).saturating_sub(now);
        Token { value, usable, forget_after, share: self.meters.share(u32::try_from(bytes).unwrap_or(u32::MAX)) }
    }
}

#[async_trait]
impl Background for TokenCache {
    /// Without requests nothing else would free what expired.
    async fn tick(&self) -> Duration {
        self.tokens.run_pending_tasks().await;
        SWEEP
    }
}

struct ByItself;

impl Expiry<Vec<u8>, Arc<Token>> for ByItself {
    fn expire_after_create(&self, _: &Vec<u8>, token: &Arc<Token>, _: Instant) -> Option<Duration> {
        Some(token.forget_after)
    }

    fn expire_after_update(
        &self,
        _: &Vec<u8>,
        token: &Arc<Token>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(token.forget_after)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use signet_plugin_api::Meters;

    use super::*;

    fn cache(entries: u64, bytes: u64) -> (TokenCache, Meters) {
        let meters = Meters::default();
        let cache = TokenCache::new(entries, bytes, ReuseMeters::new(&meters).expect("meters"));
        (cache, meters)
    }

    fn gauge(meters: &Meters, name: &str) -> f64 {
        let families = meters.gather();
        let family = families.iter().find(|family| family.name() == name).expect("a gauge");
        family.get_metric().iter().map(|metric| metric.get_gauge().get_value()).sum()
    }

    fn kept(meters: &Meters) -> (f64, f64) {
        (gauge(meters, "signet_jwt_reuse_entries"), gauge(meters, "signet_jwt_reuse_bytes"))
    }

    fn now() -> u64 {
        crate::shared::clock::now()
    }

    async fn put(cache: &TokenCache, key: &[u8], usable: Range<u64>, length: usize) {
        let value = HeaderValue::from_bytes(&vec![b'x'; length]).expect("a value");
        cache.get_or_sign(key, usable, async { Ok(value) }).await.expect("a token");
    }

    #[tokio::test]
    async fn the_clock_of_the_day_says_when_a_token_is_usable() {
        let (cache, _meters) = cache(10, 1 << 20);
        let iat = now();
        put(&cache, b"key", iat..iat + 60, 10).await;
        for (at, usable) in [(iat, true), (iat + 59, true), (iat + 60, false)] {
            assert_eq!(cache.get(b"key", at).await.is_some(), usable, "{at}");
        }
        put(&cache, b"key", iat..iat + 60, 10).await;
        assert!(cache.get(b"key", iat - 1).await.is_none(), "signed in the future");
        assert!(cache.get(b"key", iat).await.is_none(), "and thrown away for that");
    }

    #[tokio::test]
    async fn what_expired_is_signed_again_and_not_sent() {
        let (cache, _meters) = cache(10, 1 << 20);
        let iat = now() - 60;
        put(&cache, b"key", iat..iat + 60, 10).await;
        let signed = AtomicU64::new(0);
        let sign = async {
            signed.fetch_add(1, Relaxed);
            Ok(HeaderValue::from_static("new"))
        };
        assert_eq!(cache.get(b"key", now()).await, None);
        assert_eq!(cache.get_or_sign(b"key", now()..now() + 60, sign).await.expect("a token"), "new");
        assert_eq!(signed.into_inner(), 1);
    }

    #[tokio::test]
    async fn tokens_are_bounded_in_number() {
        let (cache, meters) = cache(100, 1 << 20);
        for key in 0..2_000_u32 {
            put(&cache, &key.to_be_bytes(), now()..now() + 60, 100).await;
        }
        cache.tick().await;
        let (entries, bytes) = kept(&meters);
        assert!((1.0..=100.0).contains(&entries), "{entries}");
        assert!(bytes >= entries * 104.0, "{bytes}");
    }

    #[tokio::test]
    async fn tokens_are_bounded_in_bytes() {
        let (cache, meters) = cache(100, 100_000);
        for key in 0..500_u32 {
            put(&cache, &key.to_be_bytes(), now()..now() + 60, 10_000).await;
        }
        cache.tick().await;
        let (entries, bytes) = kept(&meters);
        assert!((1.0..=9.0).contains(&entries) && bytes <= 100_000.0, "{entries} {bytes}");
        put(&cache, b"too large", now()..now() + 60, 200_000).await;
        cache.tick().await;
        assert!(cache.get(b"too large", now()).await.is_none());
        assert!(kept(&meters).1 <= 100_000.0);
    }

    #[tokio::test]
    async fn what_expired_frees_its_memory_without_a_request() {
        let (cache, meters) = cache(ENTRIES, BYTES);
        let iat = now();
        for key in 0..3_000_u32 {
            put(&cache, &key.to_be_bytes(), iat..iat + 1, 1_000).await;
        }
        assert!(kept(&meters).0 > 0.0);
        let deadline = Instant::now() + Duration::from_secs(20);
        while kept(&meters) != (0.0, 0.0) {
            assert!(Instant::now() < deadline, "{:?}", kept(&meters));
            cache.tick().await;
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_cache_that_goes_takes_its_share_along() {
        let (cache, meters) = cache(10, 1 << 20);
        let gauges = (
            meters.gauge("jwt_reuse_entries", "", &[]).expect("a gauge"),
            meters.gauge("jwt_reuse_bytes", "", &[]).expect("a gauge"),
        );
        put(&cache, b"key", now()..now() + 60, 10).await;
        assert_eq!(gauges.0.get(), 1.0);
        assert!(gauges.1.get() > 13.0);
        drop(cache);
        let deadline = Instant::now() + Duration::from_secs(20);
        while gauges.0.get() != 0.0 {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert_eq!(gauges.1.get(), 0.0);
    }
}
