//! What the settings say about every handshake.

use std::{fs, sync::Arc};

use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    ssl::{SslAcceptor, SslAcceptorBuilder, SslMethod, SslMode, SslOptions},
    x509::{X509, X509Name, extension::SubjectAlternativeName},
};

use super::{Pair, Presented};
use crate::settings::{CipherSuite, PemSource, TlsSettings, TlsVersion};

/// Mozilla's list for the suite `old` (version 5.7), as far as OpenSSL still has it.
const OLD: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
    ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
    DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA256:\
    ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:\
    ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256:\
    DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA";

/// How long the certificate of a process that has none of its own is valid: longer than the process lives.
const SELF_SIGNED_DAYS: u32 = 365;

/// The settings of TLS listeners, read and checked.
#[derive(Debug)]
pub(crate) struct Terms {
    suite: CipherSuite,
    versions: Vec<TlsVersion>,
    /// For names that the declarative file has no certificate for.
    pub default: Presented,
    /// That one was made just now, and no client has reason to believe it.
    pub self_signed: bool,
}

impl Terms {
    /// Reads the certificates of the settings; makes one if there is none.
    ///
    /// # Errors
    /// `setting: what is wrong`.
    pub(crate) fn load(settings: &TlsSettings) -> Result<Self, String> {
        let TlsSettings { certificates, keys, suite, versions } = settings;
        let mut pairs: Vec<Pair> = Vec::with_capacity(certificates.len());
        for (cert, key) in certificates.iter().zip(keys) {
            let (cert, key) = (read("ssl_cert", cert)?, read("ssl_cert_key", key)?);
            let pair = Pair::parse(cert.as_bytes(), key.as_bytes()).map_err(|error| {
                let (setting, reason) = error.of(["ssl_cert", "ssl_cert_key"]);
                format!("{setting}: {reason}")
            })?;
            if pairs.iter().any(|other| other.kind() == pair.kind()) {
                return Err(
                    "ssl_cert: two certificates have the same kind of key; one is RSA and the other is not".into()
                );
            }
            pairs.push(pair);
        }
        let self_signed = pairs.is_empty();
        if self_signed {
            pairs.push(made_now().map_err(|error| format!("cannot make a certificate: {error}"))?);
        }
        Ok(Self { suite: suite.clone(), versions: versions.clone(), default: Arc::from(pairs), self_signed })
    }

    /// An acceptor to be: versions, ciphers and what is always so.
    ///
    /// # Errors
    /// When OpenSSL refuses.
    pub(crate) fn acceptor(&self) -> Result<SslAcceptorBuilder, ErrorStack> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        match &self.suite {
            CipherSuite::Modern | CipherSuite::Intermediate => {}
            CipherSuite::Custom(ciphers) => builder.set_cipher_list(ciphers)?,
            CipherSuite::Old => {
                // TLS before 1.2 signs with SHA-1, which every higher level forbids.
                builder.set_security_level(0);
                builder.set_cipher_list(OLD)?;
                builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
            }
        }
        for (version, option) in [
            (TlsVersion::V1_0, SslOptions::NO_TLSV1),
            (TlsVersion::V1_1, SslOptions::NO_TLSV1_1),
            (TlsVersion::V1_2, SslOptions::NO_TLSV1_2),
            (TlsVersion::V1_3, SslOptions::NO_TLSV1_3),
        ] {
            if self.versions.contains(&version) {
                builder.clear_options(option)
            } else {
                builder.set_options(option)
            };
        }
        builder.set_options(SslOptions::NO_RENEGOTIATION);
        // One system call reads a whole record, and an idle connection holds no buffer.
        builder.set_read_ahead(true);
        builder.set_mode(SslMode::RELEASE_BUFFERS);
        Ok(builder)
    }
}

/// The text of a PEM source.
pub(super) fn read(setting: &str, source: &PemSource) -> Result<String, String> {
    match source {
        PemSource::Text(text) => Ok(text.clone()),
        PemSource::File(path) => {
            fs::read_to_string(path).map_err(|error| format!("{setting}: {}: {error}", path.display()))
        }
    }
}

/// A certificate for `localhost` that is signed by its own key.
fn made_now() -> Result<Pair, ErrorStack> {
    let key = PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?;
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(SELF_SIGNED_DAYS)?)?;
    builder.set_pubkey(&key)?;
    let names = SubjectAlternativeName::new().dns("localhost").build(&builder.x509v3_context(None, None))?;
    builder.append_extension(names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(Pair { leaf: builder.build(), intermediates: Vec::new(), key })
}
