// A verifier that knows nothing but the issuer: reads its metadata (oauth4webapi), gets its keys and verifies tokens (jose).
// Reads {issuer, tokens} from stdin, says what the metadata says and what the tokens claim.
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

globalThis.crypto ??= webcrypto;

const { issuer, tokens } = JSON.parse(readFileSync(0, "utf8"));
const url = new URL(issuer);

// It builds the address by itself, for OpenID behind the issuer's path, for OAuth before it, and compares the issuer.
async function metadata(algorithm) {
  const options = { algorithm, [oauth.allowInsecureRequests]: true };
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options));
}

const found = { oidc: await metadata("oidc"), oauth2: await metadata("oauth2") };
const { jwks_uri, id_token_signing_alg_values_supported: algorithms } = found.oidc;
const keys = createRemoteJWKSet(new URL(jwks_uri));

const verified = [];
for (const token of tokens) {
  const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer, algorithms });
  const [head, claims, signature] = token.split(".");
  const other = signature[9] === "A" ? "B" : "A";
  const forged = [head, claims, signature.slice(0, 9) + other + signature.slice(10)].join(".");
  const refused = await jwtVerify(forged, keys, { issuer, algorithms }).then(() => null, (error) => error.code);
  verified.push({ header: protectedHeader, claims: payload, refused });
}
console.log(JSON.stringify({ metadata: found, verified }));
