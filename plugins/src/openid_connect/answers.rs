//! What an identity provider said, remembered for a while: bounded, and asked once for all who wait for the same.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use moka::{Expiry, future::Cache};
use ring::{hmac, rand::SystemRandom};
use signet_plugin_api::{Claims, ConfigError};
use zeroize::Zeroizing;

use super::{config::Config, trouble::Trouble};
use crate::shared::{clock, secret::array};

/// How much is remembered, in bytes of tokens and claims.
pub(super) const MEMORY: u64 = 64 * 1024 * 1024;
/// How long a refusal is remembered unless `cache_ttl_neg` says otherwise, in seconds.
const NEGATIVE: u64 = 10;

/// A credential as the caches know it.
pub(super) type Digest = [u8; 32];

/// What has a digest.
pub(super) trait Digestible {
    /// Its digest.
    fn digest(&self, digester: &Digester) -> Digest;
}

/// Makes digests of credentials, under a key that nobody else has: they say nothing about short secrets.
pub(super) struct Digester(hmac::Key);

/// What was answered about a credential.
#[derive(Clone)]
pub(super) enum Verdict {
    /// It is good.
    Good(Arc<Answer>),
    /// It is not, in a few words.
    Bad(&'static str),
}

/// An answer about a good credential.
pub(super) struct Answer {
    /// What is said of the caller; empty for a grant.
    pub(super) claims: Arc<Claims>,
    /// The token of a grant.
    pub(super) access_token: Option<Zeroizing<String>>,
    /// The token about the user of a grant.
    pub(super) id_token: Option<String>,
    /// Not to be used from then on; seconds since 1970.
    pub(super) until: u64,
}

/// How long answers are remembered, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetimes {
    usual: u64,
    most: Option<u64>,
    least: Option<u64>,
    negative: u64,
}

#[derive(Clone)]
struct Remembered {
    verdict: Verdict,
    lifetime: Duration,
}

/// The memory, one for all plugins: each has a [`Digester`] of its own.
pub(super) struct Answers(Cache<Digest, Remembered>);

impl Digester {
    /// With a new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn new() -> Result<Self, ConfigError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| ConfigError::new("", "the system has no random numbers"))
    }

    /// The digest of a credential of some kind. Parts cannot be moved from one into the next.
    pub(super) fn digest(&self, kind: u8, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&[kind]);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        array(context.sign().as_ref())
    }
}

impl Lifetimes {
    /// From `cache_ttl` and its kin.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            usual: config.cache_ttl.0,
            most: config.cache_ttl_max.filter(|seconds| *seconds > 0),
            least: config.cache_ttl_min,
            negative: config.cache_ttl_neg.unwrap_or(NEGATIVE),
        }
    }

    /// How long something is remembered that expires in so many seconds, if it says so.
    pub(super) fn of(&self, expires_in: Option<u64>) -> u64 {
        let seconds = expires_in.unwrap_or(self.usual).max(self.least.unwrap_or(0));
        self.most.map_or(seconds, |most| seconds.min(most))
    }
}

impl Answers {
    /// Nothing is remembered yet.
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(MEMORY)
            .weigher(|_, remembered: &Remembered| remembered.weight())
            .expire_after(ByLifetime)
            .build();
        Self(cache)
    }

    /// What is remembered about a credential, or the answer to `ask`. Those who come while it is asked wait for the same
    /// answer. With `keep` off nobody later gets it. That there was no answer is not remembered.
    pub(super) async fn get(
        &self,
        digest: Digest,
        keep: bool,
        lifetimes: Lifetimes,
        ask: impl Future<Output = Result<Verdict, Trouble>>,
    ) -> Result<Verdict, Trouble> {
        let remember = async {
            let verdict = ask.await?;
            let seconds = match &verdict {
                _ if !keep => 0,
                Verdict::Good(answer) => answer.until.saturating_sub(clock::now()),
                Verdict::Bad(_) => lifetimes.negative,
            };
            Ok(Remembered { verdict, lifetime: Duration::from_secs(seconds) })
        };
        let remembered = self.0.try_get_with(digest, remember).await;
        remembered.map(|remembered| remembered.verdict).map_err(|trouble: Arc<Trouble>| (*trouble).clone())
    }

    /// Forgets one credential.
    pub(super) async fn forget(&self, digest: &Digest) {
        self.0.invalidate(digest).await;
    }
}

impl Remembered {
    fn weight(&self) -> u32 {
        const FIXED: usize = 256;
        let size = match &self.verdict {
            Verdict::Good(answer) => answer.size(),
            Verdict::Bad(_) => 0,
        };
        u32::try_from(FIXED + size).unwrap_or(u32::MAX)
    }
}

impl Answer {
    fn size(&self) -> usize {
        let token = self.access_token.as_ref().map_or(0, |token| token.len());
        size(&self.claims) + token + self.id_token.as_ref().map_or(0, String::len)
    }
}

/// The bytes of claims.
pub(super) fn size(claims: &Claims) -> usize {
    claims.iter().map(|(name, value)| name.len() + value.get().len() + 48).sum()
}

struct ByLifetime;

impl Expiry<Digest, Remembered> for ByLifetime {
    fn expire_after_create(&self, _: &Digest, remembered: &Remembered, _: Instant) -> Option<Duration> {
        Some(remembered.lifetime)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes { usual: 100, most: Some(50), least: Some(5), negative: 10 };

    fn good(seconds: u64) -> Verdict {
        let until = clock::now() + seconds;
        Verdict::Good(Arc::new(Answer { claims: Arc::default(), access_token: None, id_token: None, until }))
    }

    #[test]
    fn lifetimes_have_bounds() {
        assert_eq!(LIFETIMES.of(None), 50);
        assert_eq!((LIFETIMES.of(Some(1)), LIFETIMES.of(Some(20)), LIFETIMES.of(Some(500))), (5, 20, 50));
    }

    #[test]
    fn digests_tell_kinds_and_parts_apart() {
        let digester = Digester::new().expect("a key");
        let digests = [
            digester.digest(0, &[b"ab", b"c"]),
            digester.digest(1, &[b"ab", b"c"]),
            digester.digest(0, &[b"a", b"bc"]),
            digester.digest(0, &[b"abc"]),
            Digester::new().expect("a key").digest(0, &[b"ab", b"c"]),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert_eq!(digests.iter().position(|other| other == digest), Some(at));
        }
        assert_eq!(digests[0], digester.digest(0, &[b"ab", b"c"]));
    }

    #[tokio::test]
    async fn all_who_wait_get_the_answer_to_one_question() {
        let (answers, asked) = (Answers::new(), AtomicUsize::new(0));
        let ask = || async {
            asked.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
            Ok(good(100))
        };
        let (one, two) =
            tokio::join!(answers.get([1; 32], false, LIFETIMES, ask()), answers.get([1; 32], false, LIFETIMES, ask()));
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(asked.load(SeqCst), 1);
        assert!(answers.get([1; 32], true, LIFETIMES, ask()).await.is_ok());
        assert_eq!(asked.load(SeqCst), 2, "nothing was kept");
        assert!(answers.get([1; 32], true, LIFETIMES, ask()).await.is_ok());
        assert_eq!(asked.load(SeqCst), 2, "this was");
        answers.forget(&[1; 32]).await;
        assert!(answers.get([1; 32], true, LIFETIMES, ask()).await.is_ok());
        assert_eq!(asked.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn trouble_is_not_remembered_and_a_refusal_is() {
        let answers = Answers::new();
        let trouble = answers.get([1; 32], true, LIFETIMES, async { Err(Trouble::new("down")) }).await;
        assert!(trouble.is_err());
        assert!(matches!(
            answers.get([1; 32], true, LIFETIMES, async { Ok(Verdict::Bad("no")) }).await,
            Ok(Verdict::Bad("no"))
        ));
        assert!(matches!(answers.get([1; 32], true, LIFETIMES, async { Ok(good(9)) }).await, Ok(Verdict::Bad("no"))));
    }
}
