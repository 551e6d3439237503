//! Authorities and certificates of one test, made when they are needed.

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rand::rand_bytes,
    x509::{
        X509, X509Builder, X509Name, X509NameRef,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName},
    },
};

/// Who signs certificates.
#[derive(Debug, Clone)]
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
    /// The certificates between it and a root, its own first; a root has none.
    chain: Vec<X509>,
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The common name.
    pub name: String,
    /// Names of servers.
    pub dns: Vec<String>,
    /// Addresses of servers.
    pub ips: Vec<String>,
    /// From how many days from now to how many it is valid.
    pub days: (i64, i64),
    /// For servers; otherwise for clients.
    pub server: bool,
}

/// A certificate with its chain and its key, PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, then what leads to the root.
    pub chain: String,
    /// The private key, PKCS #8.
    pub key: String,
}

impl Authority {
    /// A root.
    pub fn root(name: &str) -> Self {
        let key = key();
        let certificate = certificate(&named(name), (-1, 30), &key, None, |builder| {
            let constraints = BasicConstraints::new().critical().ca().build().expect("constraints");
            builder.append_extension(constraints).expect("an extension");
        });
        Self { certificate, key, chain: Vec::new() }
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = key();
        let certificate = certificate(&named(name), (-1, 30), &key, Some(self), |builder| {
            let constraints = BasicConstraints::new().critical().ca().build().expect("constraints");
            let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().expect("a usage");
            builder.append_extension(constraints).expect("an extension");
            builder.append_extension(usage).expect("an extension");
        });
        let chain = [vec![certificate.clone()], self.chain.clone()].concat();
        Self { certificate, key, chain }
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> String {
        pem(&self.certificate)
    }

    /// Signs a certificate.
    pub fn issue(&self, leaf: &Leaf) -> Identity {
        let key = key();
        let certificate = certificate(&named(&leaf.name), leaf.days, &key, Some(self), |builder| {
            let mut usage = ExtendedKeyUsage::new();
            if leaf.server {
                usage.server_auth()
            } else {
                usage.client_auth()
            };
            builder.append_extension(usage.build().expect("a usage")).expect("an extension");
            if leaf.dns.is_empty() && leaf.ips.is_empty() {
                return;
            }
            let mut names = SubjectAlternativeName::new();
            for name in &leaf.dns {
                names.dns(name);
            }
            for ip in &leaf.ips {
                names.ip(ip);
            }
            let names = names.build(&builder.x509v3_context(None, None)).expect("names");
            builder.append_extension(names).expect("an extension");
        });
        let chain = std::iter::once(&certificate).chain(&self.chain).map(pem).collect();
        let key = key.private_key_to_pem_pkcs8().expect("PEM");
        Identity { chain, key: String::from_utf8(key).expect("text") }
    }
}

impl Leaf {
    /// A server of these names, valid today.
    pub fn server(dns: &[&str]) -> Self {
        let dns: Vec<String> = dns.iter().map(|name| (*name).to_owned()).collect();
        Self { name: "a server".to_owned(), dns, ips: Vec::new(), days: (-1, 30), server: true }
    }

    /// A client of this common name, valid today.
    pub fn client(name: &str) -> Self {
        Self { name: name.to_owned(), dns: Vec::new(), ips: Vec::new(), days: (-1, 30), server: false }
    }

    /// The same at an address, too.
    #[must_use]
    pub fn at(mut self, ip: &str) -> Self {
        self.ips.push(ip.to_owned());
        self
    }

    /// The same at another time, in days from now.
    #[must_use]
    pub fn valid(mut self, from: i64, to: i64) -> Self {
        self.days = (from, to);
        self
    }
}

fn certificate(
    subject: &X509NameRef,
    days: (i64, i64),
    key: &PKey<Private>,
    issuer: Option<&Authority>,
    extend: impl FnOnce(&mut X509Builder),
) -> X509 {
    let mut builder = X509::builder().expect("a builder");
    let mut serial = [0; 16];
    rand_bytes(&mut serial).expect("randomness");
    let serial = BigNum::from_slice(&serial).and_then(|number| Asn1Integer::from_bn(&number)).expect("a serial");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let day = |days: i64| Asn1Time::from_unix(i64::try_from(now).expect("a time") + days * 86_400).expect("a time");
    builder.set_version(2).expect("version 3");
    builder.set_serial_number(&serial).expect("a serial");
    builder.set_subject_name(subject).expect("a subject");
    builder.set_issuer_name(issuer.map_or(subject, |issuer| issuer.certificate.subject_name())).expect("an issuer");
    builder.set_not_before(&day(days.0)).expect("a beginning");
    builder.set_not_after(&day(days.1)).expect("an end");
    builder.set_pubkey(key).expect("a key");
    extend(&mut builder);
    builder.sign(issuer.map_or(key, |issuer| &issuer.key), MessageDigest::sha256()).expect("a signature");
    builder.build()
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn named(name: &str) -> X509Name {
    let mut builder = X509Name::builder().expect("a name");
    builder.append_entry_by_nid(Nid::COMMONNAME, name).expect("a common name");
    builder.build()
}

fn pem(certificate: &X509) -> String {
    String::from_utf8(certificate.to_pem().expect("PEM")).expect("text")
}
