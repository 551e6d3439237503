//! Keys in JWK form (RFC 7517), checked when they are read.

mod members;
mod object;

use openssl::{
    bn::BigNum,
    ec::{EcGroup, EcKey},
    memcmp,
    pkey::{Id, PKey, Private, Public},
    rsa::{Rsa, RsaPrivateKeyBuilder},
};
use zeroize::Zeroizing;

pub(crate) use self::{members::Members, object::Object};
use crate::{
    Algorithm, KeyError, PrivateKey, Secrets,
    kind::{Curve, Kind},
    private::{Material, library},
    rsa,
};

/// Octets of either half of an Ed25519 key (RFC 8032, 5.1).
const ED25519: usize = 32;

/// The members that only the owner of a key has (RFC 7518, 6.2.2, 6.3.2 and 6.4; RFC 8037, 2).
pub(crate) const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What the members of a JWK are a key of.
pub(crate) fn kind(members: &Members) -> Result<Kind, KeyError> {
    match members.text("kty")? {
        "RSA" => Ok(Kind::Rsa),
        "EC" => Curve::named(members.text("crv")?).map(Kind::Curve),
        "OKP" => match members.text("crv")? {
            "Ed25519" => Ok(Kind::Ed25519),
            other => Err(KeyError::new(format!("the curve (`crv`) `{other}` is not supported; Ed25519"))),
        },
        "oct" => Ok(Kind::Secret),
        other => Err(KeyError::new(format!("the key type (`kty`) `{other}` is not supported; RSA, EC, OKP or oct"))),
    }
}

/// The private key of these members.
pub(crate) fn private_key(
    members: &Members,
    secrets: Secrets,
    remarks: &mut Vec<String>,
) -> Result<PrivateKey, KeyError> {
    let kind = kind(members)?;
    let algorithm = kind.algorithm(members.algorithm(kind)?)?;
    members.meant_for("sign")?;
    let material = match kind {
        Kind::Rsa => Material::Pair(rsa_pair(members)?),
        Kind::Curve(curve) => Material::Pair(elliptic_pair(members, curve)?),
        Kind::Ed25519 => Material::Pair(ed25519_pair(members)?),
        Kind::Secret => Material::Secret(secret(members, algorithm, secrets, remarks)?),
    };
    PrivateKey::new(algorithm, material)
}

/// The public key of these members.
pub(crate) fn public_key(members: &Members, kind: Kind) -> Result<PKey<Public>, KeyError> {
    match kind {
        Kind::Rsa => {
            let (n, e) = (members.number("n")?, members.number("e")?);
            rsa::check_public(&n, &e)?;
            Rsa::from_public_components(n, e).and_then(PKey::from_rsa).map_err(library)
        }
        Kind::Curve(curve) => PKey::from_ec_key(point(members, curve)?).map_err(library),
        Kind::Ed25519 => {
            PKey::public_key_from_raw_bytes(&exactly(members, "x", ED25519)?, Id::ED25519).map_err(library)
        }
        Kind::Secret => Err(KeyError::new("a shared secret (`kty` `oct`) has no public half")),
    }
}

fn rsa_pair(members: &Members) -> Result<PKey<Private>, KeyError> {
    refuse_half_of_rsa(members)?;
    let (n, e) = (members.number("n")?, members.number("e")?);
    rsa::check_public(&n, &e)?;
    let mut key = RsaPrivateKeyBuilder::new(n, e, members.number("d")?).map_err(library)?;
    if members.has("p") {
        let (p, q) = (members.number("p")?, members.number("q")?);
        let (dp, dq, qi) = (members.number("dp")?, members.number("dq")?, members.number("qi")?);
        key = key.set_factors(p, q).and_then(|key| key.set_crt_params(dp, dq, qi)).map_err(library)?;
    }
    let key = key.build();
    rsa::check_private(&key)?;
    PKey::from_rsa(key).map_err(library)
}

/// All private members, or `d` alone (RFC 7518, 6.3.2).
fn refuse_half_of_rsa(members: &Members) -> Result<(), KeyError> {
    const NEEDED: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];
    if members.has("oth") {
        return Err(KeyError::new("a key of more than two primes (`oth`) is not supported"));
    }
    let missing: Vec<_> = NEEDED.into_iter().filter(|name| !members.has(name)).collect();
    match missing.as_slice() {
        [] | ["p", "q", "dp", "dq", "qi"] => Ok(()),
        all if all.len() == NEEDED.len() => {
            Err(KeyError::new("this is the public half of a key; signing needs `d`, `p`, `q`, `dp`, `dq` and `qi` too"))
        }
        some => Err(KeyError::new(format!(
            "missing `{}`; an RSA key needs all of d, p, q, dp, dq and qi",
            some.join("`, `")
        ))),
    }
}

fn elliptic_pair(members: &Members, curve: Curve) -> Result<PKey<Private>, KeyError> {
    refuse_half(members)?;
    let public = point(members, curve)?;
    let d = coordinate(members, "d", curve)?;
    let group = public.group();
    let key = EcKey::from_private_components(group, &d, public.public_key()).map_err(library)?;
    // Among others that `d` times the generator is the point.
    key.check_key().map_err(|_| KeyError::new("its members do not belong together: `d` is not that of `x` and `y`"))?;
    PKey::from_ec_key(key).map_err(library)
}

fn point(members: &Members, curve: Curve) -> Result<EcKey<Public>, KeyError> {
    let group = EcGroup::from_curve_name(curve.nid()).map_err(library)?;
    let (x, y) = (coordinate(members, "x", curve)?, coordinate(members, "y", curve)?);
    EcKey::from_public_key_affine_coordinates(&group, &x, &y)
        .map_err(|_| KeyError::new(format!("`x` and `y` are not a point of the curve {}", curve.name())))
}

fn coordinate(members: &Members, name: &str, curve: Curve) -> Result<BigNum, KeyError> {
    let number = members.number(name)?;
    if usize::try_from(number.num_bytes()).is_ok_and(|octets| octets <= curve.octets()) {
        return Ok(number);
    }
    Err(KeyError::new(format!("`{name}` is longer than the {} octets of {}", curve.octets(), curve.name())))
}

fn ed25519_pair(members: &Members) -> Result<PKey<Private>, KeyError> {
    refuse_half(members)?;
    let (x, d) = (exactly(members, "x", ED25519)?, exactly(members, "d", ED25519)?);
    let key = PKey::private_key_from_raw_bytes(&d, Id::ED25519).map_err(library)?;
    if !memcmp::eq(&key.raw_public_key().map_err(library)?, &x) {
        return Err(KeyError::new("its members do not belong together: `d` is not that of `x`"));
    }
    Ok(key)
}

fn refuse_half(members: &Members) -> Result<(), KeyError> {
    if members.has("d") {
        return Ok(());
    }
    Err(KeyError::new("this is the public half of a key; signing needs `d` too"))
}

fn exactly(members: &Members, name: &str, length: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let octets = members.octets(name)?;
    if octets.len() == length {
        return Ok(octets);
    }
    Err(KeyError::new(format!("`{name}` must have {length} octets, not {}", octets.len())))
}

fn secret(
    members: &Members,
    algorithm: Algorithm,
    secrets: Secrets,
    remarks: &mut Vec<String>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let least = secret_octets(algorithm);
    let secret = match secrets {
        Secrets::Decoded => members.octets("k")?,
        Secrets::AsTheyStand => Zeroizing::new(members.text("k")?.as_bytes().to_vec()),
    };
    match (secret.len(), secrets) {
        (0, _) => Err(KeyError::new("`k` is empty")),
        (length, Secrets::Decoded) if length < least => Err(KeyError::new(format!(
            "`k` has {length} octets; {} needs at least {least} (RFC 7518, 3.2)",
            algorithm.as_str()
        ))),
        (length, Secrets::AsTheyStand) if length < least => {
            remarks
                .push(format!("`k` has fewer than the {least} characters that RFC 7518 asks for; it can be guessed"));
            Ok(secret)
        }
        _ => Ok(secret),
    }
}

/// How long the secret of an HMAC has to be: as long as the hash (RFC 7518, 3.2).
pub(crate) const fn secret_octets(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Hs512 => 64,
        Algorithm::Hs384 => 48,
        _ => 32,
    }
}
