//! A private key with what stood beside it in its JWK or PEM.

use crate::{
    Algorithm, Form, KeyError, Kid, PrivateKey,
    jwk::{self, Members},
    pem,
};

/// What the `k` of a symmetric key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// base64url of the secret (RFC 7518, 6.4.1); a secret shorter than the hash is refused.
    Decoded,
    /// Its characters are the secret, as Kong's `x-custom-jwt` takes them; a short one is remarked on.
    AsTheyStand,
}

/// A private key that was read.
#[derive(Debug)]
pub struct LoadedKey {
    /// The key with its algorithm.
    pub key: PrivateKey,
    /// Whether the text itself said which algorithm: an `alg` in a JWK. Otherwise it is that of the caller, or of the type.
    pub names_algorithm: bool,
    /// The name that it was given.
    pub kid: Option<Kid>,
    /// From when it signs (`nbf`), in seconds since 1970.
    pub not_before: Option<u64>,
    /// Until when it signs (`exp`), in seconds since 1970.
    pub not_after: Option<u64>,
    /// When it was made (`iat`), in seconds since 1970.
    pub issued_at: Option<u64>,
    /// What is legal but unwise about it.
    pub remarks: Vec<String>,
}

impl LoadedKey {
    /// Reads a JWK (RFC 7517) with its private members. Without `alg` it takes the default of its type: RS256, ES256,
    /// ES384, EdDSA or HS256.
    ///
    /// # Errors
    /// When it cannot sign: not JSON, a member twice, missing or wrong, members that do not belong together, a key that is
    /// too short or meant for something else.
    pub fn from_jwk(text: &str, secrets: Secrets) -> Result<Self, KeyError> {
        let members = Members::parse(text)?;
        let mut remarks = Vec::new();
        let key = jwk::private_key(&members, secrets, &mut remarks)?;
        let (not_before, not_after) = (members.time("nbf")?, members.time("exp")?);
        if not_before.zip(not_after).is_some_and(|(before, after)| after <= before) {
            return Err(KeyError::new("`exp` must be later than `nbf`"));
        }
        let (kid, issued_at) = (members.kid(&mut remarks)?, members.time("iat")?);
        let names_algorithm = members.has("alg");
        Ok(Self { key, names_algorithm, kid, not_before, not_after, issued_at, remarks })
    }

    /// Reads the one private key of a PEM text: PKCS#8, `RSA PRIVATE KEY` or `EC PRIVATE KEY`, without a passphrase.
    /// Without `algorithm` it takes the default of its type: RS256, ES256, ES384 or EdDSA.
    ///
    /// # Errors
    /// When there is none, when it is not sound, or of another type than the algorithm needs.
    pub fn from_pem(text: &str, algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        let key = pem::private_key(text, algorithm)?;
        Ok(Self {
            key,
            names_algorithm: false,
            kid: None,
            not_before: None,
            not_after: None,
            issued_at: None,
            remarks: Vec::new(),
        })
    }

    /// Reads either. `algorithm` is for PEM, `secrets` for JWKs.
    ///
    /// # Errors
    /// As the two others.
    pub fn from_text(text: &str, algorithm: Option<Algorithm>, secrets: Secrets) -> Result<Self, KeyError> {
        match Form::of(text)? {
            Form::Jwk => Self::from_jwk(text, secrets),
            Form::Pem => Self::from_pem(text, algorithm),
        }
    }

    /// The name that it was given, else its thumbprint (RFC 7638).
    pub fn kid_or_thumbprint(&self) -> Kid {
        self.kid.clone().unwrap_or_else(|| Kid::new(&self.key.thumbprint()))
    }
}
