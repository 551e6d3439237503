// A real identity provider for the tests: node server.mjs. It says `issuer URL at URL` on standard error when it can be asked.
//   PORT=n         instead of a free port: the same provider again, with new keys
//   TTL=n          lifetime of tokens in seconds
//   TLS_CERT, TLS_KEY   files in PEM: https
//   ISSUER=URL     its name, with the path under which it answers, instead of http://127.0.0.1:PORT
//   CLIENT=id      one more client
//   CLIENT_KEYS    a file with the key set of the client `key`
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const { PORT = '0', TTL = '600', TLS_CERT, TLS_KEY, CLIENT, CLIENT_KEYS } = process.env;
const API = 'urn:test:api';
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];

const server = TLS_CERT
  ? createTlsServer({ cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) })
  : createServer();
await new Promise((done) => server.listen(Number(PORT), '127.0.0.1', done));
const address = `${TLS_CERT ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
const { ISSUER: issuer = address } = process.env;
const path = new URL(issuer).pathname.replace(/\/$/, '');

const keys = await Promise.all(ALGORITHMS.map(async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig' };
}));

// Without redirects: only grants that need no browser.
const client = (id, more) => ({
  client_id: id,
  client_secret: `${id}-secret-of-at-least-32-characters`,
  grant_types: ['client_credentials', 'password'],
  redirect_uris: [],
  response_types: [],
  ...more,
});

const provider = new Provider(issuer, {
  jwks: { keys },
  clients: [
    client('app'),
    client('opaque'),
    ...(CLIENT ? [client(CLIENT)] : []),
    ...ALGORITHMS.map((alg) => client(`app-${alg}`)),
    client('post', { token_endpoint_auth_method: 'client_secret_post' }),
    client('shared', { token_endpoint_auth_method: 'client_secret_jwt', token_endpoint_auth_signing_alg: 'HS256' }),
    client('longer', { token_endpoint_auth_method: 'client_secret_jwt', token_endpoint_auth_signing_alg: 'HS512' }),
    ...(CLIENT_KEYS ? [client('key', {
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: JSON.parse(readFileSync(CLIENT_KEYS)),
    })] : []),
  ],
  enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'HS512', 'RS256', 'PS256', 'ES256', 'EdDSA'] },
  scopes: ['openid', 'read', 'write'],
  claims: { openid: ['sub', 'email', 'groups'] },
  extraTokenClaims: (ctx, token) => ({
    clientId: token.clientId,
    groups: ['admins', 'users'],
    realm: { roles: ['reader'] },
  }),
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      // Tokens of `opaque` are for nobody in particular, which makes them no JWTs.
      defaultResource: (ctx, asking) => (asking.clientId === 'opaque' ? undefined : API),
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource, asking) => ({
        audience: resource,
        scope: 'openid read write',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: ALGORITHMS.find((alg) => asking.clientId.endsWith(alg)) ?? 'RS256' } },
      }),
    },
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.test`, groups: ['users'] }),
  }),
  ttl: { ClientCredentials: Number(TTL), AccessToken: Number(TTL), IdToken: Number(TTL), Grant: Number(TTL) },
});

// The password grant, which the provider leaves to its users.
provider.registerGrantType('password', async (ctx) => {
  const { username, password, scope } = ctx.oidc.params;
  if (password !== `${username}-password`) {
    ctx.status = 400;
    ctx.body = { error: 'invalid_grant' };
    return;
  }
  const grant = new provider.Grant({ accountId: username, clientId: ctx.oidc.client.clientId });
  grant.addOIDCScope(scope ?? 'openid');
  const token = new provider.AccessToken({
    accountId: username,
    client: ctx.oidc.client,
    grantId: await grant.save(),
    gty: 'password',
    scope: scope ?? 'openid',
    claims: {},
  });
  ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: token.expiration, scope: token.scope };
}, ['username', 'password', 'scope']);

const answer = provider.callback();
server.on('request', (request, response) => {
  // The provider finds the path under which it is mounted by comparing the two.
  request.originalUrl = request.url;
  if (request.url.startsWith(`${path}/`)) request.url = request.url.slice(path.length);
  answer(request, response);
});
console.error(`issuer ${issuer} at ${address}`);
