//! How TLS listeners speak: certificates of the process, versions, ciphers.

use std::{fmt, path::PathBuf};

use openssl::ssl::{SslContext, SslMethod};

use super::{OwnTls, source::Source};

/// The settings of all TLS listeners.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsSettings {
    /// `ssl_cert`: for server names that the declarative file has no certificate for. None: one is made at start.
    pub certificates: Vec<PemSource>,
    /// `ssl_cert_key`: one for each of them.
    pub keys: Vec<PemSource>,
    /// `ssl_cipher_suite`.
    pub suite: CipherSuite,
    /// `ssl_protocols`, as far as the suite has them; at least one.
    pub versions: Vec<TlsVersion>,
}

/// Where a PEM text is. It may be a private key.
#[derive(Clone, PartialEq, Eq)]
pub enum PemSource {
    /// In a file.
    File(PathBuf),
    /// In the setting itself.
    Text(String),
}

/// Mozilla's recommendations for servers, version 5, by Kong's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CipherSuite {
    /// TLS 1.3 alone.
    Modern,
    /// TLS 1.2 with forward secrecy, and 1.3.
    #[default]
    Intermediate,
    /// Everything since TLS 1.0, for clients of another age.
    Old,
    /// `ssl_ciphers`: OpenSSL's names for TLS 1.2.
    Custom(String),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TlsVersion {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
}

/// By the names of `ssl_protocols`.
const VERSIONS: [(&str, TlsVersion); 4] = [
    ("TLSv1", TlsVersion::V1_0),
    ("TLSv1.1", TlsVersion::V1_1),
    ("TLSv1.2", TlsVersion::V1_2),
    ("TLSv1.3", TlsVersion::V1_3),
];

/// What a PEM text begins with when it is written in base64 once more.
const BASE64_PEM: &str = "LS0tLS1CRUdJTi";

pub(super) fn decode(source: &mut Source) -> TlsSettings {
    let (certificates, keys) = pairs(source, "ssl_cert", "ssl_cert_key");
    let ciphers = source.value("ssl_ciphers", ciphers);
    let suite = source.whole_list("ssl_cipher_suite", |items| suite(items, ciphers.as_deref())).unwrap_or_default();
    if ciphers.is_some() && !matches!(suite, CipherSuite::Custom(_)) {
        source.contradicts("ssl_ciphers", "counts only with `ssl_cipher_suite: custom`");
    }
    let versions = source.whole_list("ssl_protocols", |items| versions(items, &suite));
    let versions = versions.unwrap_or_else(|| suite.versions().to_vec());
    TlsSettings { certificates, keys, suite, versions }
}

/// The certificates of a listener that has its own, and the authorities of its clients.
pub(super) fn own(
    source: &mut Source,
    cert: &'static str,
    key: &'static str,
    client_ca: Option<&'static str>,
) -> OwnTls {
    let (certificates, keys) = pairs(source, cert, key);
    let client_authorities = client_ca.and_then(|setting| source.list(setting, pem)).unwrap_or_default();
    OwnTls { certificates, keys, client_authorities }
}

/// Certificates and their keys, as many of one as of the other.
fn pairs(source: &mut Source, cert: &'static str, key: &'static str) -> (Vec<PemSource>, Vec<PemSource>) {
    let certificates = source.list(cert, pem).unwrap_or_default();
    let expected = certificates.len();
    if expected > 0 && !source.has(key) {
        source.contradicts(key, &format!("`{cert}` needs its keys"));
    }
    let keys = source.whole_list(key, |items| {
        let keys: Vec<PemSource> = items.iter().filter_map(|item| pem(item).ok()).collect();
        match keys.len() == expected {
            true => Ok(keys),
            false => Err(format!("expected one key for each certificate: there are {expected} in `{cert}`")),
        }
    });
    (certificates, keys.unwrap_or_default())
}

impl CipherSuite {
    /// The versions that it is made for.
    pub fn versions(&self) -> &'static [TlsVersion] {
        use TlsVersion::{V1_0, V1_1, V1_2, V1_3};
        match self {
            Self::Modern => &[V1_3],
            Self::Intermediate | Self::Custom(_) => &[V1_2, V1_3],
            Self::Old => &[V1_0, V1_1, V1_2, V1_3],
        }
    }
}

impl fmt::Debug for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

/// A path, a text, or a text in base64, as in Kong. Never fails: a reason would quote the key.
fn pem(text: &str) -> Result<PemSource, String> {
    if text.starts_with("-----BEGIN") {
        return Ok(PemSource::Text(text.to_owned()));
    }
    let compact = || text.split_whitespace().collect::<String>();
    let decoded = text.starts_with(BASE64_PEM).then(|| openssl::base64::decode_block(&compact()).ok()).flatten();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(decoded.map_or_else(|| PemSource::File(text.into()), PemSource::Text))
}

fn suite(items: &[String], ciphers: Option<&str>) -> Result<CipherSuite, String> {
    match items.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["modern"] => Ok(CipherSuite::Modern),
        [] | ["intermediate"] => Ok(CipherSuite::Intermediate),
        ["old"] => Ok(CipherSuite::Old),
        ["custom"] => match ciphers {
            Some(ciphers) => Ok(CipherSuite::Custom(ciphers.to_owned())),
            None => Err("`custom` needs `ssl_ciphers`".to_owned()),
        },
        ["fips"] => Err("`fips` is not implemented".to_owned()),
        _ => Err("expected modern, intermediate, old or custom".to_owned()),
    }
}

fn ciphers(text: &str) -> Result<String, String> {
    let known = SslContext::builder(SslMethod::tls_server()).and_then(|mut context| context.set_cipher_list(text));
    known.map(|()| text.to_owned()).map_err(|_| "expected OpenSSL's names of ciphers, with `:` between them".to_owned())
}

/// As in Kong, the suite decides; here a list cannot ask for more than the suite has without being told.
fn versions(items: &[String], suite: &CipherSuite) -> Result<Vec<TlsVersion>, String> {
    let mut versions = Vec::new();
    for word in items.iter().flat_map(|item| item.split_whitespace()) {
        let Some((_, version)) = VERSIONS.iter().find(|(name, _)| *name == word) else {
            return Err(format!("unknown version `{word}`; expected TLSv1.2 and TLSv1.3"));
        };
        if matches!(version, TlsVersion::V1_0 | TlsVersion::V1_1) && *suite != CipherSuite::Old {
            return Err(format!("`{word}` is not safe; only `ssl_cipher_suite: old` has it"));
        }
        if suite.versions().contains(version) && !versions.contains(version) {
            versions.push(*version);
        }
    }
    match (versions.is_empty(), items.is_empty()) {
        (true, false) => Err("`ssl_cipher_suite` has none of these".to_owned()),
        (true, true) => Ok(suite.versions().to_vec()),
        (false, _) => Ok(versions),
    }
}
