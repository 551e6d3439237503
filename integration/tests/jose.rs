//! Tokens, verified with a library that is not ours.

use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;

/// Verifies a token against a JWK set and returns header and claims.
pub(crate) fn verify(token: &str, jwks: &Value) -> TokenData<Value> {
    let set: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let header = decode_header(token).unwrap();
    let key = set.find(header.kid.as_deref().unwrap()).expect("the key that the token names");
    let algorithm = key.common.key_algorithm.unwrap().to_string().parse().unwrap();
    with_key(token, &DecodingKey::from_jwk(key).unwrap(), algorithm).unwrap()
}

/// Verifies a token against a shared secret.
pub(crate) fn verify_shared(token: &str, secret: &[u8], algorithm: Algorithm) -> TokenData<Value> {
    with_key(token, &DecodingKey::from_secret(secret), algorithm).unwrap()
}

fn with_key(token: &str, key: &DecodingKey, algorithm: Algorithm) -> jsonwebtoken::errors::Result<TokenData<Value>> {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    // Each test has its own audience and looks at it itself.
    validation.validate_aud = false;
    decode(token, key, &validation)
}
