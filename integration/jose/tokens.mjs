// Tokens of another library: `sign` makes one for each algorithm, `verify` reads some from stdin and says what they claim.
// `keys` makes a private key (JWK) for each algorithm that the gateway signs with; `tryKeys` signs with the private halves
// of keys in all their forms, verifies with the public ones, and says the thumbprint of each key.
import { readFileSync } from "node:fs";
import {
  calculateJwkThumbprint, createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, importJWK, importPKCS8, importSPKI,
  jwtVerify, SignJWT,
} from "jose";

const SECRET = "a secret that is long enough for every HMAC: sixty-four characters";
const KEYS = {
  HS256: {}, HS384: {}, HS512: {},
  RS256: {}, RS384: {}, RS512: {}, PS256: {}, PS384: {}, PS512: {},
  ES256: {}, ES384: {}, ES512: {},
  EdDSA: {}, "EdDSA Ed448": { crv: "Ed448" },
};

const octets = (text) => new TextEncoder().encode(text);

const token = (name, key) =>
  new SignJWT({ roles: ["a", "b"] })
    .setProtectedHeader({ alg: name.split(" ")[0], typ: "JWT", kid: name })
    .setIssuer(name)
    .setIssuedAt()
    .setExpirationTime("5 minutes")
    .sign(key);

async function sign() {
  const made = [];
  for (const [name, options] of Object.entries(KEYS)) {
    const algorithm = name.split(" ")[0];
    if (algorithm.startsWith("HS")) {
      const forged = await token(name, octets(`not ${SECRET}`));
      made.push({ name, algorithm, secret: SECRET, token: await token(name, octets(SECRET)), forged });
      continue;
    }
    const own = await generateKeyPair(algorithm, { extractable: true, ...options });
    const other = await generateKeyPair(algorithm, { extractable: true, ...options });
    const pem = await exportSPKI(own.publicKey);
    made.push({ name, algorithm, pem, token: await token(name, own.privateKey), forged: await token(name, other.privateKey) });
  }
  return made;
}

async function verify() {
  const said = [];
  for (const { token, algorithm, issuer, secret, jwks } of JSON.parse(readFileSync(0, "utf8"))) {
    const key = secret === undefined ? createLocalJWKSet(jwks) : octets(secret);
    const { payload, protectedHeader } = await jwtVerify(token, key, { algorithms: [algorithm], issuer });
    said.push({ header: protectedHeader, claims: payload });
  }
  return said;
}

async function keys() {
  const made = [];
  for (const alg of Object.keys(KEYS).filter((name) => name !== "ES512" && !name.includes(" "))) {
    const key = alg.startsWith("HS")
      ? { kty: "oct", k: SECRET }
      : await exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey);
    made.push({ ...key, alg, kid: `made-for-${alg}` });
  }
  return made;
}

async function tryKeys() {
  const { keys, jwks } = JSON.parse(readFileSync(0, "utf8"));
  const thumbprints = [];
  for (const { algorithm, jwk, pem, spki } of keys) {
    const own = await importJWK(jwk, algorithm);
    const signing = pem === undefined ? [own] : [own, await importPKCS8(pem, algorithm)];
    const verifying = pem === undefined ? [own] : [await importSPKI(spki, algorithm), createLocalJWKSet(jwks)];
    for (const key of signing) {
      const signed = await new SignJWT({}).setProtectedHeader({ alg: algorithm, kid: jwk.kid }).sign(key);
      for (const other of verifying) await jwtVerify(signed, other, { algorithms: [algorithm] });
    }
    thumbprints.push(await calculateJwkThumbprint(jwk));
  }
  return thumbprints;
}

const commands = { sign, verify, keys, tryKeys };
console.log(JSON.stringify(await commands[process.argv[2]]()));
