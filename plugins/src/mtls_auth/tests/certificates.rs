//! Certificates for the tests, each made when it is asked for.

use std::sync::Arc;

use openssl::{
    asn1::{Asn1Object, Asn1OctetString, Asn1Time},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    sha::{Sha256, sha256},
    x509::{
        X509, X509Builder, X509Extension, X509NameBuilder,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier},
    },
};
use signet_plugin_api::{CaCertificate, CertificateChain, ClientCertificate};

/// A certificate with its key.
pub(super) struct Pair {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
}

/// What a certificate shall say; the default is a client's, valid from yesterday until tomorrow.
#[derive(Clone)]
pub(super) struct Wanted<'a> {
    /// Names and values of the subject, in their order.
    pub(super) subject: &'a [(&'a str, &'a str)],
    pub(super) alternatives: &'a [Name<'a>],
    /// Days from now.
    pub(super) valid: (i64, i64),
    pub(super) authority: bool,
    /// Whether an authority may sign revocation lists.
    pub(super) signs_lists: bool,
    /// `clientAuth`, `serverAuth`, or none of them.
    pub(super) usages: &'a [&'a str],
    /// Its responder: a short `http://` address.
    pub(super) responder: Option<&'a str>,
    pub(super) rsa_bits: Option<u32>,
    pub(super) digest: MessageDigest,
}

/// A subject alternative name.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
    Dns(&'a str),
    Mail(&'a str),
    Uri(&'a str),
    Ip(&'a str),
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            subject: &[("CN", "alice")],
            alternatives: &[],
            valid: (-1, 1),
            authority: false,
            signs_lists: true,
            usages: &["clientAuth"],
            responder: None,
            rsa_bits: None,
            digest: MessageDigest::sha256(),
        }
    }
}

impl Wanted<'_> {
    /// An authority by this name.
    pub(super) fn authority() -> Self {
        Self { subject: &[("O", "Test"), ("CN", "Root")], authority: true, usages: &[], ..Self::default() }
    }

    /// Signed by its own key.
    pub(super) fn self_signed(&self) -> Pair {
        let key = self.key();
        Pair { certificate: self.build(&key, None), key }
    }

    /// Signed by another.
    pub(super) fn signed_by(&self, issuer: &Pair) -> Pair {
        let key = self.key();
        Pair { certificate: self.build(&key, Some(issuer)), key }
    }

    fn key(&self) -> PKey<Private> {
        match self.rsa_bits {
            Some(bits) => PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key"),
            None => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
                PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
            }
        }
    }

    fn build(&self, key: &PKey<Private>, issuer: Option<&Pair>) -> X509 {
        let mut builder = X509Builder::new().expect("a builder");
        let mut subject = X509NameBuilder::new().expect("a name");
        for (name, value) in self.subject {
            subject.append_entry_by_text(name, value).expect("a name");
        }
        let subject = subject.build();
        let mut serial = BigNum::new().expect("a number");
        serial.rand(120, MsbOption::MAYBE_ZERO, false).expect("a number");
        builder.set_version(2).expect("version 3");
        builder.set_serial_number(&serial.to_asn1_integer().expect("a number")).expect("a serial number");
        builder.set_subject_name(&subject).expect("a subject");
        builder.set_issuer_name(issuer.map_or(&subject, |pair| pair.certificate.subject_name())).expect("an issuer");
        builder.set_pubkey(key).expect("a key");
        let (from, until) = self.valid;
        builder.set_not_before(&days(from)).expect("a time");
        builder.set_not_after(&days(until)).expect("a time");
        for extension in self.extensions(&builder, issuer) {
            builder.append_extension(extension).expect("an extension");
        }
        builder.sign(issuer.map_or(key, |pair| &pair.key), self.digest).expect("a signature");
        builder.build()
    }

    fn extensions(&self, builder: &X509Builder, issuer: Option<&Pair>) -> Vec<X509Extension> {
        let mut all = Vec::new();
        if self.authority {
            all.push(BasicConstraints::new().critical().ca().build().expect("an extension"));
            let mut usage = KeyUsage::new();
            usage.critical().key_cert_sign();
            if self.signs_lists {
                usage.crl_sign();
            }
            all.push(usage.build().expect("an extension"));
            all.push(SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).expect("an extension"));
        }
        let mut usages = ExtendedKeyUsage::new();
        for usage in self.usages {
            usages.other(usage);
        }
        if !self.usages.is_empty() {
            all.push(usages.build().expect("an extension"));
        }
        let mut names = SubjectAlternativeName::new();
        for name in self.alternatives {
            match name {
                Name::Dns(name) => names.dns(name),
                Name::Mail(name) => names.email(name),
                Name::Uri(name) => names.uri(name),
                Name::Ip(name) => names.ip(name),
            };
        }
        if !self.alternatives.is_empty() {
            let issuer = issuer.map(|pair| &*pair.certificate);
            all.push(names.build(&builder.x509v3_context(issuer, None)).expect("an extension"));
        }
        all.extend(self.responder.map(responder));
        all
    }
}

impl Pair {
    /// As the client's certificate of a connection, followed by these.
    pub(super) fn sent(&self, intermediates: &[&Pair]) -> ClientCertificate {
        let leaf = self.der();
        let intermediates: Vec<_> = intermediates.iter().map(|pair| pair.der()).collect();
        let mut digest = Sha256::new();
        std::iter::once(&leaf).chain(&intermediates).for_each(|der| digest.update(der));
        ClientCertificate::Sent(Arc::new(CertificateChain {
            leaf: leaf.into(),
            intermediates: intermediates.into_iter().map(Into::into).collect(),
            digest: digest.finish(),
        }))
    }

    /// As an authority of a file.
    pub(super) fn authority(&self, id: &str) -> Arc<CaCertificate> {
        Arc::new(CaCertificate { id: id.into(), der: self.der().into() })
    }

    /// As text for a file.
    pub(super) fn pem(&self) -> String {
        String::from_utf8(self.certificate.to_pem().expect("PEM")).expect("ASCII")
    }

    /// SHA-256.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.der())
    }

    fn der(&self) -> Vec<u8> {
        self.certificate.to_der().expect("DER")
    }
}

/// An authority information access (RFC 5280, 4.2.2.1) with one OCSP responder.
fn responder(url: &str) -> X509Extension {
    let wrapped = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).expect("short")], content].concat();
    let ocsp = wrapped(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1]);
    let access = wrapped(0x30, &[ocsp, wrapped(0x86, url.as_bytes())].concat());
    let octets = Asn1OctetString::new_from_bytes(&wrapped(0x30, &access)).expect("octets");
    let kind = Asn1Object::from_str("1.3.6.1.5.5.7.1.1").expect("a number");
    X509Extension::new_from_der(&kind, false, &octets).expect("an extension")
}

/// A moment, in days from now.
pub(super) fn days(from_now: i64) -> Asn1Time {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let then = i64::try_from(now).expect("before the end of time") + from_now * 24 * 60 * 60;
    Asn1Time::from_unix(then).expect("a time")
}
