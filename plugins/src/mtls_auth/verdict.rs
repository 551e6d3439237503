//! What a chain proves under one configuration: worked out once, remembered, looked up per request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use moka::{Expiry, future::Cache};
use openssl::sha::sha256;
use signet_plugin_api::{CertificateChain, Consumer, Consumers, Identity, Proof};

use super::{
    config::{ConsumerBy, GroupBy},
    mapping::Mappings,
    revocation::{Objection, Revocations},
    subject::Subject,
    trust::{Trust, Untrusted, Verified},
};

/// Chains that are remembered. Whoever wants to fill it needs a handshake for each.
const REMEMBERED: u64 = 10_000;

/// Work on a refused chain is not repeated for this long, so that its sender cannot make us work at will.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// Judges chains.
pub(super) struct Judge {
    trust: Trust,
    revocations: Option<Revocations>,
    callers: Callers,
    known: Cache<[u8; 32], Arc<Verdict>>,
    lifetime: Duration,
}

/// Why a chain is refused, for the log.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Untrusted(#[from] Untrusted),
    #[error("{0}")]
    Revoked(#[from] Objection),
}

/// Who the owner of a certificate is.
pub(super) struct Callers {
    pub(super) mappings: Arc<Mappings>,
    pub(super) consumers: Arc<Consumers>,
    pub(super) consumer_by: Vec<ConsumerBy>,
    pub(super) default_consumer: Option<Arc<Consumer>>,
    pub(super) skip_lookup: bool,
    pub(super) group_by: Option<GroupBy>,
}

/// What is known of one chain.
pub(super) struct Verdict {
    /// Who it is; none when the chain is not trusted, or names nobody.
    pub(super) caller: Option<Proven>,
    good_for: Duration,
}

/// An owner, and what the upstream is told where there is no consumer to tell.
pub(super) struct Proven {
    pub(super) identity: Identity,
    /// `X-Client-Cert-Dn`
    pub(super) subject: Option<HeaderValue>,
    /// `X-Client-Cert-San`
    pub(super) alternatives: Option<HeaderValue>,
}

impl Judge {
    pub(super) fn new(trust: Trust, revocations: Option<Revocations>, callers: Callers, lifetime: Duration) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED).expire_after(UntilItExpires).build();
        Self { trust, revocations, callers, known, lifetime }
    }

    /// Whether a verdict takes the word of others.
    pub(super) fn asks_others(&self) -> bool {
        self.revocations.is_some()
    }

    /// The verdict on a chain. Requests that ask for the same one at the same time wait for the first.
    ///
    /// Verifying is done here and not on a thread of its own: two or three signature checks are less than the handshake
    /// cost that brought the chain, on this same thread.
    pub(super) async fn verdict(&self, chain: &CertificateChain) -> Arc<Verdict> {
        if let Some(known) = self.known.get(&chain.digest).await {
            return known;
        }
        // In a box: what a new chain needs must not make every request's state larger.
        Box::pin(self.known.get_with(chain.digest, async { Arc::new(self.judge(chain).await) })).await
    }

    async fn judge(&self, chain: &CertificateChain) -> Verdict {
        self.examine(chain).await.unwrap_or_else(|reason| {
            tracing::info!(%reason, "a client certificate is refused");
            Verdict { caller: None, good_for: REFUSED_FOR }
        })
    }

    async fn examine(&self, chain: &CertificateChain) -> Result<Verdict, Refusal> {
        let verified = self.trust.verify(chain)?;
        let mut good_for = self.lifetime.min(verified.remaining);
        if let Some(revocations) = &self.revocations {
            good_for = good_for.min(revocations.check(&verified.path).await?);
        }
        let caller = self.callers.find(&verified, &chain.leaf);
        if caller.is_none() {
            tracing::info!("a client certificate names no consumer");
        }
        Ok(Verdict { caller, good_for })
    }
}

impl Callers {
    fn find(&self, verified: &Verified, leaf: &[u8]) -> Option<Proven> {
        let subject = Subject::of(verified.path.first()?);
        let proof = Proof::Certificate { subject: subject.in_order.as_str().into(), fingerprint: sha256(leaf) };
        let identity = |consumer| Identity::new(super::NAME, consumer, proof);
        if self.skip_lookup {
            let identity = Identity { groups: self.groups(&subject), ..identity(None) };
            return Some(Proven {
                identity,
                subject: HeaderValue::from_str(&subject.rfc4514).ok(),
                alternatives: alternatives(&subject),
            });
        }
        let identity = if let Some(mapping) = self.mappings.find(subject.names(), &verified.authorities) {
            Identity {
                identifier: HeaderValue::from_str(&mapping.id).ok(),
                credential_id: Some(Arc::clone(&mapping.id)),
                ..identity(Some(Arc::clone(&mapping.consumer)))
            }
        } else if let Some((name, consumer)) = self.named(&subject) {
            let identifier = HeaderValue::from_bytes(name.as_bytes()).ok();
            Identity { identifier, ..identity(Some(Arc::clone(consumer))) }
        } else {
            identity(Some(Arc::clone(self.default_consumer.as_ref()?)))
        };
        Some(Proven { identity, subject: None, alternatives: None })
    }

    /// The first name that one of the fields of a consumer has.
    fn named<'s>(&'s self, subject: &'s Subject) -> Option<(&'s str, &'s Arc<Consumer>)> {
        let of = |name: &str| {
            self.consumer_by.iter().find_map(|by| match by {
                ConsumerBy::Username => self.consumers.by_username(name),
                ConsumerBy::CustomId => self.consumers.by_custom_id(name),
            })
        };
        subject.names().find_map(|name| Some((name, of(name)?)))
    }

    /// Both spellings of a DN: a list of denied groups that uses the other one would let everybody in.
    fn groups(&self, subject: &Subject) -> Option<Arc<[Arc<str>]>> {
        let groups: Vec<Arc<str>> = match self.group_by? {
            GroupBy::CommonName => vec![subject.common_name.as_deref()?.into()],
            GroupBy::DistinguishedName => vec![subject.in_order.as_str().into(), subject.rfc4514.as_str().into()],
        };
        Some(groups.into())
    }
}

/// The alternative names in one line. One with a comma in it would look like two.
fn alternatives(subject: &Subject) -> Option<HeaderValue> {
    let plain = subject.alternatives.iter().map(String::as_str).filter(|name| !name.contains(','));
    let joined = plain.collect::<Vec<_>>().join(", ");
    HeaderValue::from_str(&joined).ok().filter(|value| !value.is_empty())
}

struct UntilItExpires;

impl Expiry<[u8; 32], Arc<Verdict>> for UntilItExpires {
    fn expire_after_create(&self, _: &[u8; 32], verdict: &Arc<Verdict>, _: Instant) -> Option<Duration> {
        Some(verdict.good_for)
    }
}
