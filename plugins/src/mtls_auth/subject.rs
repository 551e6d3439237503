//! What a certificate calls its owner.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use openssl::{
    nid::Nid,
    x509::{GeneralNameRef, X509NameEntryRef, X509NameRef, X509Ref},
};

/// The names in a certificate, as text that cannot be read as anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// The subject in the order of the certificate: `C=US, O=Kong Inc., CN=kong`. Values are escaped as in RFC 4514, 2.4.
    pub(super) in_order: String,
    /// The same as RFC 4514 writes it, in ASCII: `CN=kong,O=Kong Inc.,C=US`.
    pub(super) rfc4514: String,
    /// The first common name.
    pub(super) common_name: Option<String>,
    /// DNS names, mail addresses, URIs and IP addresses of the subject alternative name, in the certificate's order.
    pub(super) alternatives: Vec<String>,
}

impl Subject {
    /// Reads the names of a certificate.
    pub(super) fn of(certificate: &X509Ref) -> Self {
        let name = certificate.subject_name();
        let parts: Vec<String> = name.entries().map(attribute).collect();
        let alternatives = certificate.subject_alt_names();
        let backwards: Vec<String> = parts.iter().rev().map(|part| ascii(part)).collect();
        Self {
            in_order: parts.join(", "),
            rfc4514: backwards.join(","),
            common_name: common_name(name),
            alternatives: alternatives.iter().flatten().filter_map(alternative).collect(),
        }
    }

    /// The names under which a consumer is looked for: the alternatives, then the common name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.alternatives.iter().chain(&self.common_name).map(String::as_str)
    }
}

fn common_name(name: &X509NameRef) -> Option<String> {
    let first = name.entries_by_nid(Nid::COMMONNAME).next()?.data().to_string().ok()?;
    is_name(&first).then_some(first)
}

/// `CN=kong`: the short name of the type, or its number, and the value.
fn attribute(entry: &X509NameEntryRef) -> String {
    let kind = entry.object();
    let mut out = match kind.nid() {
        Nid::UNDEF => kind.to_string(),
        known => known.short_name().map_or_else(|_| kind.to_string(), ToOwned::to_owned),
    };
    out.push('=');
    match entry.data().to_string() {
        Ok(value) => escape(&value, &mut out),
        Err(_) => {
            out.push('#');
            entry.data().as_slice().iter().for_each(|byte| hex(*byte, &mut out));
        }
    }
    out
}

/// RFC 4514, 2.4; control characters by their number, so that nothing in a value looks like the start of another.
fn escape(value: &str, out: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', character]),
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            control if control.is_control() => escape_bytes(control, out),
            other => out.push(other),
        }
    }
}

fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() { out.push(character) } else { escape_bytes(character, &mut out) }
    }
    out
}

fn escape_bytes(character: char, out: &mut String) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        out.push('\\');
        hex(byte, out);
    }
}

fn hex(byte: u8, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{byte:02X}");
}

fn alternative(name: &GeneralNameRef) -> Option<String> {
    let text = name.dnsname().or_else(|| name.email()).or_else(|| name.uri());
    let text = text.map(ToOwned::to_owned).or_else(|| name.ipaddress().and_then(address).map(|ip| ip.to_string()))?;
    is_name(&text).then_some(text)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into())).ok()
}
