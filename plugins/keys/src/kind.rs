//! The kinds of keys that sign, and what each signs with.

use openssl::{
    nid::Nid,
    pkey::{HasPublic, Id, PKeyRef},
};

use crate::{Algorithm, KeyError, private::library};

/// A type of key (RFC 7518, 6.1), with its curve where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa,
    Curve(Curve),
    Ed25519,
    Secret,
}

/// A curve of ECDSA (RFC 7518, 6.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Kind {
    /// Of the keys of an algorithm; none where nothing here signs with it.
    pub(crate) const fn of(algorithm: Algorithm) -> Option<Self> {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match algorithm {
            Hs256 | Hs384 | Hs512 => Some(Self::Secret),
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => Some(Self::Rsa),
            Es256 => Some(Self::Curve(Curve::P256)),
            Es384 => Some(Self::Curve(Curve::P384)),
            EdDsa => Some(Self::Ed25519),
            Es512 => None,
        }
    }

    /// Of a key of OpenSSL.
    ///
    /// # Errors
    /// When nothing here signs with such keys.
    pub(crate) fn of_key<T: HasPublic>(key: &PKeyRef<T>) -> Result<Self, KeyError> {
        match key.id() {
            Id::RSA => Ok(Kind::Rsa),
            Id::ED25519 => Ok(Kind::Ed25519),
            Id::EC => {
                let curve = key.ec_key().map_err(library)?.group().curve_name();
                Curve::with_nid(curve).map(Kind::Curve).ok_or_else(|| {
                    let name = curve.and_then(|nid| nid.short_name().ok()).unwrap_or("that has no name");
                    KeyError::new(format!("an EC key of the curve {name} is not supported; P-256 or P-384"))
                })
            }
            Id::RSA_PSS => {
                Err(KeyError::new("an RSASSA-PSS key is not supported; an RSA key (rsaEncryption) signs PS256 too"))
            }
            _ => Err(KeyError::new("a key of this type is not supported; RSA, EC P-256, EC P-384 or Ed25519")),
        }
    }

    /// What a key of this kind signs with when nobody says.
    pub(crate) const fn default_algorithm(self) -> Algorithm {
        match self {
            Self::Rsa => Algorithm::Rs256,
            Self::Curve(Curve::P256) => Algorithm::Es256,
            Self::Curve(Curve::P384) => Algorithm::Es384,
            Self::Ed25519 => Algorithm::EdDsa,
            Self::Secret => Algorithm::Hs256,
        }
    }

    /// The algorithm of this name, if the kind signs with it.
    ///
    /// # Errors
    /// Otherwise, with those that it does sign with.
    pub(crate) fn algorithm_named(self, name: &str) -> Result<Algorithm, KeyError> {
        Algorithm::parse(name).filter(|algorithm| Self::of(*algorithm) == Some(self)).ok_or_else(|| {
            let (name_of_kind, algorithms) = (self.name(), self.algorithms());
            KeyError::new(format!(
                "the algorithm (`alg`) `{name}` is not supported for a key of type {name_of_kind}; {algorithms}"
            ))
        })
    }

    /// `algorithm` if the kind signs with it; the default if it is not said.
    ///
    /// # Errors
    /// As [`Kind::algorithm_named`].
    pub(crate) fn algorithm(self, algorithm: Option<Algorithm>) -> Result<Algorithm, KeyError> {
        algorithm.map_or_else(|| Ok(self.default_algorithm()), |algorithm| self.algorithm_named(algorithm.as_str()))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Curve(Curve::P256) => "EC P-256",
            Self::Curve(Curve::P384) => "EC P-384",
            Self::Ed25519 => "OKP Ed25519",
            Self::Secret => "oct",
        }
    }

    const fn algorithms(self) -> &'static str {
        match self {
            Self::Rsa => "RS256, RS384, RS512, PS256, PS384 or PS512",
            Self::Curve(Curve::P256) => "ES256",
            Self::Curve(Curve::P384) => "ES384",
            Self::Ed25519 => "EdDSA",
            Self::Secret => "HS256, HS384 or HS512",
        }
    }
}

impl Curve {
    /// The one of this name.
    ///
    /// # Errors
    /// When it is not supported.
    pub(crate) fn named(name: &str) -> Result<Self, KeyError> {
        [Self::P256, Self::P384]
            .into_iter()
            .find(|curve| curve.name() == name)
            .ok_or_else(|| KeyError::new(format!("the curve (`crv`) `{name}` is not supported; P-256 or P-384")))
    }

    /// The one that OpenSSL knows under this number.
    pub(crate) fn with_nid(nid: Option<Nid>) -> Option<Self> {
        [Self::P256, Self::P384].into_iter().find(|curve| Some(curve.nid()) == nid)
    }

    /// OpenSSL's number.
    pub(crate) const fn nid(self) -> Nid {
        match self {
            Self::P256 => Nid::X9_62_PRIME256V1,
            Self::P384 => Nid::SECP384R1,
        }
    }

    /// `crv`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// Octets of a coordinate.
    pub(crate) const fn octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}
