//! `signet keys generate`: a new private key, to standard output or into a file of its owner.

use std::path::PathBuf;

use clap::ValueEnum;
use signet_keys::{Algorithm, Kid, Labels, PrivateKey};

use super::{
    super::say,
    algorithm,
    files::{Trouble, write},
};
use crate::moment;

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
    #[arg(long, value_name = "KID", value_parser = kid)]
    kid: Option<String>,
    /// From when it signs: seconds since 1970 or 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_before: Option<u64>,
    /// Until when it signs, if no other key replaces it before
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_after: Option<u64>,
    /// A file to make, for its owner only, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// PEM has no place for the algorithm, the name and the times
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
    if let Some(reason) = unusable(&arguments) {
        return Err(Trouble::Key(reason));
    }
    let Arguments { alg, bits, kid, not_before, not_after, out, format } = arguments;
    let wrong = |error: signet_keys::KeyError| Trouble::Key(error.to_string());
    let key = PrivateKey::generate(alg, bits.unwrap_or(RSA_BITS)).map_err(wrong)?;
    let kid = kid.map_or_else(|| Kid::new(&key.thumbprint()), |kid| Kid::new(&kid));
    let text = match format {
        Format::Jwk => {
            key.to_jwk(&Labels { kid: Some(kid.clone()), issued_at: Some(moment::now()), not_before, not_after })
        }
        Format::Pem => key.to_pem(),
    };
    write(&text.map_err(wrong)?, out.as_deref())?;
    if let Some(path) = out {
        say(format_args!("{}: {}, kid {kid}", path.display(), alg.as_str()));
    }
    Ok(())
}

/// Why these do not go together.
fn unusable(arguments: &Arguments) -> Option<String> {
    let name = arguments.alg.as_str();
    if arguments.bits.is_some() && !is_rsa(arguments.alg) {
        return Some(format!("--bits is for RSA; the size of a key for {name} is fixed"));
    }
    if arguments.not_before.zip(arguments.not_after).is_some_and(|(before, after)| after <= before) {
        return Some("--not-after must be later than --not-before".to_owned());
    }
    if arguments.format == Format::Jwk {
        return None;
    }
    if arguments.kid.is_some() || arguments.not_before.is_some() || arguments.not_after.is_some() {
        return Some("--kid, --not-before and --not-after have no place in PEM".to_owned());
    }
    arguments.alg.is_symmetric().then(|| format!("a shared secret, as {name} needs it, has no PEM form"))
}

fn is_rsa(algorithm: Algorithm) -> bool {
    algorithm.as_str().starts_with(['R', 'P'])
}

fn kid(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("expected a text without control characters");
    }
    Ok(text.to_owned())
}

fn moment(text: &str) -> Result<u64, &'static str> {
    let seconds = text.parse().ok().or_else(|| moment::parse(text));
    seconds.ok_or("expected seconds since 1970, or a time such as 2026-01-31T08:00:00Z")
}
