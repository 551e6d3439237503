//! How the parts of a compact JSON Web Signature are written (RFC 7515, 3.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Appends a part of a token: base64url without padding.
pub(crate) fn append_part(part: &[u8], token: &mut Vec<u8>) {
    let start = token.len();
    token.resize(start + encoded_len(part.len()), 0);
    if let Some(place) = token.get_mut(start..) {
        // The place is exactly as long as it has to be.
        let _ = URL_SAFE_NO_PAD.encode_slice(part, place);
    }
}

/// How many characters [`append_part`] appends for so many octets.
pub(crate) const fn encoded_len(octets: usize) -> usize {
    (octets * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_fills_the_length_that_is_known_beforehand() {
        for octets in 0..100 {
            let part = vec![0xA5; octets];
            let mut text = b"earlier.".to_vec();
            append_part(&part, &mut text);
            assert_eq!(text, format!("earlier.{}", URL_SAFE_NO_PAD.encode(&part)).into_bytes());
        }
    }
}
