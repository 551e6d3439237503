//! Certificates and private keys out of PEM, as far checked as they can be without a client.

use bytes::Bytes;
use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{Id, PKey, Private},
    ssl::{SslContext, SslMethod},
    x509::{X509, X509Ref},
};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A certificate with its intermediates and its key.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The certificate itself.
    pub leaf: X509,
    /// Those that lead to its authority, in their order.
    pub intermediates: Vec<X509>,
    /// Of the certificate itself.
    pub key: PKey<Private>,
}

/// Which half of a pair is wrong, and how. Never holds a part of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PairError {
    /// The certificate.
    Cert(String),
    /// The key.
    Key(String),
}

/// A certificate that may sign others.
#[derive(Debug, Clone)]
pub(crate) struct Authority(X509);

impl Pair {
    /// Reads both; the key must be that of the first certificate.
    ///
    /// # Errors
    /// When one of them cannot be read, or when they do not belong together.
    pub(crate) fn parse(cert: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let mut certificates = certificates(cert).map_err(PairError::Cert)?;
        presentable(&certificates).map_err(PairError::Cert)?;
        let leaf = certificates.remove(0);
        // Without this callback OpenSSL would ask the terminal for a passphrase.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0))
            .map_err(|_| PairError::Key("expected a private key in PEM, without a passphrase".to_owned()))?;
        match leaf.public_key() {
            Ok(public) if public.public_eq(&key) => Ok(Self { leaf, intermediates: certificates, key }),
            Ok(_) => Err(PairError::Key("is not the key of the certificate".to_owned())),
            Err(error) => Err(PairError::Cert(format!("its public key cannot be used: {}", reason(&error)))),
        }
    }

    /// The kind of its key: two pairs for one name must have different ones.
    pub(crate) fn kind(&self) -> Id {
        self.key.id()
    }

    /// Until when it is valid, in seconds since 1970.
    pub(crate) fn not_after(&self) -> Option<i64> {
        seconds(self.leaf.not_after())
    }

    /// Why clients will refuse it today, if they will.
    pub(crate) fn out_of_date(&self) -> Option<String> {
        out_of_date(&self.leaf)
    }
}

impl PairError {
    /// The field that it concerns, of two such fields, and what is wrong with it.
    pub(crate) fn of(self, [cert, key]: [&'static str; 2]) -> (&'static str, String) {
        match self {
            Self::Cert(reason) => (cert, reason),
            Self::Key(reason) => (key, reason),
        }
    }
}

impl Authority {
    /// Reads exactly one certificate, which must be an authority's (RFC 5280, 4.2.1.9).
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn parse(cert: &[u8]) -> Result<Self, String> {
        let mut certificates = certificates(cert)?;
        if certificates.len() > 1 {
            return Err("expected one certificate alone; each authority is an entity of its own".to_owned());
        }
        let certificate = certificates.remove(0);
        if !is_authority(&certificate) {
            return Err("is not the certificate of an authority: it has no basic constraint `CA:TRUE`".to_owned());
        }
        Ok(Self(certificate))
    }

    /// The certificate.
    ///
    /// # Errors
    /// Only when memory is short.
    pub(crate) fn der(&self) -> Result<Bytes, String> {
        self.0.to_der().map(Bytes::from).map_err(|error| reason(&error))
    }

    /// SHA-256 in lower-case hexadecimal, as Kong's `cert_digest`.
    pub(crate) fn digest(&self) -> String {
        let digest = self.0.digest(MessageDigest::sha256()).map(|digest| digest.to_vec()).unwrap_or_default();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Why nothing that it signed is valid today, if that is so.
    pub(crate) fn out_of_date(&self) -> Option<String> {
        out_of_date(&self.0)
    }
}

/// Until when the first certificate of a text is valid, in seconds since 1970; none when it cannot be read.
pub(crate) fn not_after(pem: &[u8]) -> Option<i64> {
    seconds(X509::from_pem(pem).ok()?.not_after())
}

fn seconds(time: &Asn1TimeRef) -> Option<i64> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    Some(i64::from(since.days) * 86_400 + i64::from(since.secs))
}

/// At least one.
fn certificates(pem: &[u8]) -> Result<Vec<X509>, String> {
    let expected = "expected a certificate in PEM (`-----BEGIN CERTIFICATE-----`)";
    let begun = pem.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    if begun == 0 {
        return Err(expected.to_owned());
    }
    match X509::stack_from_pem(pem) {
        // The parser stops at what it does not understand.
        Ok(certificates) if certificates.len() == begun => Ok(certificates),
        Ok(_) => Err(format!("{expected}; one of several cannot be read")),
        Err(error) => Err(format!("{expected}: {}", reason(&error))),
    }
}

/// Whether the library would present these in a handshake: it refuses short keys and old digests.
fn presentable(certificates: &[X509]) -> Result<(), String> {
    let mut scratch = SslContext::builder(SslMethod::tls_server()).map_err(|error| reason(&error))?;
    certificates.iter().try_for_each(|certificate| {
        scratch.set_certificate(certificate).map_err(|error| format!("cannot be presented: {}", reason(&error)))
    })
}

/// The library tells no more of basic constraints than their text, which it writes itself.
fn is_authority(certificate: &X509Ref) -> bool {
    let text = certificate.to_text().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("X509v3 Basic Constraints:"));
    lines.nth(1).is_some_and(|line| line.starts_with("CA:TRUE"))
}

fn out_of_date(certificate: &X509Ref) -> Option<String> {
    let now = Asn1Time::days_from_now(0).ok()?;
    if certificate.not_after() < now {
        return Some(format!("expired on {}", certificate.not_after()));
    }
    (certificate.not_before() > now).then(|| format!("is not valid before {}", certificate.not_before()))
}

fn reason(error: &ErrorStack) -> String {
    error.errors().first().and_then(|error| error.reason()).unwrap_or("cannot be read").to_owned()
}

#[cfg(test)]
mod tests {
    use openssl::{
        asn1::Asn1Integer,
        bn::BigNum,
        ec::{EcGroup, EcKey},
        nid::Nid,
        rsa::Rsa,
        symm::Cipher,
        x509::{X509Name, extension::BasicConstraints},
    };

    use super::*;

    fn ecdsa() -> PKey<Private> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
        PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
    }

    /// A self-signed certificate that is valid between these days from now.
    fn certificate(key: &PKey<Private>, from: i64, to: i64, authority: bool) -> Vec<u8> {
        let mut name = X509Name::builder().expect("a name");
        name.append_entry_by_text("CN", "X509v3 Basic Constraints: CA:TRUE").expect("an entry");
        let name = name.build();
        let mut builder = X509::builder().expect("a builder");
        let day = |days: i64| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
            Asn1Time::from_unix(i64::try_from(now).expect("a time") + days * 86_400).expect("a time")
        };
        builder.set_version(2).expect("set");
        builder.set_serial_number(&Asn1Integer::from_bn(&BigNum::from_u32(1).expect("1")).expect("1")).expect("set");
        builder.set_subject_name(&name).expect("set");
        builder.set_issuer_name(&name).expect("set");
        builder.set_not_before(&day(from)).expect("set");
        builder.set_not_after(&day(to)).expect("set");
        builder.set_pubkey(key).expect("set");
        if authority {
            builder.append_extension(BasicConstraints::new().critical().ca().build().expect("built")).expect("set");
        }
        builder.sign(key, MessageDigest::sha256()).expect("signed");
        builder.build().to_pem().expect("PEM")
    }

    fn pem(key: &PKey<Private>) -> Vec<u8> {
        key.private_key_to_pem_pkcs8().expect("PEM")
    }

    #[test]
    fn a_certificate_its_intermediates_and_its_key_make_a_pair() {
        let (key, other) = (ecdsa(), ecdsa());
        let chain = [certificate(&key, -1, 9, false), certificate(&other, -1, 9, true)].concat();
        let pair = Pair::parse(&chain, &pem(&key)).expect("a pair");
        assert_eq!((pair.intermediates.len(), pair.kind(), pair.out_of_date()), (1, Id::EC, None));
        let swapped = Pair::parse(&chain, &pem(&other)).expect_err("the key of another");
        assert_eq!(swapped, PairError::Key("is not the key of the certificate".into()));
    }

    #[test]
    fn what_is_no_pair_is_told() {
        let key = ecdsa();
        let cert = certificate(&key, -1, 9, false);
        let locked = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret").expect("PEM");
        for (cert, key, wrong) in [
            (&b""[..], &pem(&key)[..], "Cert(\"expected a certificate in PEM"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &pem(&key), "Cert(\"expected a cert"),
            (&[&cert[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n"].concat(), &pem(&key), "bad end line"),
            (&cert, b"", "Key(\"expected a private key"),
            (&cert, &cert, "Key(\"expected a private key"),
            (&cert, &locked, "without a passphrase"),
        ] {
            let error = format!("{:?}", Pair::parse(cert, key).expect_err("a mistake"));
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_key_that_no_handshake_would_use_is_told() {
        let key = PKey::from_rsa(Rsa::generate(1024).expect("a key")).expect("a key");
        let error = Pair::parse(&certificate(&key, -1, 9, false), &pem(&key)).expect_err("a short key");
        assert_eq!(error, PairError::Cert("cannot be presented: ee key too small".into()));
    }

    #[test]
    fn an_authority_is_one_certificate_that_says_so() {
        let key = ecdsa();
        let (authority, other) = (certificate(&key, -1, 9, true), certificate(&key, -1, 9, false));
        let parsed = Authority::parse(&authority).expect("an authority");
        assert_eq!((parsed.digest().len(), parsed.out_of_date()), (64, None));
        assert!(Authority::parse(&other).expect_err("no authority").contains("no basic constraint"));
        assert!(Authority::parse(&authority.repeat(2)).expect_err("two").contains("one certificate alone"));
    }

    #[test]
    fn what_is_out_of_date_is_told() {
        let key = ecdsa();
        let told = |from, to| {
            let pair = Pair::parse(&certificate(&key, from, to, false), &pem(&key)).expect("a pair");
            pair.out_of_date().unwrap_or_default().split(" on ").next().map(str::to_owned)
        };
        assert_eq!(told(-2, -1).as_deref(), Some("expired"));
        assert!(told(1, 2).is_some_and(|reason| reason.starts_with("is not valid before")));
    }
}
