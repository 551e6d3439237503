//! New keys, from the random numbers of the operating system through OpenSSL.

use openssl::{
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    pkey::PKey,
    rand::rand_bytes,
    rsa::Rsa,
};
use zeroize::Zeroizing;

use crate::{
    Algorithm, KeyError, PrivateKey,
    jwk::secret_octets,
    kind::{Curve, Kind},
    private::{Material, library},
    rsa::BITS,
};

/// Sizes of a modulus that every library signs with are multiples of this.
const STEP: i32 = 512;

impl PrivateKey {
    /// Makes a key for `algorithm`. `rsa_bits` matters for RSA only: a multiple of 512 from 2048 to 8192. A shared secret
    /// is as long as the hash. RSA takes a tenth of a second and longer.
    ///
    /// # Errors
    /// For ES512, which nothing here signs with, and for another size of RSA.
    pub fn generate(algorithm: Algorithm, rsa_bits: u32) -> Result<Self, KeyError> {
        let kind = Kind::of(algorithm)
            .ok_or_else(|| KeyError::new(format!("{} is not supported for signing", algorithm.as_str())))?;
        let material = match kind {
            Kind::Rsa => rsa(rsa_bits)?,
            Kind::Curve(curve) => elliptic(curve).map_err(library)?,
            Kind::Ed25519 => PKey::generate_ed25519().map(Material::Pair).map_err(library)?,
            Kind::Secret => secret(secret_octets(algorithm)).map_err(library)?,
        };
        Self::new(algorithm, material)
    }
}

fn rsa(bits: u32) -> Result<Material, KeyError> {
    if !i32::try_from(bits).is_ok_and(|bits| BITS.contains(&bits) && bits % STEP == 0) {
        let (least, most) = (BITS.start(), BITS.end());
        return Err(KeyError::new(format!("an RSA key has {least} to {most} bits, a multiple of {STEP}; not {bits}")));
    }
    Rsa::generate(bits).and_then(PKey::from_rsa).map(Material::Pair).map_err(library)
}

fn elliptic(curve: Curve) -> Result<Material, ErrorStack> {
    let group = EcGroup::from_curve_name(curve.nid())?;
    EcKey::generate(&group).and_then(PKey::from_ec_key).map(Material::Pair)
}

fn secret(octets: usize) -> Result<Material, ErrorStack> {
    let mut secret = Zeroizing::new(vec![0; octets]);
    rand_bytes(&mut secret)?;
    Ok(Material::Secret(secret))
}
