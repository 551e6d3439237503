//! base64 as clients and operators write it: padded or not, and with bits behind the last octet, as Kong takes it.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes base64; what comes out may be a secret.
pub(crate) fn base64(text: impl AsRef<[u8]>) -> Option<Zeroizing<Vec<u8>>> {
    BASE64.decode(text).ok().map(Zeroizing::new)
}

/// Decodes base64 or base64url, even a mixture.
pub(crate) fn either_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    base64(Zeroizing::new(text.iter().map(standard).collect::<Vec<u8>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_spare_bits_and_the_alphabet_make_no_difference() {
        for text in ["+/8=", "+/8", "-_8", "+_9"] {
            assert_eq!(either_base64(text.as_bytes()).as_deref(), Some(&vec![0xfb, 0xff]), "{text}");
        }
        assert_eq!(base64("+/8").as_deref(), Some(&vec![0xfb, 0xff]));
        assert_eq!((base64("-_8"), base64("a"), base64("a b="), either_base64(b"a.b=")), (None, None, None, None));
    }
}
