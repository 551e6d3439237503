//! Which revocation lists count, and what they say.

use openssl::{
    asn1::{Asn1Object, Asn1OctetString},
    hash::MessageDigest,
    x509::{X509Crl, X509CrlBuilder, X509Extension, X509Revoked, X509RevokedBuilder},
};

use super::certificates::{Pair, Wanted, days};
use crate::mtls_auth::revocation::{
    Standing,
    list::{List, Useless},
};

/// A list of what `revoked` says, valid from and until so many days from now.
fn list(issuer: &Pair, revoked: &[&Pair], valid: (i64, i64), critical: bool) -> X509Crl {
    let mut builder = X509CrlBuilder::new().expect("a builder");
    builder.set_issuer_name(issuer.certificate.subject_name()).expect("an issuer");
    builder.set_last_update(&days(valid.0)).expect("a time");
    builder.set_next_update(&days(valid.1)).expect("a time");
    let identifier = issuer.certificate.subject_key_id().expect("an identifier").as_slice().to_vec();
    let identifier = [&[0x30, 0x16, 0x80, 0x14][..], &identifier].concat();
    builder.append_extension(extension("2.5.29.35", false, &identifier)).expect("an extension");
    builder.append_extension(extension("2.5.29.20", false, &[2, 1, 1])).expect("an extension");
    if critical {
        // An issuing distribution point: certificates of authorities only.
        builder.append_extension(extension("2.5.29.28", true, &[0x30, 3, 0x82, 1, 0xff])).expect("an extension");
    }
    for pair in revoked {
        builder.add_revoked(entry(pair)).expect("an entry");
    }
    builder.sign(&issuer.key, MessageDigest::sha256()).expect("a signature");
    builder.build().expect("a list")
}

fn entry(pair: &Pair) -> X509Revoked {
    let mut builder = X509RevokedBuilder::new().expect("a builder");
    builder.set_serial_number(pair.certificate.serial_number()).expect("a number");
    builder.set_revocation_date(&days(-1)).expect("a time");
    builder.build()
}

fn extension(oid: &str, critical: bool, der: &[u8]) -> X509Extension {
    let oid = Asn1Object::from_str(oid).expect("an identifier");
    X509Extension::new_from_der(&oid, critical, &Asn1OctetString::new_from_bytes(der).expect("octets")).expect("DER")
}

fn standing(list: &X509Crl, pair: &Pair, issuer: &Pair) -> Result<Standing, Useless> {
    List::read(&list.to_der().expect("DER"), &issuer.certificate)?.standing(&pair.certificate)
}

#[test]
fn a_list_says_who_was_revoked() {
    let root = Wanted::authority().self_signed();
    let (good, bad) = (Wanted::default().signed_by(&root), Wanted::default().signed_by(&root));
    let list = list(&root, &[&bad], (-1, 1), false);
    assert_eq!(standing(&list, &good, &root).expect("a list"), Standing::Good);
    assert_eq!(standing(&list, &bad, &root).expect("a list"), Standing::Revoked);
    let pem = list.to_pem().expect("PEM");
    let read = List::read(&pem, &root.certificate).expect("a list");
    assert_eq!(read.standing(&bad.certificate).expect("a list"), Standing::Revoked);
}

#[test]
fn a_list_of_another_or_for_another_time_does_not_count() {
    let root = Wanted::authority().self_signed();
    let alice = Wanted::default().signed_by(&root);
    let same_name = Wanted::authority().self_signed();
    let subject = [("CN", "Other")];
    let other = Wanted { subject: &subject, ..Wanted::authority() }.self_signed();
    let refused = |list: &X509Crl, issuer: &Pair| standing(list, &alice, issuer).expect_err("a refusal");
    assert!(matches!(refused(&list(&other, &[&alice], (-1, 1), false), &root), Useless::NotTheIssuer));
    assert!(matches!(refused(&list(&same_name, &[&alice], (-1, 1), false), &root), Useless::Signature));
    assert!(matches!(refused(&list(&root, &[&alice], (-2, -1), false), &root), Useless::OutOfDate));
    assert!(matches!(refused(&list(&root, &[&alice], (1, 2), false), &root), Useless::OutOfDate));
    assert!(matches!(refused(&list(&root, &[&alice], (-1, 1), true), &root), Useless::Special));
    let no_lists = Wanted { signs_lists: false, ..Wanted::authority() }.self_signed();
    assert!(matches!(refused(&list(&no_lists, &[&alice], (-1, 1), false), &no_lists), Useless::NotTheIssuer));
    assert!(matches!(List::read(b"<html>", &root.certificate), Err(Useless::Unreadable(_))));
}
