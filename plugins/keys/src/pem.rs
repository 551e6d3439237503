//! Keys in PEM form: PKCS#8, and the older forms that OpenSSL writes.

use openssl::{
    pkey::{PKey, PKeyRef, Private, Public},
    rsa::Rsa,
    x509::X509,
};

use crate::{
    Algorithm, KeyError, PrivateKey,
    kind::Kind,
    private::{Material, library},
    rsa,
};

const BEGIN: &str = "-----BEGIN ";

/// Whether there is PEM in a text.
pub(crate) fn is_pem(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Whether there is a private key in it.
pub(crate) fn is_private(text: &str) -> bool {
    labels(text).any(|label| label.ends_with("PRIVATE KEY"))
}

/// The one private key of a PEM text. Certificates beside it are not looked at.
pub(crate) fn private_key(text: &str, algorithm: Option<Algorithm>) -> Result<PrivateKey, KeyError> {
    let mut keys = labels(text).filter(|label| label.ends_with("PRIVATE KEY"));
    let label = keys.next().ok_or_else(|| without_private_key(text))?;
    if keys.next().is_some() {
        return Err(KeyError::new("more than one private key; one is needed"));
    }
    if label.starts_with("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::new("the private key is encrypted; one without a passphrase is needed"));
    }
    // Without this callback OpenSSL would ask the terminal for a passphrase.
    let key = PKey::private_key_from_pem_callback(text.as_bytes(), |_| Ok(0))
        .map_err(|_| KeyError::new("not a private key in PEM that can be read"))?;
    let kind = Kind::of_key(&key)?;
    check(&key, kind)?;
    PrivateKey::new(kind.algorithm(algorithm)?, Material::Pair(key))
}

/// The one public key of a PEM text, or that of a certificate.
pub(crate) fn public_key(text: &str) -> Result<(PKey<Public>, Kind), KeyError> {
    let mut labels = labels(text);
    let label = labels.next().unwrap_or_default();
    if labels.next().is_some() {
        return Err(KeyError::new("more than one key or certificate; one is needed"));
    }
    let text = text.as_bytes();
    let key = match label {
        "PUBLIC KEY" => PKey::public_key_from_pem(text),
        "RSA PUBLIC KEY" => Rsa::public_key_from_pem_pkcs1(text).and_then(PKey::from_rsa),
        "CERTIFICATE" => X509::from_pem(text).and_then(|certificate| certificate.public_key()),
        other => return Err(KeyError::new(format!("`{other}` is not a form of keys"))),
    };
    let key = key.map_err(|_| KeyError::new(format!("not a {label} in PEM that can be read")))?;
    let kind = Kind::of_key(&key)?;
    match kind {
        Kind::Rsa => key.rsa().map_err(library).and_then(|key| rsa::check_public(key.n(), key.e()))?,
        Kind::Curve(_) => key.ec_key().and_then(|key| key.check_key()).map_err(|_| not_of_curve())?,
        Kind::Ed25519 | Kind::Secret => {}
    }
    Ok((key, kind))
}

fn check(key: &PKeyRef<Private>, kind: Kind) -> Result<(), KeyError> {
    match kind {
        Kind::Rsa => rsa::check_private(&*key.rsa().map_err(library)?),
        Kind::Curve(_) => key.ec_key().and_then(|key| key.check_key()).map_err(|_| {
            KeyError::new("its parts do not belong together: the point is not that of the private number")
        }),
        Kind::Ed25519 | Kind::Secret => Ok(()),
    }
}

fn without_private_key(text: &str) -> KeyError {
    match labels(text).next() {
        None => KeyError::new("not PEM"),
        Some("PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE") => {
            KeyError::new("this is the public half of a key; signing needs the private key")
        }
        Some(_) => KeyError::new("there is no private key in it"),
    }
}

fn not_of_curve() -> KeyError {
    KeyError::new("its point is not one of its curve")
}

/// What the text claims to contain, but for the parameters that OpenSSL puts in front of EC keys.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let labels = text.lines().filter_map(|line| line.trim().strip_prefix(BEGIN)?.strip_suffix("-----"));
    labels.filter(|label| *label != "EC PARAMETERS")
}
