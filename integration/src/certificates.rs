//! Certificates of every kind, made for one test.

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::{
    asn1::{Asn1Integer, Asn1Object, Asn1OctetString, Asn1Time},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Extension, X509Name,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName},
    },
};

/// A certificate to be. ECDSA, valid since yesterday and for a month, for clients and servers alike, unless said otherwise.
#[derive(Debug, Clone)]
pub struct Certificate {
    name: Vec<(&'static str, String)>,
    names: Vec<(Kind, String)>,
    days: (i64, i64),
    authority: bool,
    rsa: bool,
    usages: Vec<&'static str>,
    responder: Option<String>,
    list: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Dns,
    Email,
    Uri,
    Ip,
}

/// A certificate with its key, PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate; what issued it does not follow.
    pub cert: String,
    /// Its key.
    pub key: String,
    parsed: X509,
    private: PKey<Private>,
}

impl Certificate {
    /// With this common name (CN) in its subject.
    pub fn named(common_name: &str) -> Self {
        Self {
            name: vec![("CN", common_name.to_owned())],
            names: Vec::new(),
            days: (-1, 30),
            authority: false,
            rsa: false,
            usages: vec!["serverAuth", "clientAuth"],
            responder: None,
            list: None,
        }
    }

    /// Of an authority.
    pub fn authority(common_name: &str) -> Self {
        Self { authority: true, usages: Vec::new(), ..Self::named(common_name) }
    }

    /// One more part of the subject, before those that are there: `("O", "Example")`.
    #[must_use]
    pub fn subject(mut self, key: &'static str, value: &str) -> Self {
        self.name.insert(0, (key, value.to_owned()));
        self
    }

    /// A subject without any part.
    #[must_use]
    pub fn nameless(mut self) -> Self {
        self.name.clear();
        self
    }

    /// A DNS name among the alternative names; it may have a wildcard.
    #[must_use]
    pub fn dns(self, name: &str) -> Self {
        self.alternative(Kind::Dns, name)
    }

    /// An e-mail address among the alternative names.
    #[must_use]
    pub fn email(self, address: &str) -> Self {
        self.alternative(Kind::Email, address)
    }

    /// A URI among the alternative names.
    #[must_use]
    pub fn uri(self, uri: &str) -> Self {
        self.alternative(Kind::Uri, uri)
    }

    /// An IP address among the alternative names.
    #[must_use]
    pub fn ip(self, address: &str) -> Self {
        self.alternative(Kind::Ip, address)
    }

    /// Valid between these days from now.
    #[must_use]
    pub fn days(mut self, from: i64, to: i64) -> Self {
        self.days = (from, to);
        self
    }

    /// RSA, 2048 bits.
    #[must_use]
    pub fn rsa(mut self) -> Self {
        self.rsa = true;
        self
    }

    /// Extended key usages by their names (`clientAuth`); none leaves the extension out.
    #[must_use]
    pub fn usages(mut self, usages: &[&'static str]) -> Self {
        self.usages = usages.to_vec();
        self
    }

    /// The address of an OCSP responder.
    #[must_use]
    pub fn ocsp(mut self, url: &str) -> Self {
        self.responder = Some(url.to_owned());
        self
    }

    /// The address of a revocation list.
    #[must_use]
    pub fn list(mut self, url: &str) -> Self {
        self.list = Some(url.to_owned());
        self
    }

    /// Signed by its own key.
    pub fn self_signed(&self) -> Issued {
        self.issue(None)
    }

    /// Signed by an authority.
    pub fn issued_by(&self, authority: &Issued) -> Issued {
        self.issue(Some(authority))
    }

    fn alternative(mut self, kind: Kind, name: &str) -> Self {
        self.names.push((kind, name.to_owned()));
        self
    }

    fn issue(&self, issuer: Option<&Issued>) -> Issued {
        let key = self.key();
        let mut name = X509Name::builder().unwrap();
        for (part, value) in &self.name {
            name.append_entry_by_text(part, value).unwrap();
        }
        let name = name.build();
        let mut serial = BigNum::new().unwrap();
        serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&Asn1Integer::from_bn(&serial).unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(issuer.map_or(&*name, |issuer| issuer.parsed.subject_name())).unwrap();
        builder.set_not_before(&day(self.days.0)).unwrap();
        builder.set_not_after(&day(self.days.1)).unwrap();
        builder.set_pubkey(&key).unwrap();
        self.extend(&mut builder, issuer);
        builder.sign(issuer.map_or(&key, |issuer| &issuer.private), MessageDigest::sha256()).unwrap();
        let parsed = builder.build();
        let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
        let (cert, pem) = (text(parsed.to_pem().unwrap()), text(key.private_key_to_pem_pkcs8().unwrap()));
        Issued { cert, key: pem, parsed, private: key }
    }

    fn key(&self) -> PKey<Private> {
        if self.rsa {
            return PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        }
        let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap()
    }

    fn extend(&self, builder: &mut openssl::x509::X509Builder, issuer: Option<&Issued>) {
        if self.authority {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
            let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap();
            builder.append_extension(usage).unwrap();
        } else {
            builder.append_extension(BasicConstraints::new().build().unwrap()).unwrap();
        }
        if !self.usages.is_empty() {
            let mut usage = ExtendedKeyUsage::new();
            for name in &self.usages {
                usage.other(name);
            }
            builder.append_extension(usage.build().unwrap()).unwrap();
        }
        if let Some(url) = &self.responder {
            let ocsp = [6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
            let access = der(0x30, &[&ocsp[..], &der(0x86, url.as_bytes())].concat());
            builder.append_extension(extension("1.3.6.1.5.5.7.1.1", &der(0x30, &access))).unwrap();
        }
        if let Some(url) = &self.list {
            let point = der(0x30, &der(0xa0, &der(0xa0, &der(0x86, url.as_bytes()))));
            builder.append_extension(extension("2.5.29.31", &der(0x30, &point))).unwrap();
        }
        if !self.names.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for (kind, name) in &self.names {
                match kind {
                    Kind::Dns => names.dns(name),
                    Kind::Email => names.email(name),
                    Kind::Uri => names.uri(name),
                    Kind::Ip => names.ip(name),
                };
            }
            let context = builder.x509v3_context(issuer.map(|issuer| &*issuer.parsed), None);
            let names = names.build(&context).unwrap();
            builder.append_extension(names).unwrap();
        }
    }
}

impl Issued {
    /// `cert: |` and `key: |` as members of YAML that stand this many columns in.
    pub fn yaml(&self, column: usize) -> String {
        format!("{}{}", block("cert", &self.cert, column), block("key", &self.key, column))
    }

    /// `cert: |` alone.
    pub fn cert_yaml(&self, column: usize) -> String {
        block("cert", &self.cert, column)
    }

    /// The certificate with what leads to its authority.
    pub fn with_chain(&self, chain: &[&Self]) -> String {
        let rest = chain.iter().map(|issued| issued.cert.as_str());
        std::iter::once(self.cert.as_str()).chain(rest).collect()
    }

    /// DER of the certificate.
    pub fn der(&self) -> Vec<u8> {
        self.parsed.to_der().unwrap()
    }
}

/// A value of up to 127 octets.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).ok().filter(|length| *length < 128).expect("a short value");
    [&[tag, length], value].concat()
}

fn extension(oid: &str, der: &[u8]) -> X509Extension {
    let oid = Asn1Object::from_str(oid).unwrap();
    X509Extension::new_from_der(&oid, false, &Asn1OctetString::new_from_bytes(der).unwrap()).unwrap()
}

fn block(key: &str, text: &str, column: usize) -> String {
    let lines = text.lines().map(|line| format!("{:width$}{line}\n", "", width = column + 2));
    std::iter::once(format!("{:column$}{key}: |\n", "")).chain(lines).collect()
}

fn day(days: i64) -> Asn1Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Asn1Time::from_unix(now as i64 + days * 86_400).unwrap()
}
