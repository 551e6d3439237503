#!/usr/bin/env python3
"""Makes the keys of this folder anew, by openssl. For tests and the demo only."""

import base64
import json
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent

# The names that `openssl rsa -text` prints, and those of RFC 7518.
MEMBERS = {
    "modulus": "n",
    "publicExponent": "e",
    "privateExponent": "d",
    "prime1": "p",
    "prime2": "q",
    "exponent1": "dp",
    "exponent2": "dq",
    "coefficient": "qi",
}


CLIENT = "/C=US/ST=California/O=Example Inc./OU=Consumers/CN=client/emailAddress=contact@example.test"

AUTHORITY = """
[ca]
default_ca = authority
[authority]
database = {folder}/index
rand_serial = yes
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[client]
basicConstraints = CA:FALSE
keyUsage = critical, nonRepudiation, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth, emailProtection
subjectAltName = email:contact@example.test, email:demo@example.test
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def main():
    if sys.argv[1:] == ["certificates"]:
        certificates()
    else:
        keys()


def keys():
    for alg in ("RS256", "RS512"):
        private = {"kty": "RSA", "use": "sig", "alg": alg, "kid": f"signet-{alg.lower()}", **rsa_members()}
        public = {name: private[name] for name in ("kty", "use", "alg", "kid", "n", "e")}
        write(f"{alg.lower()}-private-jwk.json", private)
        write(f"{alg.lower()}-jwks.json", {"keys": [public]})
    (HERE / "rsa8192-private.pem").write_text(rsa_key(8192))
    for alg, octets in (("HS256", 32), ("HS512", 64)):
        # Hexadecimal: twice the octets as characters, and the characters are the secret.
        write(f"{alg.lower()}-jwk.json", {"kty": "oct", "alg": alg, "kid": f"signet-{alg.lower()}", "k": secrets.token_hex(octets)})


def certificates():
    """An authority and a client of it, for twenty years. The authority's key is not kept: nothing else is ever signed by it."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "index").touch()
        (folder / "openssl.conf").write_text(AUTHORITY.format(folder=folder))
        certificate("ca", "root", folder, "/C=US/ST=California/O=Example Inc./CN=Example", folder / "ca-key.pem", "-selfsign")
        certificate("client", "client", folder, CLIENT, HERE / "mtls-client-key.pem", "-cert", HERE / "mtls-ca.pem")


def certificate(name, extensions, folder, subject, key, *signed_by):
    request = folder / "request.pem"
    run("openssl", "req", "-newkey", "rsa:2048", "-noenc", "-subj", subject, "-keyout", key, "-out", request)
    config = ["-config", folder / "openssl.conf", "-extensions", extensions, "-batch", "-notext", "-preserveDN"]
    dates = ["-startdate", "20240101000000Z", "-enddate", "20440101000000Z"]
    signing = [*signed_by, "-keyfile", folder / "ca-key.pem"]
    run("openssl", "ca", *config, *dates, *signing, "-in", request, "-out", HERE / f"mtls-{name}.pem")


def rsa_members():
    text = run("openssl", "rsa", "-noout", "-text", stdin=rsa_key(2048))
    blocks = re.findall(r"^(\w+): *([^\n]*)\n((?: +[0-9a-f:]+\n)*)", text, re.MULTILINE)
    members = {}
    for name, inline, block in blocks:
        if name in MEMBERS:
            digits = re.sub(r"[\s:]", "", block)
            number = int(digits, 16) if digits else int(inline.split()[0])
            members[MEMBERS[name]] = base64url(number)
    assert members.keys() == set(MEMBERS.values()), members.keys()
    return members


def rsa_key(bits):
    return run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")


def base64url(number):
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def run(*command, stdin=None):
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout


def write(name, value):
    (HERE / name).write_text(json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    main()
