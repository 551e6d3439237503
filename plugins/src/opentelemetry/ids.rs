//! The ids of traces and spans: random, or read from what a caller sent.

use uuid::Uuid;

/// The id of a trace. Never all zeros, which says that there is none (W3C Trace Context, 3.2.2.3).
pub(super) type TraceId = Id<16>;

/// The id of a span, never all zeros either.
pub(super) type SpanId = Id<8>;

/// An id, in the order in which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id<const N: usize>([u8; N]);

impl<const N: usize> Id<N> {
    /// From at most twice `N` hexadecimal digits; what is missing are zeros in front.
    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        if digits.is_empty() || digits.len() > 2 * N {
            return None;
        }
        let mut bytes = [0; N];
        for (at, digit) in digits.bytes().rev().enumerate() {
            let digit = char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())?;
            // From the end: the first digit of a byte is its lower half.
            *bytes.iter_mut().rev().nth(at / 2)? |= if at % 2 == 0 { digit } else { digit << 4 };
        }
        Self::of(bytes)
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The last 8 bytes as a number, as some write it.
    pub(super) fn number(&self) -> u64 {
        self.0.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// Writes it in hexadecimal, all of it or its last `bytes`.
    pub(super) fn write_hex(&self, bytes: usize, to: &mut impl Extend<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        let last = self.0.iter().skip(N.saturating_sub(bytes));
        to.extend(last.flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    }

    fn of(bytes: [u8; N]) -> Option<Self> {
        bytes.iter().any(|byte| *byte != 0).then_some(Self(bytes))
    }
}

impl TraceId {
    /// A new one. `uuid` takes its bits from a generator of the thread's that is fit for keys and asks the system only now
    /// and then: nobody guesses the ids of others, and no request waits for a system call.
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }

    /// The part that is random in the ids of everybody (W3C Trace Context 2, 3.2.2.3), 56 bits of it.
    pub(super) fn randomness(&self) -> u64 {
        self.number() & ((1 << 56) - 1)
    }
}

impl SpanId {
    /// A new one.
    pub(super) fn random() -> Self {
        // Without the bytes that say which kind of UUID it is.
        let [first, .., a, b, c, d, e, f, g] = Uuid::new_v4().into_bytes();
        Self([first, a, b, c, d, e, f, g])
    }

    /// From a number, as some write it.
    pub(super) fn from_number(number: u64) -> Option<Self> {
        Self::of(number.to_be_bytes())
    }
}

impl TraceId {
    /// From a number of 64 bits.
    pub(super) fn from_number(number: u64) -> Option<Self> {
        Self::of(u128::from(number).to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(id: &Id<N>, bytes: usize) -> String {
        let mut text = Vec::new();
        id.write_hex(bytes, &mut text);
        String::from_utf8(text).expect("digits")
    }

    #[test]
    fn digits_come_out_as_they_went_in() {
        let id = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").expect("an id");
        assert_eq!(hex(&id, 16), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(hex(&id, 8), "8448eb211c80319c");
        assert_eq!(id.number(), 0x8448_eb21_1c80_319c);
        assert_eq!(id.randomness(), 0x48_eb21_1c80_319c);
        assert_eq!(hex(&TraceId::from_hex("ABC").expect("an id"), 16), format!("{}abc", "0".repeat(29)));
    }

    #[test]
    fn what_is_no_id_is_none() {
        for digits in ["", "0", "0000000000000000", "xyz", "+1", "12345678901234567", "12 4", "1é"] {
            assert_eq!(SpanId::from_hex(digits), None, "{digits}");
        }
        assert_eq!((SpanId::from_number(0), TraceId::from_number(0)), (None, None));
    }

    #[test]
    fn random_ids_differ_in_every_byte() {
        let ids: Vec<_> = (0..200).map(|_| (*TraceId::random().bytes(), *SpanId::random().bytes())).collect();
        for at in 0..8 {
            let span: std::collections::BTreeSet<u8> = ids.iter().map(|(_, span)| span[at]).collect();
            let trace: std::collections::BTreeSet<u8> = ids.iter().map(|(trace, _)| trace[at + 8]).collect();
            assert!(span.len() > 60 && trace.len() > 40, "byte {at}: {} {}", span.len(), trace.len());
        }
    }
}
