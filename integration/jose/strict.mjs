// The strictest verifier that HTTP allows: it keeps the keys for exactly as long as it was told, asks for them never earlier
// than it must, and has no tolerance for clocks. `strict.mjs ISSUER JWKS...`; where there are several places, it asks them in
// turn. Each line of stdin is a token: it is verified at once, and again just before it expires. After the last one it says
// what it has seen.
import { createInterface } from "node:readline";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";

const [issuer, ...places] = process.argv.slice(2);
// Before a token expires, in milliseconds.
const JUST_BEFORE = 500;

const seen = { checked: 0, again: 0, expired: 0, rejected: 0, examples: [], fetched: 0, most: 0 };
const signed = new Set();
let cached, freshUntil = 0;

async function fetchKeys() {
  const response = await fetch(places[seen.fetched++ % places.length]);
  const [, maxAge] = /^public, max-age=([0-9]+)$/.exec(response.headers.get("cache-control"));
  const set = await response.json();
  seen.most = Math.max(seen.most, set.keys.length);
  freshUntil = performance.now() + Number(maxAge) * 1000;
  return createLocalJWKSet(set);
}

function keys() {
  if (performance.now() >= freshUntil) {
    // Whoever comes while it is asked for waits for the same answer.
    freshUntil = Infinity;
    cached = fetchKeys();
  }
  return cached;
}

async function check(token, count) {
  seen[count] += 1;
  const kid = decodeProtectedHeader(token).kid;
  signed.add(kid);
  try {
    // With a greatest age, one that was issued in the future is refused, too.
    await jwtVerify(token, await keys(), { issuer, clockTolerance: 0, maxTokenAge: "1 hour" });
  } catch (error) {
    seen.rejected += 1;
    if (seen.examples.length < 5) seen.examples.push({ count, kid, error: error.code ?? String(error) });
  }
}

function again(token) {
  const until = decodeJwt(token).exp * 1000;
  return new Promise((done) => setTimeout(done, until - JUST_BEFORE - Date.now())).then(() => {
    // A machine that is too busy wakes this up too late: then there is nothing to be learnt.
    if (Date.now() < until - JUST_BEFORE / 2) return check(token, "again");
    seen.expired += 1;
  });
}

const open = [];
for await (const token of createInterface({ input: process.stdin })) open.push(check(token, "checked"), again(token));
await Promise.all(open);
console.log(JSON.stringify({ ...seen, keys: signed.size }));
