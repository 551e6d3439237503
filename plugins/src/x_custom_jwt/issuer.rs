//! Where a token's key comes from: the configuration, or a set whose keys change while it serves.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use signet_plugin_api::{ConfigError, KeySet, PluginError, Scope};

use super::{
    config::Config,
    issuing::{Form, Frame, Issuing},
};
use crate::shared::clock;

/// At most so often, in seconds, the log says that no key may sign.
const TELL_EVERY: u64 = 60;

/// Where the key comes from.
pub(super) struct Issuer {
    source: Source,
    form: Form,
}

enum Source {
    /// `private_jwk`
    Own(Issuing),
    /// `key_set`
    Set {
        set: Arc<KeySet>,
        /// Of the key that was active when somebody last looked.
        frame: ArcSwapOption<Frame>,
        /// When the log said that there is no key, in seconds since 1970.
        told: AtomicU64,
    },
}

impl Issuer {
    /// Takes the key out of `config`, or the set that it names.
    pub(super) fn new(config: &mut Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let form = Form::new(config, scope)?;
        let broken = |error: PluginError| ConfigError::new("", error.to_string());
        let source = match (config.private_jwk.take(), &config.key_set) {
            (Some(own), None) => {
                let key = Arc::new(own.signing_key("private_jwk", scope)?);
                let frame = form.of_own_key(&key).map_err(broken)?;
                Source::Own(Issuing::new(key, frame))
            }
            (None, Some(name)) => {
                let set = scope.key_set("key_set", name)?;
                outlived_by_its_key(config.expires_in.0, &set)?;
                let frame = set.active().map(|key| form.of_key_of_set(&key, None)).transpose().map_err(broken)?;
                Source::Set { set, frame: ArcSwapOption::new(frame), told: AtomicU64::new(0) }
            }
            (Some(_), Some(_)) => {
                return Err(ConfigError::new("key_set", "does not go with `private_jwk`: one key signs"));
            }
            (None, None) => return Err(ConfigError::new("", "one of `key_set` and `private_jwk` is needed")),
        };
        Ok(Self { source, form })
    }

    /// The key that signs now, if one may.
    pub(super) fn current(&self) -> Result<Option<Issuing>, PluginError> {
        match &self.source {
            Source::Own(issuing) => Ok(Some(issuing.clone())),
            Source::Set { set, frame, told } => {
                let Some(key) = set.active() else {
                    tell(set, told);
                    return Ok(None);
                };
                let known = frame.load_full();
                if let Some(known) = known.as_ref().filter(|known| known.is_of(&key)) {
                    return Ok(Some(Issuing::new(key, Arc::clone(known))));
                }
                let renewed = self.form.of_key_of_set(&key, known.as_deref())?;
                frame.store(Some(Arc::clone(&renewed)));
                Ok(Some(Issuing::new(key, renewed)))
            }
        }
    }
}

/// Verifiers must find the key as long as a token lives that it signed last.
fn outlived_by_its_key(expires_in: u32, set: &KeySet) -> Result<(), ConfigError> {
    let expires_in = u64::from(expires_in);
    match &set.overlap {
        Some(overlap) if expires_in > overlap.longest_token => {
            let (name, longest, needed) = (&set.name, overlap.longest_token, expires_in + 1);
            let reason = format!(
                "a token of {expires_in} s would outlive its key, which the key set `{name}` publishes long enough for \
                 {longest} s; raise the set's `retire_after` to {needed}, or lower this"
            );
            Err(ConfigError::new("expires_in", reason))
        }
        _ => Ok(()),
    }
}

fn tell(set: &KeySet, told: &AtomicU64) {
    let (now, last) = (clock::now(), told.load(Relaxed));
    if now.abs_diff(last) >= TELL_EVERY && told.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
        tracing::error!(key_set = &*set.name, "no key of the set may sign now: requests that need a token get 503");
    }
}
