//! Authorities with what leads to their root, and the servers and clients that they vouch for.

use crate::{Certificate, Issued};

/// Who signs certificates.
#[derive(Debug, Clone)]
pub struct Authority {
    issued: Issued,
    /// The certificates between it and a root, its own first; a root has none.
    chain: String,
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Leaf(Certificate);

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
        Self { issued: Certificate::authority(name).self_signed(), chain: String::new() }
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let issued = Certificate::authority(name).issued_by(&self.issued);
        let chain = format!("{}{}", issued.cert, self.chain);
        Self { issued, chain }
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.issued.cert
    }

    /// Signs a certificate.
    pub fn issue(&self, leaf: &Leaf) -> Identity {
        let issued = leaf.0.issued_by(&self.issued);
        Identity { chain: format!("{}{}", issued.cert, self.chain), key: issued.key }
    }
}

impl Leaf {
    /// A server of these names, valid today.
    pub fn server(dns: &[&str]) -> Self {
        let server = Certificate::named("a server").usages(&["serverAuth"]);
        Self(dns.iter().fold(server, |server, name| server.dns(name)))
    }

    /// A client of this common name, valid today.
    pub fn client(name: &str) -> Self {
        Self(Certificate::named(name).usages(&["clientAuth"]))
    }

    /// The same at an address, too.
    #[must_use]
    pub fn at(self, ip: &str) -> Self {
        Self(self.0.ip(ip))
    }

    /// The same at another time, in days from now.
    #[must_use]
    pub fn valid(self, from: i64, to: i64) -> Self {
        Self(self.0.days(from, to))
    }

    /// The same for these extended key usages.
    #[must_use]
    pub fn usages(self, usages: &[&'static str]) -> Self {
        Self(self.0.usages(usages))
    }
}
