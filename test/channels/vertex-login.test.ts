import { generateKeyPairSync } from 'node:crypto';
import { afterEach, describe, expect, test } from 'bun:test';
import { LoginRefused } from '../../src/accounts/login.ts';
import type { LoginTools, PasteWay } from '../../src/channels/login.ts';
import channel from '../../src/channels/vertex/index.ts';
import { normalKey } from '../../src/channels/vertex/service-account.ts';
import type { Json } from '../../src/core/json.ts';
import { testLogin } from '../support/login.ts';
import { testNet } from '../support/net.ts';
import { serviceAccount, vertexUpstream, type Vertex } from '../support/vertex-upstream.ts';
import { sent, tools } from './tools.ts';

/** Vertex AI by service account. */

const logins = channel.logins!;
const account = serviceAccount();
const { key } = account;

const running: Vertex[] = [];
afterEach(() => running.splice(0).forEach((it) => it.stop()));

function start(): Vertex {
  const it = vertexUpstream(account);
  running.push(it);
  return it;
}

const imported = (content: Json): Json | undefined => logins.imports![0]!.read(content, () => undefined);
const file = (more: Json = {}): Json => ({ ...imported(key), ...more });

function open(fields: Json = file(), session?: Json, endpoints = logins.endpoints) {
  const given: LoginTools = { ...tools(), endpoints, naming: { declared: [], excluded: [] } };
  return logins.open(testLogin(logins, fields, session), given);
}

describe('the private key', () => {
  const { privateKey } = account;
  const pkcs8 = key.private_key;
  const pkcs1 = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();

  test.each([
    ['as Google gives it', pkcs8],
    ['with CRLF', pkcs8.replaceAll('\n', '\r\n')],
    ['with line ends written out', pkcs8.replaceAll('\n', '\\n')],
    ['with CRLF written out', pkcs8.replaceAll('\n', '\\r\\n')],
    ['in PKCS#1', pkcs1],
    ['with spaces around it', `\n  ${pkcs8}\n\n`],
  ])('%s becomes PKCS#8 with plain line ends', (_, text) => {
    expect(normalKey(text)).toBe(pkcs8);
  });

  test('of another kind, or none, is refused by the name of its field', () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const curved = ec.export({ type: 'pkcs8', format: 'pem' }).toString();
    for (const text of ['no key', curved])
      expect(() => normalKey(text)).toThrow('private_key of the service account is no');
  });
});

describe('taking over a JSON key', () => {
  test('makes a file with the key, the project and a location', () => {
    const fields = imported({ ...key, private_key: key.private_key.replaceAll('\n', '\\n') })!;
    expect(fields).toEqual({
      type: 'vertex',
      service_account: key,
      project_id: 'sim-project',
      email: key.client_email,
      location: 'us-central1',
    });
    expect(logins.fileName(fields)).toBe('vertex-sim-project.json');
    expect(logins.identify(fields)).toEqual({
      account: key.client_email,
      workspace: 'sim-project',
      label: key.client_email,
    });
    expect(logins.expiresAt!(fields)).toBeUndefined();
  });

  test('asks for the key and the location, and checks both', async () => {
    const way = logins.ways[0] as PasteWay;
    const net = testNet(logins.endpoints);
    const fields = await way.finish(net, { key: JSON.stringify(key), location: 'global' });
    expect(fields).toMatchObject({ type: 'vertex', location: 'global' });
    expect(way.asks!.map(({ check }) => check!('no key at all!'))).toEqual([
      'is no JSON key with "type": "service_account"',
      'is no location such as us-central1 or global',
    ]);
    expect(way.asks!.map(({ name, secret }) => [name, secret])).toEqual([
      ['key', true],
      ['location', undefined],
    ]);
  });

  test('names the field that is missing, and leaves other files alone', () => {
    expect(() => imported({ ...key, client_email: '' })).toThrow('client_email');
    expect(() => logins.identify({ type: 'vertex', project_id: 'p' })).toThrow(
      'service_account.client_email',
    );
    expect(imported({ type: 'authorized_user' })).toBeUndefined();
  });
});

describe('tokens', () => {
  test('are given for a statement that the key signed', async () => {
    const google = start();
    const now = Date.now();
    const net = testNet({ ...logins.endpoints, token: google.token }, {}, () => now);
    const { values, expiresAt } = await logins.session!(file(), net);
    expect(values).toEqual({ access_token: expect.stringMatching(/^ya29\./) });
    expect(expiresAt).toBe(now + 3_599_000);
    expect(google.statements).toEqual([
      {
        iss: key.client_email,
        aud: google.token,
        scope: 'https://www.googleapis.com/auth/cloud-platform',
        iat: Math.floor(now / 1000),
        exp: Math.floor(now / 1000) + 3600,
        alg: 'RS256',
        typ: 'JWT',
        kid: 'key-1',
      },
    ]);
  });

  test('are refused for good to another key, and to another audience', async () => {
    const google = start();
    const stranger = serviceAccount().key;
    const net = testNet({ token: google.token });
    const foreign = file({ service_account: { ...key, private_key: stranger.private_key } });
    await expect(logins.session!(foreign, net)).rejects.toBeInstanceOf(LoginRefused);
    const elsewhere = testNet({ token: `${google.token}?other` });
    await expect(logins.session!(file(), elsewhere)).rejects.toThrow('aud');
  });

  test('that cannot be had just now are tried again later', async () => {
    const google = start();
    google.nextToken.push(Response.json({ error: 'internal_failure' }, { status: 500 }));
    const net = testNet({ token: google.token });
    const failure = logins.session!(file(), net);
    await expect(failure).rejects.toThrow('500');
    await expect(failure).rejects.not.toBeInstanceOf(LoginRefused);
  });
});

describe('requests', () => {
  test.each([
    ['us-central1', 'https://us-central1-aiplatform.googleapis.com'],
    ['europe-west4', 'https://europe-west4-aiplatform.googleapis.com'],
    ['global', 'https://aiplatform.googleapis.com'],
  ])('go to the project in its location, %s', async (location, host) => {
    const { url, headers } = await sent(open(file({ location }), { access_token: 'ya29.s' }), {
      model: 'gemini-2.5-flash',
      stream: true,
    });
    expect(url).toBe(
      `${host}/v1/projects/sim-project/locations/${location}/publishers/google/models/` +
        'gemini-2.5-flash:streamGenerateContent?alt=sse',
    );
    expect([headers.get('authorization'), headers.get('x-goog-api-key')]).toEqual(['Bearer ya29.s', null]);
  });

  test('go to us-central1 when the file says no location, and to the operator’s own address', async () => {
    const { url } = await sent(open(file({ location: undefined })));
    expect(url).toStartWith('https://us-central1-aiplatform.googleapis.com/v1/projects/sim-project/');
    const moved = await sent(open(file(), undefined, { api: 'http://127.0.0.1:9/x' }));
    expect(moved.url).toStartWith('http://127.0.0.1:9/x/v1/projects/sim-project/locations/us-central1/');
  });

  test('speak the dialect of Vertex and offer Imagen besides Gemini', () => {
    const connection = open();
    expect(connection.dialect).toBe('vertex');
    expect(connection.models.catalog).toBe('gemini');
    expect(connection.models.discovered!.map(({ name }) => name)).toContain('imagen-4.0-generate-001');
    expect(connection.can!('/v1beta/models:predict', 'imagen-4.0-generate-001')).toBe(true);
  });
});
