//! `signet keys generate`: a new private key, to standard output or into a file of its owner.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::ValueEnum;
use signet_keys::{Algorithm, Kid, Labels, PrivateKey};

use super::{
    super::say,
    algorithm,
    files::{Trouble, write},
};

/// Bits of an RSA key when nobody says.
const RSA_BITS: u32 = 2048;

/// What `signet keys generate` is told.
#[derive(clap::Args)]
#[command(after_help = "    signet keys generate --alg ES256 --out key.jwk\n    signet keys jwks key.jwk")]
pub(in crate::cli) struct Arguments {
    /// RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384 or HS512
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    alg: Algorithm,
    /// Bits of an RSA key, a multiple of 512 from 2048 to 8192 [default: 2048]
    #[arg(long, value_name = "N")]
    bits: Option<u32>,
    /// Its name; without it, its thumbprint (RFC 7638)
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// A file to make, for its owner only, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// PEM has no place for the algorithm and the name
    #[arg(long, value_name = "FORMAT", default_value = "jwk")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON Web Key
    Jwk,
    /// PKCS#8
    Pem,
}

/// Makes the key and writes it.
pub(super) fn run(arguments: Arguments) -> Result<(), Trouble> {
    let Arguments { alg, bits, kid, out, format } = arguments;
    if bits.is_some() && !is_rsa(alg) {
        return Err(Trouble::Key(format!("--bits is for RSA; the size of a key for {} is fixed", alg.as_str())));
    }
    if format == Format::Pem {
        if kid.is_some() {
            return Err(Trouble::Key("--kid has no place in PEM".to_owned()));
        }
        if alg.is_symmetric() {
            return Err(Trouble::Key(format!("a shared secret, as {} needs it, has no PEM form", alg.as_str())));
        }
    }
    let wrong = |error: signet_keys::KeyError| Trouble::Key(error.to_string());
    let key = PrivateKey::generate(alg, bits.unwrap_or(RSA_BITS)).map_err(wrong)?;
    let kid = kid.map_or_else(|| Kid::new(&key.thumbprint()), |kid| Kid::new(&kid));
    let text = match format {
        Format::Jwk => key.to_jwk(&Labels { kid: Some(kid.clone()), issued_at: now(), ..Labels::default() }),
        Format::Pem => key.to_pem(),
    };
    write(&text.map_err(wrong)?, out.as_deref())?;
    if let Some(path) = out {
        say(format_args!("{}: {}, kid {kid}", path.display(), alg.as_str()));
    }
    Ok(())
}

fn is_rsa(algorithm: Algorithm) -> bool {
    algorithm.as_str().starts_with(['R', 'P'])
}

fn now() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|passed| passed.as_secs())
}
