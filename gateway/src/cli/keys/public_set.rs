//! `signet keys jwks`: the public halves of keys as one set.

use std::path::{Path, PathBuf};

use signet_keys::{Algorithm, Kid, PublicKey, jwk_set};

use super::{
    algorithm,
    files::{Trouble, read, write},
};

/// What `signet keys jwks` is told.
#[derive(clap::Args)]
#[command(
    after_help = "A private key gives its public half; nothing private is ever printed. A key without a name gets \
                        its thumbprint (RFC 7638)."
)]
pub(in crate::cli) struct Arguments {
    /// Files with a JWK, a set of them (JWKS), or PEM, private or public; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The algorithm of keys in PEM, which does not say it [default: RS256, ES256, ES384 or EdDSA, by the type]
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    alg: Option<Algorithm>,
}

/// Prints the set, the keys in the order of the files.
pub(super) fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let mut keys: Vec<(PublicKey, Kid, &Path)> = Vec::new();
    for path in &arguments.files {
        let text = read(path)?;
        let read = PublicKey::all_from_text(&text, arguments.alg);
        for loaded in read.map_err(|error| Trouble::with_key(path, &error))? {
            let kid = loaded.kid.unwrap_or_else(|| Kid::new(&loaded.key.thumbprint()));
            // Texts are compared: many verifiers take 7 and "7" for one name.
            if let Some((.., other)) = keys.iter().find(|(_, taken, _)| taken.text() == kid.text()) {
                let (path, other) = (path.display(), other.display());
                return Err(Trouble::Key(format!("{path}: the kid `{kid}` is that of a key of {other}, too")));
            }
            keys.push((loaded.key, kid, path));
        }
    }
    write(&jwk_set(keys.iter().map(|(key, kid, _)| (key, kid))), None)
}
