"""The same verifier as discover.mjs, with PyJWT: {issuer, tokens} from stdin, what the tokens claim to stdout."""

import json
import sys
import urllib.request

import jwt

order = json.load(sys.stdin)
issuer = order["issuer"]
with urllib.request.urlopen(issuer + "/.well-known/openid-configuration") as response:
    metadata = json.load(response)
assert metadata["issuer"] == issuer, metadata
algorithms = metadata["id_token_signing_alg_values_supported"]
keys = jwt.PyJWKClient(metadata["jwks_uri"])


def decode(token):
    key = keys.get_signing_key_from_jwt(token).key
    options = {"require": ["exp", "iat", "iss", "aud"], "verify_aud": False}
    return jwt.decode(token, key, algorithms=algorithms, issuer=issuer, options=options)


def refused(token):
    head, claims, signature = token.split(".")
    other = "B" if signature[9] == "A" else "A"
    try:
        decode(".".join([head, claims, signature[:9] + other + signature[10:]]))
    except jwt.InvalidSignatureError as error:
        return type(error).__name__
    return None


verified = [
    {"header": jwt.get_unverified_header(token), "claims": decode(token), "refused": refused(token)}
    for token in order["tokens"]
]
json.dump({"metadata": metadata, "verified": verified}, sys.stdout)
