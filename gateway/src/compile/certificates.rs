//! What is presented to clients, and the authorities that plugins and services may trust.

use std::{collections::HashSet, sync::Arc};

use signet_plugin_api::{CaCertificate, CaCertificates, ConfigError};

use super::Problems;
use crate::{
    config::{At, CaCertificateDecl, CertificateDecl, Model, Pem},
    runtime::{CertificateEnd, RouteEntry},
    tls::{Asked, Authority, Certificates, Handshakes, Pair, Presented, Terms, not_after},
};

/// All certificates by their server names. One that is out of date is kept: clients will say so.
pub(super) fn served(declared: &[CertificateDecl], problems: &mut Problems) -> Certificates {
    let mut certificates = Certificates::default();
    for decl in declared.iter().filter(|decl| !decl.cert.is_empty() && !decl.key.is_empty()) {
        match presented(decl, problems) {
            Ok(presented) => {
                decl.snis.iter().for_each(|sni| certificates.insert(&sni.name, Arc::clone(&presented)));
            }
            Err(error) => problems.mistake(&decl.at, error),
        }
    }
    certificates
}

/// All authorities by id. One that is out of date is kept: whoever trusts it finds nothing valid.
pub(super) fn authorities(declared: &[CaCertificateDecl], problems: &mut Problems) -> Arc<CaCertificates> {
    let mut authorities = CaCertificates::new();
    for decl in declared.iter().filter(|decl| !decl.cert.is_empty()) {
        match authority(decl, problems) {
            Ok(authority) => drop(authorities.insert(Arc::clone(&decl.id), Arc::new(authority))),
            Err(error) => problems.mistake(&decl.at, error),
        }
    }
    Arc::new(authorities)
}

/// How clients are met, with who of them is asked for a certificate: those who can reach a plugin that wants one.
pub(super) fn handshakes(
    terms: Option<&Terms>,
    certificates: Certificates,
    routes: &[RouteEntry],
    problems: &mut Problems,
) -> Result<Option<Handshakes>, ()> {
    let Some(terms) = terms else { return Ok(None) };
    let mut asked = Asked::default();
    for entry in routes {
        entry.chain.certificate_requests().for_each(|request| asked.add(&entry.route, request));
    }
    let handshakes = Handshakes::new(terms, certificates, asked);
    handshakes.map(Some).map_err(|error| {
        problems.mistake(&At::root(), ConfigError::new("certificates", format!("OpenSSL refuses: {error}")));
    })
}

/// When the certificates end that clients and upstreams see, and those that others are trusted by. One that nobody uses is
/// left out, and one that was made at start is nobody's to renew.
pub(super) fn ends(model: &Model, terms: Option<&Terms>) -> Vec<CertificateEnd> {
    let mut ends = Vec::new();
    let mut add = |kind, id: &Arc<str>, sni: &str, not_after: Option<i64>| {
        let end = |not_after| CertificateEnd { kind, id: Arc::clone(id), sni: sni.to_owned(), not_after };
        ends.extend(not_after.map(end));
    };
    let clients: HashSet<usize> = model.services.iter().filter_map(|decl| decl.client_certificate).collect();
    for (position, decl) in model.certificates.iter().enumerate() {
        let alternative = decl.alternative.as_ref().and_then(|(cert, _)| not_after(cert.as_bytes()));
        let first = not_after(decl.cert.as_bytes());
        decl.snis.iter().for_each(|sni| add("server", &decl.id, &sni.name, first.into_iter().chain(alternative).min()));
        if clients.contains(&position) {
            add("client", &decl.id, "", first);
        }
    }
    for decl in &model.ca_certificates {
        add("authority", &decl.id, "", not_after(decl.cert.as_bytes()));
    }
    if let Some(terms) = terms.filter(|terms| !terms.self_signed) {
        add("server", &"ssl_cert".into(), "", terms.default.iter().filter_map(Pair::not_after).min());
    }
    ends
}

fn presented(decl: &CertificateDecl, problems: &mut Problems) -> Result<Presented, ConfigError> {
    let mut read = |cert: &Pem, key: &Pem, fields: [&'static str; 2]| {
        let pair = Pair::parse(cert.as_bytes(), key.as_bytes()).map_err(|error| {
            let (field, reason) = error.of(fields);
            ConfigError::new(field, reason)
        })?;
        if let Some(reason) = pair.out_of_date() {
            let [cert, _] = fields;
            problems.warning(&decl.at, ConfigError::new(cert, reason));
        }
        Ok(pair)
    };
    let first = read(&decl.cert, &decl.key, ["cert", "key"])?;
    let Some((cert, key)) = &decl.alternative else { return Ok(Arc::new([first])) };
    let second = read(cert, key, ["cert_alt", "key_alt"])?;
    if first.kind() == second.kind() {
        return Err(ConfigError::new(
            "cert_alt",
            "has the same kind of key as `cert`; one is RSA and the other is not",
        ));
    }
    Ok(Arc::new([first, second]))
}

fn authority(decl: &CaCertificateDecl, problems: &mut Problems) -> Result<CaCertificate, ConfigError> {
    let wrong = |reason| ConfigError::new("cert", reason);
    let authority = Authority::parse(decl.cert.as_bytes()).map_err(wrong)?;
    if decl.digest.as_ref().is_some_and(|digest| *digest != authority.digest()) {
        return Err(ConfigError::new("cert_digest", "is not the SHA-256 of the certificate"));
    }
    if let Some(reason) = authority.out_of_date() {
        problems.warning(&decl.at, wrong(reason));
    }
    Ok(CaCertificate { id: Arc::clone(&decl.id), der: authority.der().map_err(wrong)? })
}
