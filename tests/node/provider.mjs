// The npm `oidc-provider` as a program: TLS on a free port of 127.0.0.1, everything an OIDC agent uses switched on.
// Usage: node provider.mjs KEY CERTIFICATE. Prints one JSON line {issuer, account} when it is ready, and ends with
// its standard input. Login and consent are the package's own development pages: any name and password will do.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const [key, certificate] = process.argv.slice(2);
const SCOPE = 'openid profile offline_access storage.read:/ storage.modify:/';
const PERSON = 'ada';
const STORAGE = 'https://storage.example';

const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) });
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `https://localhost:${server.address().port}`;

const client = {
  client_id: 'seeded-client',
  client_secret: randomBytes(24).toString('base64url'),
  redirect_uris: ['http://localhost:4242'],
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
};

const provider = new Provider(issuer, {
  clients: [client],
  scopes: SCOPE.split(' '),
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  // A login outlives the browser's session when `offline_access` was granted.
  expiresWithSession: () => false,
  ttl: { AccessToken: 3600, RefreshToken: 30 * 86400, Grant: 30 * 86400, Session: 3600, Interaction: 3600, IdToken: 3600 },
  clientDefaults: { grant_types: ['authorization_code', 'refresh_token'] },
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        audience: resource,
        scope: SCOPE,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 3600,
      }),
    },
  },
});

// A login that happened before the test: a grant and its first refresh token.
const grant = new provider.Grant({ accountId: PERSON, clientId: client.client_id });
grant.addOIDCScope(SCOPE);
grant.addResourceScope(STORAGE, SCOPE);
const grantId = await grant.save();
const refreshToken = await new provider.RefreshToken({
  accountId: PERSON,
  client: await provider.Client.find(client.client_id),
  grantId,
  gty: 'authorization_code',
  scope: SCOPE,
  resource: STORAGE,
}).save();

server.on('request', provider.callback());
const account = {
  issuer_url: issuer,
  client_id: client.client_id,
  client_secret: client.client_secret,
  refresh_token: refreshToken,
  scope: SCOPE,
};
console.log(JSON.stringify({ issuer, account }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
