//! The keys that stand in a file, or in files that it names.

use std::{path::Path, sync::Arc};

use ring::digest::{Context, SHA256};
use signet_keys::{Algorithm, Kid, LoadedKey, PublicKey, Secrets, SetKey, read_key_file};
use signet_plugin_api::ConfigError;
use zeroize::Zeroizing;

use super::Opening;
use crate::config::{KeyDecl, KeyMaterial, KeySetDecl, Secret};

/// Keys that do not change until the file is loaded again.
pub(super) struct Fixed {
    /// Those that can be used.
    pub keys: Vec<Arc<SetKey>>,
    /// Whether those are all.
    pub whole: bool,
    /// What tells them from others: a digest.
    pub content: String,
}

impl Opening<'_> {
    /// The keys that the file has for a set.
    pub(super) fn fixed(&mut self, set: &KeySetDecl, declared: &[KeyDecl]) -> Fixed {
        let mut content = Context::new(&SHA256);
        let mut keys: Vec<Arc<SetKey>> = Vec::with_capacity(declared.len());
        for decl in declared {
            // One that is missing has been told.
            let Some(material) = &decl.material else { continue };
            match self.key(set, decl, material, &mut content) {
                // Those that stand in the file have been compared.
                Ok((key, _)) if decl.kid.is_none() && keys.iter().any(|other| other.kid == key.kid) => {
                    let reason = format!("the same kid as that of another key of the set: `{}`", key.kid);
                    self.problems.mistake(&decl.at, ConfigError::new("", reason));
                }
                Ok((key, remarks)) => {
                    let remarks = remarks.into_iter().map(|remark| ConfigError::new("", remark));
                    remarks.for_each(|remark| self.problems.warning(&decl.at, remark));
                    keys.push(Arc::new(key));
                }
                Err(error) => self.problems.mistake(&decl.at, error),
            }
        }
        let digest = content.finish();
        let content = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Fixed { whole: keys.len() == declared.len(), keys, content }
    }

    /// Keys of no set: they are checked, and nothing uses them.
    pub(super) fn unused(&mut self, declared: &[KeyDecl]) {
        for decl in declared {
            let Some(material) = &decl.material else { continue };
            match self.check_unused(decl, material) {
                Ok(()) => {
                    self.problems.warning(&decl.at, ConfigError::new("", "nothing uses a key that belongs to no set"));
                }
                Err(error) => self.problems.mistake(&decl.at, error),
            }
        }
    }

    fn check_unused(&self, decl: &KeyDecl, material: &KeyMaterial) -> Result<(), ConfigError> {
        let (field, text) = text(material, self.base)?;
        let wrong = |reason: String| ConfigError::new(field, reason);
        match load(material, &text, None) {
            Ok(mut loaded) => {
                same_pair(None, material, &loaded)?;
                adopt(decl, &mut loaded)?;
                loaded.key.signer(self.engine.signing_backend).map(drop).map_err(|error| wrong(error.to_string()))
            }
            // What cannot sign may verify.
            Err(reason) => PublicKey::from_text(&text, None).map(drop).map_err(|_| wrong(reason)),
        }
    }

    fn key(
        &self,
        set: &KeySetDecl,
        decl: &KeyDecl,
        material: &KeyMaterial,
        content: &mut Context,
    ) -> Result<(SetKey, Vec<String>), ConfigError> {
        if let KeyMaterial::Pem { private: None, .. } = material {
            return Err(ConfigError::new("pem", "has no `private_key`: the keys of a set sign"));
        }
        let (field, text) = text(material, self.base)?;
        let wrong = |reason: String| ConfigError::new(field, reason);
        let mut loaded = load(material, &text, set.algorithm).map_err(wrong)?;
        same_pair(set.algorithm, material, &loaded)?;
        adopt(decl, &mut loaded)?;
        let key = SetKey::from_loaded(&loaded, self.engine.signing_backend);
        let key = key.map_err(|error| wrong(error.to_string()))?;
        content.update(format!("{} {key:?} {:?} ", text.len(), key.kid.json()).as_bytes());
        content.update(text.as_bytes());
        Ok((key, loaded.remarks))
    }
}

/// The text of a key, and the field that it is from.
fn text(material: &KeyMaterial, base: &Path) -> Result<(&'static str, Zeroizing<String>), ConfigError> {
    let copy = |secret: &Secret| Zeroizing::new(secret.as_str().to_owned());
    match material {
        KeyMaterial::Jwk(jwk) => Ok(("jwk", copy(jwk))),
        KeyMaterial::Pem { private: Some(private), .. } => Ok(("pem.private_key", copy(private))),
        KeyMaterial::Pem { public: Some(public), .. } => Ok(("pem.public_key", copy(public))),
        KeyMaterial::Pem { .. } => Err(ConfigError::new("pem", "is empty")),
        KeyMaterial::File(path) => {
            let path = base.join(path);
            let text = read_key_file(&path)
                .map_err(|reason| ConfigError::new("file", format!("{}: {reason}", path.display())));
            text.map(|text| ("file", text))
        }
    }
}

fn load(material: &KeyMaterial, text: &str, algorithm: Option<Algorithm>) -> Result<LoadedKey, String> {
    let loaded = match material {
        KeyMaterial::Jwk(_) => LoadedKey::from_jwk(text, Secrets::Decoded),
        KeyMaterial::Pem { .. } => LoadedKey::from_pem(text, algorithm),
        KeyMaterial::File(_) => LoadedKey::from_text(text, algorithm, Secrets::Decoded),
    };
    loaded.map_err(|error| error.to_string())
}

/// Both halves of a PEM belong together.
fn same_pair(algorithm: Option<Algorithm>, material: &KeyMaterial, loaded: &LoadedKey) -> Result<(), ConfigError> {
    let KeyMaterial::Pem { public: Some(public), .. } = material else { return Ok(()) };
    let wrong = |reason: String| ConfigError::new("pem.public_key", reason);
    let public = PublicKey::from_text(public.as_str(), algorithm).map_err(|error| wrong(error.to_string()))?;
    if loaded.key.public().is_some_and(|own| own.thumbprint() == public.key.thumbprint()) {
        return Ok(());
    }
    Err(wrong("is not the public half of `private_key`".to_owned()))
}

/// What the entity says of its key. The key may say it, too, but nothing else.
fn adopt(decl: &KeyDecl, loaded: &mut LoadedKey) -> Result<(), ConfigError> {
    if let Some(kid) = decl.kid.as_deref().map(Kid::new) {
        if let Some(other) = loaded.kid.as_ref().filter(|other| **other != kid) {
            return Err(ConfigError::new("kid", format!("the key itself has the kid {}", other.json())));
        }
        loaded.kid = Some(kid);
    }
    for (field, member, own, given) in [
        ("not_before", "nbf", &mut loaded.not_before, decl.not_before),
        ("not_after", "exp", &mut loaded.not_after, decl.not_after),
    ] {
        match (*own, given) {
            (Some(own), Some(given)) if own != given => {
                return Err(ConfigError::new(field, format!("the key itself says {own} (`{member}`)")));
            }
            (None, Some(_)) => *own = given,
            _ => {}
        }
    }
    Ok(())
}
