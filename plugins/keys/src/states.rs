//! Which key of a set signs, and which are published: one rule, of the keys' times and the clock alone.

use std::{fmt, sync::Arc};

use openssl::sha::sha256;
use signet_plugin_api::{Bytes, HeaderValue, KeyState, KeyStatus, Keys, Signer, SigningKey};

use crate::{Algorithm, KeyError, Kid, PublicKey, jwk_set, public::base64url};

/// A key of a set, ready to sign.
#[derive(Clone)]
pub struct SetKey {
    /// Unique in its set.
    pub kid: Kid,
    /// The only one that it signs with.
    pub algorithm: Algorithm,
    /// Signs.
    pub signer: Arc<dyn Signer>,
    /// What verifiers get; none of a shared secret.
    pub public: Option<PublicKey>,
    /// From when it may sign, in seconds since 1970; none: since ever.
    pub not_before: Option<u64>,
    /// When it may sign no more, in seconds since 1970; none: when its successor signs.
    pub not_after: Option<u64>,
}

/// The keys of a set at one moment.
#[derive(Debug)]
pub struct At {
    /// What plugins get. Of the private keys there is only the one that signs.
    pub keys: Keys,
    /// The first second after this moment at which they are others; none when they stay.
    pub next_change: Option<u64>,
}

/// When a key signs: `from <= t < until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// None: since ever.
    pub from: Option<u64>,
    /// None: nobody follows, and it has no end of its own.
    pub until: Option<u64>,
    /// Its own end.
    pub not_after: Option<u64>,
}

/// The keys at `now` (seconds since 1970).
///
/// In the order of `not_before`, and of `kid` where those are equal, each signs from its `not_before` until its `not_after` or
/// the next one's `not_before`, whichever comes first. It is published before, and for `retire_after` seconds afterwards. So
/// at most one signs at any time; none does before the first, and in a gap that a `not_after` leaves.
pub fn keys_at(keys: &[Arc<SetKey>], retire_after: u64, now: u64) -> At {
    let keys = in_order(keys);
    let windows = windows(&keys);
    let lives = || keys.iter().zip(&windows);
    let states: Vec<KeyStatus> = lives().map(|(key, window)| status(key, window, retire_after, now)).collect();
    let active = lives().find(|(_, window)| window.contains(now)).map(|(key, _)| {
        Arc::new(SigningKey { kid: Some(Arc::clone(key.kid.json())), signer: Arc::clone(&key.signer) })
    });
    let next_change = windows
        .iter()
        .flat_map(|window| [window.from, window.until, window.published_until(retire_after)])
        .flatten()
        .filter(|time| *time > now)
        .min();
    let published = keys.iter().zip(&states).filter(|(_, status)| status.state != KeyState::Retired);
    let public = jwk_set(published.filter_map(|(key, _)| Some((key.public.as_ref()?, &key.kid))));
    let etag = etag(&public);
    At { keys: Keys { active, states, public: Bytes::from(public), etag }, next_change }
}

/// Whether these keys can be one set.
///
/// # Errors
/// One for each reason why not: two keys of one `kid`, two that both sign since ever, a key that ends before it begins,
/// shared secrets beside key pairs.
pub fn check_set(keys: &[Arc<SetKey>]) -> Result<(), Vec<KeyError>> {
    let keys = in_order(keys);
    let mut mistakes: Vec<KeyError> = keys.iter().filter_map(|key| never_signs(key)).collect();
    let mut kids: Vec<&str> = keys.iter().map(|key| &**key.kid.text()).collect();
    kids.sort_unstable();
    let twice = kids.windows(2).filter_map(|pair| match pair {
        [one, other] if one == other => Some(KeyError::new(format!("two keys have the kid `{one}`"))),
        _ => None,
    });
    mistakes.extend(twice);
    if let [one, other, ..] = keys.iter().filter(|key| key.not_before.is_none()).collect::<Vec<_>>().as_slice() {
        mistakes.push(KeyError::new(format!(
            "`{}` and `{}` both sign since ever: all keys but one need a time from which they sign (`not_before`, in a JWK `nbf`)",
            one.kid.text(),
            other.kid.text()
        )));
    }
    let symmetric = keys.iter().find(|key| key.algorithm.is_symmetric());
    let pair = keys.iter().find(|key| !key.algorithm.is_symmetric());
    if let (Some(symmetric), Some(pair)) = (symmetric, pair) {
        mistakes.push(KeyError::new(format!(
            "`{}` is a shared secret and `{}` is not: one set has the one kind or the other",
            symmetric.kid.text(),
            pair.kid.text()
        )));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// A key that ends before it begins would still end its predecessor.
pub(crate) fn never_signs(key: &SetKey) -> Option<KeyError> {
    let (from, until) = (key.not_before?, key.not_after?);
    let reason = || format!("`{}` would never sign: it ends at {until}, and begins at {from}", key.kid.text());
    (until <= from).then(|| KeyError::new(reason()))
}

/// In the order in which they sign.
pub(crate) fn in_order(keys: &[Arc<SetKey>]) -> Vec<&SetKey> {
    let mut keys: Vec<&SetKey> = keys.iter().map(|key| &**key).collect();
    keys.sort_by(|a, b| (a.not_before, a.kid.text()).cmp(&(b.not_before, b.kid.text())));
    keys
}

/// The windows of keys that are in order.
pub(crate) fn windows(in_order: &[&SetKey]) -> Vec<Window> {
    let successors = in_order.iter().skip(1).map(Some).chain([None]);
    let window = |(key, successor): (&&SetKey, Option<&&SetKey>)| {
        // A successor without a time of its own signs since ever: this one never did.
        let followed = successor.map(|successor| successor.not_before.unwrap_or(0));
        let until = [key.not_after, followed].into_iter().flatten().min();
        // It cannot end before it begins.
        Window {
            from: key.not_before,
            until: until.map(|until| until.max(key.not_before.unwrap_or(0))),
            not_after: key.not_after,
        }
    };
    in_order.iter().zip(successors).map(window).collect()
}

impl Window {
    /// Whether the key signs at this time.
    pub(crate) fn contains(&self, time: u64) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }

    /// When the key is published no more.
    pub(crate) fn published_until(&self, retire_after: u64) -> Option<u64> {
        self.until?.checked_add(retire_after)
    }

    fn state(&self, retire_after: u64, now: u64) -> KeyState {
        if self.from.is_some_and(|from| now < from) {
            KeyState::Next
        } else if self.contains(now) {
            KeyState::Active
        } else if self.published_until(retire_after).is_none_or(|until| now < until) {
            KeyState::Retiring
        } else {
            KeyState::Retired
        }
    }
}

impl fmt::Debug for SetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetKey")
            .field("kid", &self.kid.text())
            .field("algorithm", &self.algorithm)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn status(key: &SetKey, window: &Window, retire_after: u64, now: u64) -> KeyStatus {
    KeyStatus {
        kid: Arc::clone(key.kid.text()),
        alg: key.algorithm.as_str(),
        state: window.state(retire_after, now),
        signs_from: window.from,
        signs_until: window.until,
        published_until: window.published_until(retire_after),
    }
}

/// A strong entity tag (RFC 9110, 8.8.3): 128 bits of a digest.
fn etag(public: &str) -> HeaderValue {
    let digest = sha256(public.as_bytes());
    let tag = format!("\"{}\"", base64url(digest.get(..16).unwrap_or_default()));
    // Letters, digits, `-` and `_` are always a value; a tag that matches nothing would only cost a transfer.
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

#[cfg(test)]
mod tests;
