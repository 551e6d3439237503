//! Certificates with their server names, and the authorities that plugins and services may trust.

use std::sync::Arc;

use serde_yaml::Value;

use super::{At, CaCertificateDecl, CertificateDecl, Pem, SniDecl, checks, draft::Draft, fields::Fields};

impl Draft<'_> {
    /// Reads all of them, before anything that may refer to them.
    pub(super) fn all_certificates(&mut self, top: &mut Fields<'_>) {
        let [certificates, authorities] =
            ["certificates", "ca_certificates"].map(|collection| top.entities(collection));
        for (at, value) in certificates {
            self.certificate(at, value);
        }
        for (at, value) in authorities {
            self.ca_certificate(at, value);
        }
        for (certificate, at, value) in std::mem::take(&mut self.waiting_snis) {
            self.sni(at, value, Some(certificate));
        }
        for (at, value) in top.entities("snis") {
            self.sni(at, value, None);
        }
    }

    fn certificate(&mut self, at: At, value: Value) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let snis = fields.entities("snis");
        let given = fields.id();
        let [cert, key, cert_alt, key_alt] =
            ["cert", "key", "cert_alt", "key_alt"].map(|field| pem(&mut fields, field));
        for (field, there) in [("cert", cert.is_some()), ("key", key.is_some())] {
            required(&fields, field, there);
        }
        if cert_alt.is_some() != key_alt.is_some() {
            fields.wrong("cert_alt", "`cert_alt` and `key_alt` stand together, or neither does");
        }
        // Kong rolls dice. The text of a certificate is public, and as good a name as any.
        let id = self.certificates.id(given, None, || cert.as_ref().map_or_else(String::new, Pem::compact));
        let added = self.certificates.add(&fields, None, &id);
        let id = if added.unique { id } else { self.certificates.stand_in(&fields.at) };
        self.waiting_snis.extend(snis.into_iter().map(|(at, value)| (added.position, at, value)));
        let stamp = fields.stamp();
        let at = fields.at.clone();
        fields.finish();
        let empty = Pem::default;
        let alternative = cert_alt.zip(key_alt);
        let (cert, key) = (cert.unwrap_or_else(empty), key.unwrap_or_else(empty));
        self.model.certificates.push(CertificateDecl { id, cert, key, alternative, snis: Vec::new(), stamp, at });
    }

    /// The name of a certificate, when all certificates are known.
    fn sni(&mut self, at: At, value: Value, nested: Option<usize>) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let owner = self.certificates.refer(&mut fields, nested);
        if matches!(owner, Ok(None)) {
            fields.cx.notes.mistake(fields.at.clone(), "a server name needs a `certificate`");
        }
        let given = fields.id();
        let has_name = fields.has("name");
        // Names of servers have no case.
        let name = fields.checked("name", checks::server_name).map(|name| Arc::from(checks::plain_name(&name)));
        if name.is_none() && !has_name {
            fields.cx.notes.mistake(fields.at.clone(), "a server name needs a `name`");
        }
        let id = self.snis.id(given, name.as_deref(), || fields.content());
        let unique = self.snis.add(&fields, name.as_ref(), &id).unique;
        let stamp = fields.stamp();
        let at = fields.at.clone();
        fields.finish();
        let owner = owner.ok().flatten().and_then(|position| self.model.certificates.get_mut(position));
        if let (Some(owner), Some(name), true) = (owner, name, unique) {
            owner.snis.push(SniDecl { id, name, stamp, at });
        }
    }

    fn ca_certificate(&mut self, at: At, value: Value) {
        let Some(mut fields) = Fields::open(self.cx, at, value) else { return };
        let given = fields.id();
        let cert = pem(&mut fields, "cert");
        required(&fields, "cert", cert.is_some());
        let digest = fields.text("cert_digest").map(|digest| digest.to_ascii_lowercase());
        let id = self.ca_certificates.id(given, None, || cert.as_ref().map_or_else(String::new, Pem::compact));
        let added = self.ca_certificates.add(&fields, None, &id);
        let id = if added.unique { id } else { self.ca_certificates.stand_in(&fields.at) };
        let stamp = fields.stamp();
        let at = fields.at.clone();
        fields.finish();
        self.model.ca_certificates.push(CaCertificateDecl { id, cert: cert.unwrap_or_default(), digest, stamp, at });
    }
}

/// A PEM text; one that is wrong has been reported, and is empty.
fn pem(fields: &mut Fields<'_>, key: &'static str) -> Option<Pem> {
    fields.has(key).then(|| {
        let filled = |text: &str| if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(()) };
        Pem::new(fields.checked(key, filled).unwrap_or_default())
    })
}

fn required(fields: &Fields<'_>, key: &'static str, there: bool) {
    if !there {
        fields.cx.notes.mistake(fields.at.clone(), format!("`{key}` is missing"));
    }
}
