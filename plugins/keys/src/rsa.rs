//! Whether the numbers of an RSA key belong together (RFC 8017, 3).

use openssl::{
    bn::{BigNum, BigNumContext, BigNumContextRef, BigNumRef},
    error::ErrorStack,
    pkey::Private,
    rsa::RsaRef,
};

use crate::{KeyError, private::library};

/// Bits of a modulus: fewer can be factored, more take verifiers minutes.
pub(crate) const BITS: std::ops::RangeInclusive<i32> = 2048..=8192;

/// Bits of a public exponent: verifiers refuse longer ones.
const MAX_EXPONENT_BITS: i32 = 33;

/// Refuses a modulus or public exponent that verifiers refuse.
pub(crate) fn check_public(n: &BigNumRef, e: &BigNumRef) -> Result<(), KeyError> {
    let bits = n.num_bits();
    if !BITS.contains(&bits) {
        let (least, most) = (BITS.start(), BITS.end());
        return Err(KeyError::new(format!("an RSA key of {bits} bits is not supported; {least} to {most}")));
    }
    if n.is_even() {
        return Err(KeyError::new("`n` is not the modulus of an RSA key: it is even"));
    }
    if e.is_even() || !(2..=MAX_EXPONENT_BITS).contains(&e.num_bits()) {
        return Err(KeyError::new(
            "`e` is not the exponent of an RSA key: it must be odd, at least 3, at most 33 bits",
        ));
    }
    Ok(())
}

/// Refuses numbers that do not belong together. Whether the factors are primes only a trial signature tells: a proof
/// takes seconds.
pub(crate) fn check_private(key: &RsaRef<Private>) -> Result<(), KeyError> {
    check_public(key.n(), key.e())?;
    if key.d().num_bits() > key.n().num_bits() {
        return Err(apart("`d` is larger than `n`"));
    }
    let context = &mut BigNumContext::new_secure().map_err(library)?;
    let wrong = match (key.p(), key.q()) {
        (Some(p), Some(q)) => wrong_factors(key, p, q, context),
        _ => wrong_exponent(key, context),
    };
    wrong.map_err(library)?.map_or(Ok(()), |reason| Err(apart(reason)))
}

fn wrong_factors(
    key: &RsaRef<Private>,
    p: &BigNumRef,
    q: &BigNumRef,
    context: &mut BigNumContextRef,
) -> Result<Option<&'static str>, ErrorStack> {
    let least = key.n().num_bits() / 3;
    let mut product = BigNum::new_secure()?;
    product.checked_mul(p, q, context)?;
    if product != *key.n() {
        return Ok(Some("`n` is not `p` times `q`"));
    }
    if p == q || p.num_bits() < least || q.num_bits() < least {
        return Ok(Some("`p` and `q` must be two primes of about one size"));
    }
    let (below_p, below_q) = (less_one(p)?, less_one(q)?);
    let one = BigNum::from_u32(1)?;
    for modulus in [&below_p, &below_q] {
        let mut inverse = BigNum::new_secure()?;
        inverse.mod_mul(key.d(), key.e(), modulus, context)?;
        if inverse != one {
            return Ok(Some("`d` is not the inverse of `e`"));
        }
    }
    for (name, modulus, expected) in [
        ("`dp` is not `d` modulo `p` - 1", &below_p, key.dmp1()),
        ("`dq` is not `d` modulo `q` - 1", &below_q, key.dmq1()),
    ] {
        let mut exponent = BigNum::new_secure()?;
        exponent.nnmod(key.d(), modulus, context)?;
        if expected.is_some_and(|expected| exponent != *expected) {
            return Ok(Some(name));
        }
    }
    if let Some(coefficient) = key.iqmp() {
        let mut inverse = BigNum::new_secure()?;
        inverse.mod_mul(coefficient, q, p, context)?;
        if inverse != one || coefficient >= p {
            return Ok(Some("`qi` is not the inverse of `q`"));
        }
    }
    Ok(None)
}

/// Without the factors, a trial tells: what one exponent does the other undoes.
fn wrong_exponent(key: &RsaRef<Private>, context: &mut BigNumContextRef) -> Result<Option<&'static str>, ErrorStack> {
    let message = BigNum::from_u32(2)?;
    let (mut raised, mut back) = (BigNum::new_secure()?, BigNum::new_secure()?);
    raised.mod_exp(&message, key.e(), key.n(), context)?;
    back.mod_exp(&raised, key.d(), key.n(), context)?;
    Ok((back != message).then_some("`d` is not the inverse of `e`"))
}

fn less_one(number: &BigNumRef) -> Result<BigNum, ErrorStack> {
    let mut less = BigNum::new_secure()?;
    less.checked_sub(number, &*BigNum::from_u32(1)?)?;
    Ok(less)
}

fn apart(reason: &str) -> KeyError {
    KeyError::new(format!("its members do not belong together: {reason}"))
}
