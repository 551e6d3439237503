//! An identity provider as far as it is known: its document and its keys, fetched besides requests and kept while it is down.

mod demands;
mod document;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, Uri};
use signet_keys::Algorithm;
use signet_plugin_api::{Background, Names};
use tokio::sync::Mutex;
use tracing::{info, warn};

pub(super) use self::{demands::Demands, document::Metadata};
use self::{demands::Unsupported, document::Untrusted};
use crate::shared::{
    http::{Http, HttpSettings, NoAnswer, Question},
    jwks::Jwks,
    verification::VerificationKey,
};

/// How old what is known may become before it is fetched again without a reason.
const REFRESH: Duration = Duration::from_secs(300);
/// How long the last good keys are used while the provider cannot be asked.
const LAST_GOOD: Duration = Duration::from_secs(24 * 3600);
/// The pause after the first failure; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// What an issuer is made from. Two plugins with the same settings share one.
#[derive(Debug, Clone)]
pub(super) struct IssuerSettings {
    /// Its name as configured.
    pub(super) name: String,
    /// Where its document is.
    pub(super) document: Uri,
    /// Keys that are trusted besides its own.
    pub(super) extra_keys: Vec<Uri>,
    /// The shortest time between two fetches that requests ask for.
    pub(super) rediscovery: Duration,
    /// What it must be able to do.
    pub(super) demands: Demands,
    /// How it is asked.
    pub(super) http: HttpSettings,
}

/// One identity provider.
pub(super) struct Issuer {
    settings: IssuerSettings,
    /// The client for everything that is asked of it.
    pub(super) http: Http,
    known: ArcSwapOption<Known>,
    /// When it was last asked; held while it is.
    asked: Mutex<Option<Instant>>,
    failures: AtomicU32,
}

/// What is known of an issuer since its last answer.
pub(super) struct Known {
    /// Its document.
    pub(super) metadata: Metadata,
    keys: Vec<Jwks>,
    texts: Vec<Bytes>,
    /// Another number means other keys or another document: what was verified before must be verified again.
    pub(super) generation: u64,
    fetched: Instant,
}

/// Why nothing new is known.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}: {1}")]
    Unanswered(Uri, NoAnswer),
    #[error("{0} answered {1}")]
    Refused(Uri, StatusCode),
    #[error("{0} is not believed: {1}")]
    Document(Uri, Untrusted),
    #[error("{0}")]
    Unsupported(#[from] Unsupported),
    #[error("the keys at {0} cannot be read: {1}")]
    Keys(Uri, String),
}

impl Issuer {
    /// Nothing is known yet, and nothing asked.
    pub(super) fn new(settings: IssuerSettings, names: Arc<dyn Names>) -> Self {
        Self {
            http: Http::new(&settings.http, names),
            settings,
            known: ArcSwapOption::empty(),
            asked: Mutex::default(),
            failures: AtomicU32::new(0),
        }
    }

    /// What is known, unless it has become too old to be believed.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| known.fetched.elapsed() < LAST_GOOD)
    }

    /// Asks again because a token names a key that is not in `seen`. Nothing when nothing is new, or when it was asked a
    /// moment ago. The asking goes on when the request that wanted it is gone.
    pub(super) async fn rediscover(self: &Arc<Self>, seen: u64) -> Option<Arc<Known>> {
        let issuer = Arc::clone(self);
        let asking = tokio::spawn(async move {
            let mut asked = issuer.asked.lock().await;
            let is_recent = |at: Instant| at.elapsed() < issuer.settings.rediscovery;
            if issuer.known.load().as_ref().is_some_and(|known| known.generation == seen)
                && !asked.is_some_and(is_recent)
            {
                *asked = Some(Instant::now());
                issuer.discover().await;
            }
        });
        // Who waits for others to be done waits no longer than for the provider itself.
        tokio::time::timeout(self.settings.http.timeout, asking).await.ok()?.ok()?;
        self.known().filter(|known| known.generation != seen)
    }

    /// Whether the last answers came as they should.
    async fn discover(&self) -> bool {
        match self.fetch().await {
            Ok(new) => {
                let old = self.known.load_full();
                if old.as_ref().is_none_or(|old| old.generation != new.generation) {
                    let keys: usize = new.keys.iter().map(Jwks::len).sum();
                    info!(issuer = self.settings.name, keys, "the identity provider is known");
                    for skipped in new.keys.iter().flat_map(|keys| keys.skipped()) {
                        info!(issuer = self.settings.name, reason = %skipped, "a key is not used");
                    }
                }
                self.known.store(Some(Arc::new(new)));
                self.failures.store(0, Relaxed);
                true
            }
            Err(error) => {
                self.failures.fetch_add(1, Relaxed);
                warn!(issuer = self.settings.name, %error, "the identity provider cannot be asked");
                false
            }
        }
    }

    /// Takes these texts for the provider's.
    #[cfg(test)]
    pub(super) fn learn(&self, document: &str, jwks: &str) {
        let mut known = Known::of(document, jwks);
        known.generation = self.generation(&known.metadata, &known.texts);
        self.known.store(Some(Arc::new(known)));
    }

    async fn fetch(&self) -> Result<Known, Failure> {
        let document = &self.settings.document;
        let text = self.get(document).await?;
        let metadata =
            Metadata::parse(&text, &self.settings.name).map_err(|error| Failure::Document(document.clone(), error))?;
        self.settings.demands.compare(&text)?;
        let mut keys = Vec::new();
        let mut texts = Vec::new();
        for uri in metadata.jwks.iter().chain(&self.settings.extra_keys) {
            let text = self.get(uri).await?;
            keys.push(Jwks::parse(&text).map_err(|error| Failure::Keys(uri.clone(), error.to_string()))?);
            texts.push(text);
        }
        let generation = self.generation(&metadata, &texts);
        Ok(Known { metadata, keys, texts, generation, fetched: Instant::now() })
    }

    fn generation(&self, metadata: &Metadata, texts: &[Bytes]) -> u64 {
        match &*self.known.load() {
            Some(old) if old.texts == texts && old.metadata == *metadata => old.generation,
            old => old.as_ref().map_or(0, |old| old.generation + 1),
        }
    }

    async fn get(&self, uri: &Uri) -> Result<Bytes, Failure> {
        match self.http.ask(Question::get(uri.clone())).await {
            Ok(answer) if answer.status == StatusCode::OK => Ok(answer.body),
            Ok(answer) => Err(Failure::Refused(uri.clone(), answer.status)),
            Err(error) => Err(Failure::Unanswered(uri.clone(), error)),
        }
    }

    fn pause(&self) -> Duration {
        match self.failures.load(Relaxed) {
            0 => REFRESH,
            failures => (FIRST_PAUSE * (1 << failures.min(10).saturating_sub(1))).min(Duration::from_secs(30)),
        }
    }
}

#[async_trait]
impl Background for Issuer {
    async fn tick(&self) -> Duration {
        let mut asked = self.asked.lock().await;
        *asked = Some(Instant::now());
        self.discover().await;
        self.pause()
    }
}

impl Known {
    /// From a document and a key set.
    #[cfg(test)]
    pub(super) fn of(document: &str, jwks: &str) -> Self {
        let metadata: serde_json::Value = serde_json::from_str(document).expect("a document");
        let issuer = metadata["issuer"].as_str().expect("an issuer");
        Self {
            metadata: Metadata::parse(document.as_bytes(), issuer).expect("a document"),
            keys: vec![Jwks::parse(jwks.as_bytes()).expect("keys")],
            texts: vec![Bytes::copy_from_slice(jwks.as_bytes())],
            generation: 0,
            fetched: Instant::now(),
        }
    }

    /// The keys that may have signed a token with this `kid` and algorithm.
    pub(super) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<Arc<VerificationKey>> {
        self.keys.iter().flat_map(|keys| keys.candidates(kid, algorithm)).map(Arc::clone).collect()
    }
}
