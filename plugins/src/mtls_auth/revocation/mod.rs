//! Whether a certificate of a chain was revoked: its responder is asked, else the list that it names.

pub(super) mod list;
mod ocsp;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{StatusCode, Uri, uri::Scheme};
use moka::future::Cache;
use openssl::{
    error::ErrorStack,
    nid::Nid,
    sha::sha256,
    x509::{GeneralNameRef, X509, X509Ref, store::X509Store},
};
use signet_plugin_api::Scope;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::timeout,
};

use self::list::{List, Useless};
use super::config::Revocation;
use crate::shared::http::{Http, HttpSettings, NoAnswer, Question};

/// A certificate's servers are asked up to this many of each kind.
const SERVERS: usize = 2;

const LONGEST_ANSWER: usize = 64 * 1024;
const LONGEST_LIST: usize = 8 * 1024 * 1024;
const LISTS: u64 = 100;

/// A server without an answer that counts is left alone for this long, so that not everybody waits for it; and what it did not
/// say is asked again then.
const SILENCE: Duration = Duration::from_secs(10);

/// How revocation is checked under one configuration.
pub(super) struct Revocations {
    strict: bool,
    patience: Duration,
    http: Http,
    /// The authorities, for certificates of any purpose.
    anchors: Arc<X509Store>,
    /// By address and issuer.
    lists: Cache<Authority, Arc<List>>,
    silent: Cache<Authority, ()>,
}

/// What is known of a certificate, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Good,
    /// It names no server.
    Unlisted,
    /// No server says anything that counts.
    Unreachable,
    /// Too much is asked at this time, which whoever has been revoked could bring about.
    Unasked,
    /// Its responder does not know it.
    Unknown,
    Revoked,
}

/// Why a chain does not pass, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Objection {
    #[error("it was revoked, or its responder does not know it")]
    Revoked,
    #[error("whether it was revoked cannot be found out")]
    Undecided,
}

/// Why a server has no answer that counts, for the log.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it is at no http:// address")]
    Address,
    #[error("{0}")]
    Fetch(#[from] NoAnswer),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("the answer does not verify: {0}")]
    Answer(ErrorStack),
    #[error("the list does not count: {0}")]
    List(#[from] Useless),
    #[error("{0}")]
    Certificate(#[from] ErrorStack),
    #[error("{0}")]
    Unread(#[from] JoinError),
    /// It had none a moment ago.
    #[error("it is left alone")]
    Silent,
}

impl Revocations {
    /// As one configuration has it: `patience` is how long a server may take, `lifetime` how long a list is kept.
    pub(super) fn new(
        scope: &Scope<'_>,
        mode: Revocation,
        patience: Duration,
        lifetime: Duration,
        anchors: Arc<X509Store>,
    ) -> Option<Self> {
        let strict = match mode {
            Revocation::Skip => return None,
            Revocation::IgnoreCaError => false,
            Revocation::Strict => true,
        };
        let lists = Cache::builder().max_capacity(LISTS).time_to_live(lifetime).build();
        let silent = Cache::builder().max_capacity(LISTS).time_to_live(SILENCE).build();
        let settings = HttpSettings { verify: true, timeout: patience, keepalive: false };
        let http = Http::new(&settings, scope.names());
        Some(Self { strict, patience, http, anchors, lists, silent })
    }

    /// Checks every certificate of a verified path but its end, which the configuration trusts. Gives how long the result may
    /// be believed.
    pub(super) async fn check(&self, path: &[X509]) -> Result<Duration, Objection> {
        // Each question has the patience of one; a chain of many certificates must not add them up.
        let worst = timeout(self.patience * 2, self.worst(path)).await.unwrap_or(Standing::Unreachable);
        match worst {
            Standing::Good => Ok(Duration::MAX),
            Standing::Revoked | Standing::Unknown => Err(Objection::Revoked),
            Standing::Unasked => Err(Objection::Undecided),
            Standing::Unlisted | Standing::Unreachable if self.strict => Err(Objection::Undecided),
            Standing::Unlisted => Ok(Duration::MAX),
            Standing::Unreachable => Ok(SILENCE),
        }
    }

    async fn worst(&self, path: &[X509]) -> Standing {
        let mut worst = Standing::Good;
        for (certificate, issuer) in path.iter().zip(path.iter().skip(1)) {
            worst = worst.max(self.standing(certificate, issuer).await);
            if worst >= Standing::Unknown {
                break;
            }
        }
        worst
    }

    async fn standing(&self, certificate: &X509, issuer: &X509) -> Standing {
        let (responders, lists) = (responders(certificate), lists(certificate));
        if responders.is_empty() && lists.is_empty() {
            return Standing::Unlisted;
        }
        let mut worst = Standing::Unreachable;
        for responder in &responders {
            match self.by_responder(responder, certificate, issuer).await {
                undecided @ (Standing::Unreachable | Standing::Unasked | Standing::Unknown) => {
                    worst = worst.max(undecided)
                }
                decided => return decided,
            }
        }
        for list in &lists {
            match self.by_list(list, certificate, issuer).await {
                undecided @ (Standing::Unreachable | Standing::Unasked) => worst = worst.max(undecided),
                decided => return decided,
            }
        }
        worst
    }

    async fn by_responder(&self, url: &str, certificate: &X509Ref, issuer: &X509Ref) -> Standing {
        let authority = Authority::new(url, issuer);
        let standing = async {
            let question = ocsp::question(certificate, issuer)?;
            let question = Question::post(address(url)?, "application/ocsp-request", question);
            let answer = self.ask(&authority, Question { limit: LONGEST_ANSWER, ..question }).await?;
            ocsp::read(&answer, certificate, issuer, &self.anchors).map_err(Trouble::Answer)
        };
        self.known(&authority, standing.await.map_err(Arc::new)).await
    }

    async fn by_list(&self, url: &str, certificate: &X509, issuer: &X509) -> Standing {
        let authority = Authority::new(url, issuer);
        let standing = async {
            let list = self.list(&authority, issuer).await?;
            list.standing(certificate).map_err(|useless| Arc::new(useless.into()))
        };
        self.known(&authority, standing.await).await
    }

    /// A list is asked for once for all who want it, and again when the next one is out: of one that ended, nothing counts.
    async fn list(&self, authority: &Authority, issuer: &X509) -> Result<Arc<List>, Arc<Trouble>> {
        if self.lists.get(authority).await.is_some_and(|list| !list.is_current()) {
            self.lists.invalidate(authority).await;
        }
        let fetch = async {
            let question = Question { limit: LONGEST_LIST, ..Question::get(address(&authority.url)?) };
            let bytes = self.ask(authority, question).await?;
            let issuer = issuer.clone();
            // That of a large authority takes a while. Not behind the passwords: with these anybody could fill the queue,
            // and a list that is not read counts for nobody.
            Ok(Arc::new(spawn_blocking(move || List::read(&bytes, &issuer)).await??))
        };
        self.lists.try_get_with(authority.clone(), fetch).await
    }

    async fn ask(&self, authority: &Authority, question: Question) -> Result<Bytes, Trouble> {
        if self.silent.contains_key(authority) {
            return Err(Trouble::Silent);
        }
        let answer = self.http.ask(question).await?;
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(Trouble::Status(answer.status)) }
    }

    async fn known(&self, authority: &Authority, standing: Result<Standing, Arc<Trouble>>) -> Standing {
        match standing {
            Ok(standing) => return standing,
            Err(error) if matches!(*error, Trouble::Silent) => {}
            Err(error) if matches!(*error, Trouble::Fetch(NoAnswer::Busy)) => return Standing::Unasked,
            Err(error) => {
                tracing::warn!(url = authority.url, %error, "a server for revocations has no answer that counts");
                self.silent.insert(authority.clone(), ()).await;
            }
        }
        Standing::Unreachable
    }
}

/// A server, as one issuer's: what it says of another's certificates must not silence it for this one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Authority {
    url: String,
    /// SHA-256 of the issuer's certificate.
    issuer: [u8; 32],
}

impl Authority {
    fn new(url: &str, issuer: &X509Ref) -> Self {
        // A certificate that was verified can be written; all that could not would share their silence.
        let issuer = issuer.to_der().map(|der| sha256(&der)).unwrap_or_default();
        Self { url: url.to_owned(), issuer }
    }
}

/// Over TLS the server's own certificate would have to be checked first.
fn address(url: &str) -> Result<Uri, Trouble> {
    let uri: Option<Uri> = url.parse().ok();
    uri.filter(|uri| uri.scheme() == Some(&Scheme::HTTP)).ok_or(Trouble::Address)
}

/// The OCSP responders that a certificate names (RFC 5280, 4.2.2.1).
fn responders(certificate: &X509Ref) -> Vec<String> {
    let described = certificate.authority_info();
    let responders = described.iter().flatten().filter(|access| access.method().nid() == Nid::AD_OCSP);
    responders.filter_map(|access| access.location().uri().map(ToOwned::to_owned)).take(SERVERS).collect()
}

/// The lists that a certificate names (RFC 5280, 4.2.1.13).
fn lists(certificate: &X509Ref) -> Vec<String> {
    let points = certificate.crl_distribution_points();
    let names = points.iter().flatten().filter_map(|point| point.distpoint()).filter_map(|name| name.fullname());
    names.flatten().filter_map(GeneralNameRef::uri).map(ToOwned::to_owned).take(SERVERS).collect()
}
