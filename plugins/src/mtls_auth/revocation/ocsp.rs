//! OCSP (RFC 6960): what is asked of a responder, and when its answer counts.

use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    ocsp::{OcspCertId, OcspCertStatus, OcspFlag, OcspRequest, OcspResponse, OcspResponseStatus},
    stack::Stack,
    x509::{X509Ref, store::X509StoreRef},
};

use super::Standing;

/// Seconds by which clocks may differ.
const SKEW: u32 = 300;

/// Seconds after which an answer that names no end of its validity is old.
const OLDEST: u32 = 24 * 60 * 60;

/// DER of a request about one certificate.
pub(super) fn question(certificate: &X509Ref, issuer: &X509Ref) -> Result<Vec<u8>, ErrorStack> {
    let mut request = OcspRequest::new()?;
    request.add_id(id(certificate, issuer)?)?;
    request.to_der()
}

/// What an answer says: it must be signed by the issuer, or by somebody whom the issuer made its responder, and be in time.
pub(super) fn read(
    answer: &[u8],
    certificate: &X509Ref,
    issuer: &X509Ref,
    anchors: &X509StoreRef,
) -> Result<Standing, ErrorStack> {
    let response = OcspResponse::from_der(answer)?;
    if response.status() != OcspResponseStatus::SUCCESSFUL {
        return Ok(Standing::Unreachable);
    }
    let basic = response.basic()?;
    let mut known = Stack::new()?;
    known.push(issuer.to_owned())?;
    // The issuer itself is trusted: it stands in a chain that was verified.
    basic.verify(&known, anchors, OcspFlag::TRUST_OTHER)?;
    let Some(status) = basic.find_status(&*id(certificate, issuer)?) else { return Ok(Standing::Unreachable) };
    let oldest = status.next_update().is_none().then_some(OLDEST);
    status.check_validity(SKEW, oldest)?;
    Ok(match status.status {
        OcspCertStatus::GOOD => Standing::Good,
        OcspCertStatus::REVOKED => Standing::Revoked,
        _ => Standing::Unknown,
    })
}

/// By SHA-1, which every responder knows; the identifier is no security.
fn id(certificate: &X509Ref, issuer: &X509Ref) -> Result<OcspCertId, ErrorStack> {
    OcspCertId::from_cert(MessageDigest::sha1(), certificate, issuer)
}
