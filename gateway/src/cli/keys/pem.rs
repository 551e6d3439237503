//! `signet keys pem`: a JWK as PEM, and PEM as a JWK.

use std::path::PathBuf;

use signet_keys::{Algorithm, AnyKey, Form, KeyError, Kid, Labels, LoadedKey, LoadedPublicKey, PublicKey, Secrets};
use zeroize::Zeroizing;

use super::{
    algorithm,
    files::{Trouble, read, write},
};

/// What `signet keys pem` is told.
#[derive(clap::Args)]
#[command(after_help = "The name of a JWK made from PEM is its thumbprint (RFC 7638).\n\n    \
                        signet keys pem --public key.jwk     # what Kong's jwt_secrets want as rsa_public_key")]
pub(in crate::cli) struct Arguments {
    /// A JWK or PEM, private or public; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only the public half
    #[arg(long)]
    public: bool,
    /// The algorithm of a key in PEM, which does not say it [default: RS256, ES256, ES384 or EdDSA, by the type]
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    alg: Option<Algorithm>,
    /// A file to make, for its owner only, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints the same key in the other form.
pub(super) fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let text = read(&arguments.file)?;
    let other = other_form(&text, arguments).map_err(|error| Trouble::with_key(&arguments.file, &error))?;
    write(&other, arguments.out.as_deref())
}

fn other_form(text: &str, arguments: &Arguments) -> Result<Zeroizing<String>, KeyError> {
    let form = Form::of(text)?;
    let read = if arguments.public {
        PublicKey::from_text(text, arguments.alg).map(AnyKey::Public)
    } else {
        AnyKey::from_text(text, arguments.alg, Secrets::AsTheyStand)
    };
    match (read?, form) {
        (AnyKey::Private(LoadedKey { key, .. }), Form::Jwk) => key.to_pem(),
        (AnyKey::Private(loaded), Form::Pem) => {
            let kid = Some(loaded.kid_or_thumbprint());
            loaded.key.to_jwk(&Labels { kid, ..Labels::default() })
        }
        (AnyKey::Public(LoadedPublicKey { key, .. }), Form::Jwk) => key.to_pem().map(Zeroizing::new),
        (AnyKey::Public(LoadedPublicKey { key, .. }), Form::Pem) => {
            Ok(Zeroizing::new(key.to_jwk(&Kid::new(&key.thumbprint()))))
        }
    }
}
