//! Certificate revocation lists (RFC 5280, 5): when one counts, and for whom.

use std::cmp::Ordering;

use der::{Class, Decode, Reader, SliceReader, Tag, Tagged, asn1::AnyRef};
use openssl::{
    asn1::Asn1Time,
    error::ErrorStack,
    x509::{CrlStatus, X509, X509Crl, X509KeyUsage, X509Ref},
};

use super::Standing;

/// A list that an issuer signed.
pub(in crate::mtls_auth) struct List(X509Crl);

/// Why a list does not count, for the log.
#[derive(Debug, thiserror::Error)]
pub(in crate::mtls_auth) enum Useless {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] ErrorStack),
    #[error("it cannot be read: {0}")]
    Der(#[from] der::Error),
    #[error("it has a critical extension, such as a delta list's or a partial one's")]
    Special,
    #[error("it is another issuer's")]
    NotTheIssuer,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is not valid now")]
    OutOfDate,
}

impl List {
    /// Reads DER or PEM, and checks that `issuer` signed it for all of its certificates. Takes long for a long list.
    pub(in crate::mtls_auth) fn read(bytes: &[u8], issuer: &X509Ref) -> Result<Self, Useless> {
        let list = if bytes.starts_with(b"-----BEGIN") { X509Crl::from_pem(bytes)? } else { X509Crl::from_der(bytes)? };
        if list.issuer_name().try_cmp(issuer.subject_name())? != Ordering::Equal || !may_sign_lists(issuer) {
            return Err(Useless::NotTheIssuer);
        }
        let key = issuer.public_key()?;
        if !list.verify(&key)? {
            return Err(Useless::Signature);
        }
        if has_critical_extension(&list.to_der()?)? {
            return Err(Useless::Special);
        }
        // The first look-up sorts the list: here and not on the thread of a request.
        let _ = list.get_by_serial(issuer.serial_number());
        Ok(Self(list))
    }

    /// Whether its time has come and is not over.
    pub(in crate::mtls_auth) fn is_current(&self) -> bool {
        let Ok(now) = Asn1Time::days_from_now(0) else { return false };
        self.0.next_update().is_some_and(|next| *next > now) && *self.0.last_update() <= now
    }

    /// What it says of a certificate of its issuer.
    pub(in crate::mtls_auth) fn standing(&self, certificate: &X509) -> Result<Standing, Useless> {
        if !self.is_current() {
            return Err(Useless::OutOfDate);
        }
        Ok(match self.0.get_by_cert(certificate) {
            CrlStatus::NotRevoked | CrlStatus::RemoveFromCrl(_) => Standing::Good,
            CrlStatus::Revoked(_) => Standing::Revoked,
        })
    }
}

fn may_sign_lists(issuer: &X509Ref) -> bool {
    issuer.key_usage().is_none_or(|usage| usage.contains(X509KeyUsage::CRL_SIGN))
}

/// Whether one of the `crlExtensions` (RFC 5280, 5.1) is critical. OpenSSL's crate does not show those that it does not know.
fn has_critical_extension(list: &[u8]) -> Result<bool, der::Error> {
    let list = AnyRef::from_der(list)?;
    let signed = AnyRef::decode(&mut SliceReader::new(list.value())?)?;
    let mut extensions = None;
    each(signed.value(), |part| {
        if part.tag().class() == Class::ContextSpecific {
            extensions = Some(part);
        }
        Ok(())
    })?;
    let Some(extensions) = extensions else { return Ok(false) };
    let mut critical = false;
    each(AnyRef::from_der(extensions.value())?.value(), |extension| {
        // Of a number, a flag and the value: the flag stands there only to say that it is critical.
        each(extension.value(), |part| {
            critical |= part.tag() == Tag::Boolean;
            Ok(())
        })
    })?;
    Ok(critical)
}

fn each<'d>(der: &'d [u8], mut visit: impl FnMut(AnyRef<'d>) -> Result<(), der::Error>) -> Result<(), der::Error> {
    let mut reader = SliceReader::new(der)?;
    while !reader.is_finished() {
        visit(AnyRef::decode(&mut reader)?)?;
    }
    Ok(())
}
